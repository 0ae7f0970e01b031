package lobby_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"vestibule/lobby"
	"vestibule/mail"
	"vestibule/meeting"
	"vestibule/sms"
	"vestibule/store"
)

// server is a conference server that remembers what it was told.
type server struct {
	mu      sync.Mutex
	open    map[string]bool
	removed []string
	hung    time.Duration // how long it takes to answer that it removed nobody
}

func (s *server) Open(_ context.Context, room string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[room] = true
	return nil
}

func (s *server) Remove(ctx context.Context, _, admission string) error {
	s.mu.Lock()
	hung := s.hung
	s.mu.Unlock()
	if hung > 0 {
		select {
		case <-time.After(hung):
		case <-ctx.Done():
		}
		return errors.New("the conference server does not answer")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removed = append(s.removed, admission)
	return nil
}

func (s *server) Close(_ context.Context, room string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, room)
	return nil
}

// box is a mail server that keeps what it was given, or fails.
type box struct {
	mu      sync.Mutex
	invites []mail.Invite
	codes   []mail.Code
	texts   []sms.Code
	cancels []mail.Invite

	reminders []mail.Invite
	reminded  []time.Duration // before the start
	fault     error
	onMail    func()        // called while a mail is under way
	delay     time.Duration // of an invitation, before it is sent
}

func (b *box) Invitation(_ context.Context, m mail.Invite) error {
	time.Sleep(b.delay)
	if b.onMail != nil {
		b.onMail()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.invites = append(b.invites, m)
	return b.fault
}

func (b *box) Cancel(_ context.Context, m mail.Invite) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cancels = append(b.cancels, m)
	return b.fault
}

func (b *box) Reminder(_ context.Context, m mail.Invite) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reminders = append(b.reminders, m)
	b.reminded = append(b.reminded, time.Until(m.Starts))
	return b.fault
}

func (b *box) Code(_ context.Context, m mail.Code) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.codes = append(b.codes, m)
	return b.fault
}

// airtime is an SMS gateway that keeps what it was given, or fails.
type airtime struct{ *box }

func (a airtime) Code(_ context.Context, m sms.Code) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.texts = append(a.texts, m)
	return a.fault
}

// texted answers the codes that went to a number, the newest last.
func (b *box) texted(to string) (codes []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.texts {
		if b.texts[i].To == to {
			codes = append(codes, b.texts[i].Code)
		}
	}
	return codes
}

func (b *box) last() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.codes[len(b.codes)-1].Code
}

// site is a lobby with everything in memory.
type site struct {
	*lobby.Lobby
	store  *store.Memory
	server *server
	box    *box
	host   meeting.Person
}

func open(t *testing.T, change ...func(*lobby.Config)) *site {
	t.Helper()
	s := still(t, change...)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	return s
}

// still is a site that does nothing by itself.
func still(t *testing.T, change ...func(*lobby.Config)) *site {
	t.Helper()
	s := &site{store: store.NewMemory(), server: &server{open: map[string]bool{}}, box: &box{}, host: doctor()}
	c := lobby.Config{
		Documents: s.store, Shelf: s.store, Backend: s.server, Mailer: s.box,
		Secret: []byte(strings.Repeat("k", 32)), Door: "https://door.example", Dial: []string{"sip:door.example"},
		Early: 15 * time.Minute, Grace: time.Hour,
	}
	for _, f := range change {
		f(&c)
	}
	l, err := lobby.New(c)
	if err != nil {
		t.Fatal(err)
	}
	s.Lobby = l
	return s
}

func doctor() meeting.Person {
	return meeting.Person{
		Issuer: "https://id.example", Subject: "doctor", Name: "Dr Claire Martin", Email: "claire@hopital.example",
		Evidence: meeting.Evidence{Method: meeting.OIDC, EmailVerified: true, Member: true, Provider: "Hôpital"},
	}
}

// meet creates a meeting now with the named invitees and answers their links.
func (s *site) meet(t *testing.T, names ...string) (meeting.ID, map[string]string) {
	t.Helper()
	d := lobby.Draft{
		Title: "Consultation J. D.", Starts: time.Now().Add(time.Minute), Ends: time.Now().Add(time.Hour),
		Zone: "Europe/Paris", Lang: "fr", Settings: s.Defaults(),
	}
	for _, n := range names {
		d.Invitees = append(d.Invitees, lobby.Invitee{Name: n, Email: strings.ToLower(n) + "@exemple.fr"})
	}
	id, err := s.Create(t.Context(), s.host, d, "form")
	if err != nil {
		t.Fatal(err)
	}
	return id, s.links(t, id)
}

func (s *site) links(t *testing.T, id meeting.ID) map[string]string {
	t.Helper()
	snap, err := s.Snapshot(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	links := map[string]string{}
	for _, v := range snap.Invitations {
		links[v.Name] = s.Link(id, &v)
	}
	return links
}

func (s *site) prove(t *testing.T, link string) meeting.Person {
	t.Helper()
	if err := s.SendCode(t.Context(), link, meeting.Mailbox, ""); err != nil {
		t.Fatal(err)
	}
	p, err := s.CheckCode(t.Context(), link, s.box.last(), "")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func reason(err error) meeting.Reason {
	var no *meeting.Refusal
	if errors.As(err, &no) {
		return no.Reason
	}
	return 255
}

func TestWayThrough(t *testing.T) {
	s := open(t)
	id, links := s.meet(t, "Jeanne")
	p := s.prove(t, links["Jeanne"])
	_, a, err := s.Knock(t.Context(), links["Jeanne"], lobby.Arrival{Person: p, Device: "phone", Name: "J. D.", Consent: true}, "1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Enter(t.Context(), id, a, "phone"); reason(err) != meeting.Stale {
		t.Errorf("Enter while waiting = %v, want stale", err)
	}
	if err := s.Answer(t.Context(), id, s.host.Key(), a, meeting.Answer{Admit: true}, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Enter(t.Context(), id, a, "phone"); reason(err) != meeting.HostAway {
		t.Errorf("Enter before the host = %v, want host_away", err)
	}
	h, err := s.HostKnock(t.Context(), id, lobby.Arrival{Person: s.host, Device: "desk"}, "")
	if err != nil {
		t.Fatal(err)
	}
	s.inside(t, id, h, "desk")
	pass := s.inside(t, id, a, "phone")
	cuts, err := s.Expel(t.Context(), id, s.host.Key(), a, "")
	if err != nil || len(cuts) == 0 {
		t.Fatalf("Expel = %v, %v", cuts, err)
	}
	if _, _, err := s.Live(t.Context(), pass); reason(err) != meeting.Removed {
		t.Errorf("Live after expulsion = %v, want removed", err)
	}
	if _, err := s.Look(t.Context(), links["Jeanne"]); reason(err) != meeting.Revoked {
		t.Errorf("Look after expulsion = %v, want revoked", err)
	}
}

// inside takes an admission through the ticket to a live seat.
func (s *site) inside(t *testing.T, id meeting.ID, admission, device string) string {
	t.Helper()
	ticket, err := s.Enter(t.Context(), id, admission, device)
	if err != nil {
		t.Fatal(err)
	}
	pass, err := s.Redeem(t.Context(), ticket)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Live(t.Context(), pass); err != nil {
		t.Fatalf("Live = %v", err)
	}
	return pass
}
