package demo

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"vestibule/api"
	"vestibule/auth"
	"vestibule/conference/livekit"
	"vestibule/deploy/demo/provider"
	"vestibule/dialin/media"
	"vestibule/dialin/prompts"
	"vestibule/dialin/room"
	"vestibule/dialin/sip"
	"vestibule/house"
	"vestibule/lobby"
	"vestibule/mail"
	"vestibule/meeting"
	"vestibule/sms"
	"vestibule/store"
	"vestibule/turn"
	"vestibule/web"
)

// Where the door takes the provider's answers; the same as in package
// gateway.
const (
	afterSignIn  = "/oidc/callback/demo"
	afterSignOut = "/"
	toldSignOut  = "/oidc/backchannel"
)

// client is the door as the provider knows it.
func client(s surroundings) provider.Client {
	return provider.Client{
		ID: s.ClientID, Name: "Vestibule", Secret: s.ClientSecret,
		RedirectURIs:   []string{s.Door + afterSignIn},
		PostLogoutURIs: []string{s.Door + afterSignOut},
		BackChannelURI: s.Door + toldSignOut,
	}
}

// built is a door that stands.
type built struct {
	// door and room answer on their origins.
	door, room http.Handler
	// run does what runs beside them, TURN and metrics among it, until ctx
	// ends.
	run func(ctx context.Context) error
	// meeting makes a meeting with invitations to try and describes it. It
	// is called once every house answers.
	meeting func(ctx context.Context) (ready, error)
}

// openStore is the store of the demonstration: in memory, unless a Redis is named.
func openStore(s surroundings) (house.Store, error) {
	if s.Redis == "" {
		return store.NewMemory(), nil
	}
	return store.Open(store.Config{URL: s.Redis, Prefix: "vestibule-demo:" + rand.Text() + ":", Logger: s.Logger})
}

// door builds the gateway in its surroundings.
func door(ctx context.Context, s surroundings) (*built, error) {
	kept, err := openStore(s)
	if err != nil {
		return nil, err
	}
	conference, tapped, err := reach(ctx, s)
	if err != nil {
		return nil, err
	}
	backend, err := livekit.New(livekit.Config{
		URL: conference, Key: s.Conference.Key, Secret: s.Conference.Secret, Logger: s.Logger,
	})
	if err != nil {
		return nil, err
	}
	sender, texter, err := senders(s)
	if err != nil {
		return nil, err
	}
	phone, err := telephone(ctx, s, backend)
	if err != nil {
		return nil, err
	}
	key, programs, err := program(s)
	if err != nil {
		return nil, err
	}
	h, err := house.New(house.Config{
		Door: s.Door, Room: s.Room, Secret: []byte(rand.Text() + rand.Text()), Store: kept, Backend: backend, Mailer: sender, Texter: texter,
		Early: 15 * time.Minute, Grace: time.Hour,
		OIDC:   auth.Config{Providers: []auth.Provider{institution(s)}, Transport: s.Inside.Transport},
		Turn:   relay(s),
		TurnOn: turn.Addresses{UDP: []string{"127.0.0.1:0"}, TCP: []string{"127.0.0.1:0"}, TLS: []string{"127.0.0.1:0"}},
		Phone:  phone, API: programs,
		Site: web.Site{Name: "Hôpital Saint-Jean", Contact: "05 61 00 00 00"}, Pages: web.Config{Lang: s.Language},
		Logger: s.Logger,
	})
	if err != nil {
		return nil, err
	}
	if err := h.Listen(ctx); err != nil {
		return nil, err
	}
	ops, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("opening the metrics: %w", err)
	}
	return &built{
		door: h.Handler(), room: h.Handler(),
		run: func(ctx context.Context) error {
			g, ctx := errgroup.WithContext(ctx)
			g.Go(func() error { return h.Run(ctx) })
			g.Go(func() error { return tapped(ctx) })
			g.Go(func() error { return sender.Receive(ctx, s.returned, h.Lobby) })
			g.Go(func() error { return house.Serve(ctx, ops, h.Ops(ops.Addr().String()), nil, time.Second, s.Logger) })
			return g.Wait()
		},
		meeting: func(ctx context.Context) (ready, error) {
			r, err := meet(ctx, h.Lobby, s)
			udp, _, _ := h.SIP.Addrs()
			r.Dialin.SIP = udp[0].String()
			r.TURN = h.Turn.Addrs().UDP[0].String()
			r.Key = key
			r.Metrics = "http://" + ops.Addr().String() + "/metrics"
			return r, err
		},
	}, nil
}

// relay is the relay to the conference server's one port.
func relay(s surroundings) turn.Config {
	port := uint16(s.Conference.Port)
	return turn.Config{
		Realm: doorName, PublicIPs: []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})},
		Host: relayName, TLS: &tls.Config{GetCertificate: s.authority.Certificate, MinVersion: tls.VersionTLS12},
		Peers: turn.PeerPolicy{Prefixes: []netip.Prefix{s.Conference.Media}, MinPort: port, MaxPort: port},
	}
}

// senders carry mails, and messages to telephones.
func senders(s surroundings) (*mail.Sender, *sms.Sender, error) {
	sender, err := mail.New(mail.Config{
		Addr: s.SMTP, TLS: "none", DangerouslyPlain: true, From: "visio@hopital.example", FromName: "Hôpital Saint-Jean", Bounces: "bounce@hopital.example", Logger: s.Logger,
	})
	if err != nil {
		return nil, nil, err
	}
	texter, err := sms.New(sms.Config{URL: s.SMS, Secret: s.SMSSecret, DangerouslyAllowPlainHTTP: true, Logger: s.Logger})
	if err != nil {
		return nil, nil, err
	}
	return sender, texter, nil
}

// reach answers where the conference server is for the door, and what has to run
// between them.
func reach(ctx context.Context, s surroundings) (at string, run func(context.Context) error, err error) {
	if s.Tap == "" {
		return s.Conference.URL, func(context.Context) error { return nil }, nil
	}
	t, err := openTap(ctx, s.Tap, strings.TrimPrefix(s.Conference.URL, "http://"))
	if err != nil {
		return "", nil, err
	}
	return "http://" + t.line.Addr().String(), t.run, nil
}

// program is the API for one program that acts as the host, and its key.
func program(s surroundings) (key string, c api.Config, err error) {
	key, hash, err := api.NewKey("demo")
	owner := s.People[0]
	return key, api.Config{Keys: []api.Key{{
		ID: "demo", Hash: hash, Scopes: api.Scopes(),
		Owner: api.Owner{Issuer: s.ID, Subject: owner.Subject, Name: owner.Name, Email: owner.Email},
	}}}, err
}

// telephone is the phone door: SIP on the loopback, any number of calls from
// it, because everything that tries the demonstration calls from there.
func telephone(ctx context.Context, s surroundings, backend *livekit.Backend) (*house.Phone, error) {
	voice, err := prompts.Load(prompts.Config{})
	if err != nil {
		return nil, err
	}
	rooms, err := room.New(room.Config{Passes: backend})
	if err != nil {
		return nil, err
	}
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	at := net.JoinHostPort("127.0.0.1", port)
	var leg *sip.Target
	if s.Leg != "" {
		leg = &sip.Target{URI: s.Leg, Headers: []sip.Header{{Name: "Jitsi-Conference-Room", Value: "{room}"}}}
	}
	return &house.Phone{
		SIP:   sip.Config{UDP: []string{at}, TCP: []string{at}, PerSource: 1000, PerMinute: 6000, Burst: 1000, Silent: 20 * time.Second, Target: leg},
		Media: media.Config{Addr: netip.AddrFrom4([4]byte{127, 0, 0, 1})}, Joiner: rooms, Voice: voice, Lang: s.Language,
		Dial: []string{"sip:" + at}, SharedCodes: true,
	}, nil
}

// freePort is one that is free for both UDP and TCP: the mails name it before
// it is opened. It lies below the ports that the system hands to outgoing
// connections, so that none of those can take it in between.
func freePort(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	for range 100 {
		at := net.JoinHostPort("127.0.0.1", strconv.Itoa(20_000+mathrand.IntN(10_000))) //nolint:gosec // a port, no secret
		c, err := lc.ListenPacket(ctx, "udp", at)
		if err != nil {
			continue
		}
		l, err := lc.Listen(ctx, "tcp", at)
		if err != nil {
			_ = c.Close()
			continue
		}
		_, port, err := net.SplitHostPort(at)
		return port, errors.Join(err, c.Close(), l.Close())
	}
	return "", errors.New("no port is free for the telephone")
}

// institution is the provider as the door is set up for it.
func institution(s surroundings) auth.Provider {
	return auth.Provider{
		ID: "demo", Name: "Hôpital Saint-Jean", Issuer: s.ID, ClientID: s.ClientID, ClientSecret: s.ClientSecret,
		ClaimMap: auth.ClaimMap{Organisation: "organization"},
		Member:   auth.Rule{Claim: "organization", Values: []string{s.People[0].Organisation}},
		Logout:   []string{"rp", "backchannel"},
	}
}

// meet makes the meeting that the demonstration begins with: now, with a
// colleague who signs in and a patient who proves a mailbox.
func meet(ctx context.Context, l *lobby.Lobby, s surroundings) (ready, error) {
	owner, colleague := s.People[0], s.People[1]
	title := "Consultation J. D."
	if s.Language == "en" {
		title = "Consultation with J. D."
	}
	now := time.Now()
	d := lobby.Draft{
		Title: title, Starts: now, Ends: now.Add(2 * time.Hour), Zone: "Europe/Paris", Lang: s.Language,
		Settings: l.Defaults(),
		Invitees: []lobby.Invitee{
			{Name: colleague.Name, Email: colleague.Email},
			{Name: "J. D.", Email: "jeanne.durand@exemple.example"},
			{Name: "M. L.", Email: "marc.leroy@exemple.example", Phone: "+33612345642"},
		},
	}
	id, err := l.Create(ctx, meeting.Person{
		Issuer: s.ID, Subject: owner.Subject, Name: owner.Name, Email: owner.Email,
		Evidence: meeting.Evidence{Method: meeting.OIDC, Member: true, EmailVerified: true},
	}, d, "")
	if err != nil {
		return ready{}, err
	}
	snap, err := l.Snapshot(ctx, id)
	if err != nil {
		return ready{}, err
	}
	r := ready{Meeting: string(id), Host: host{Email: owner.Email, Login: s.Door + "/"}}
	byOrder := make([]invitation, len(d.Invitees))
	for _, v := range snap.Invitations {
		by := "mail"
		if v.Email == colleague.Email {
			by = "oidc"
		}
		byOrder[v.Order] = invitation{For: v.Name, By: by, Email: v.Email, Link: s.Door + "/i/" + l.Link(id, &v)}
		if v.Order == len(d.Invitees)-1 {
			dial := l.Dial(&snap.Meeting, &v)
			r.Dialin = dialin{For: v.Name, Meeting: dial.Number, Code: dial.Code}
		}
	}
	r.Invitations = byOrder
	return r, nil
}
