package lobby

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"vestibule/meeting"
)

// The digits of a meeting number and of a personal code. No number begins
// with 0: some telephones eat it.
const (
	NumberDigits = 9
	CodeDigits   = 8
)

// Bounds of guessing meeting numbers: the wrong answers of one source. Right ones
// are not counted, for a hospital behind one address has many callers.
const (
	dialSourceMisses = 60
	dialSourceWindow = 10 * time.Minute
	// dialLease is how long a call counts as live after its last sign of
	// life; see DialAlive.
	dialLease = 20 * time.Second
)

// Caller is a telephone or room device at the door.
type Caller struct {
	Line meeting.Line
	// Source is whom wrong codes are counted against: the address called
	// from, or the number that a trusted trunk vouches for.
	Source string
	// Paired is whether the source has proved a secret of its own: its misses
	// are counted apart.
	Paired bool
	// Crowd is whom wrong codes of one meeting are counted against, where Source
	// is known for this call alone; empty: Source.
	Crowd string
	// Call names the call, fresh for each.
	Call string
}

// decimal turns a fingerprint into n digits. The bias of 2^64 modulo 10^9 is
// below one in ten thousand million.
func decimal(mac []byte, n int) string {
	m := uint64(1)
	for range n {
		m *= 10
	}
	return fmt.Sprintf("%0*d", n, binary.BigEndian.Uint64(mac)%m)
}

// Number returns the meeting's dial-in number, empty where it has none. Like a
// link it is derived and never stored.
func (l *Lobby) Number(m *meeting.Meeting) string {
	if m.Number == 0 {
		return ""
	}
	return l.number(m.ID, m.Number)
}

func (l *Lobby) number(id meeting.ID, n int) string {
	mac := l.mac("number", []byte(id), []byte{byte(n)})
	return string('1'+mac[8]%9) + decimal(mac, NumberDigits-1)
}

// DialCode returns an invitee's personal dial-in code, empty where they must
// prove more than a code can. It dies with the link: withdrawn, replaced or
// expelled.
func (l *Lobby) DialCode(id meeting.ID, v *meeting.Invitation) string {
	if v.Revoked || v.Match.Claim != "" || v.Members || v.Shared && !l.c.SharedCodes {
		return ""
	}
	gen := binary.BigEndian.AppendUint32(nil, v.Generation)
	return decimal(l.mac("dial", []byte(id), []byte(v.ID), gen), CodeDigits)
}

// Dial is all that somebody needs to dial in.
type Dial struct {
	Number, Code string
	// Addresses are what to dial, as the site says it; Strings are the same for
	// a device that dials number and code with the address and is asked nothing.
	Addresses, Strings []string
}

// Zero reports whether there is no way in by telephone.
func (d Dial) Zero() bool { return d.Number == "" || d.Code == "" || len(d.Addresses) == 0 }

// Dial answers how an invitee dials in; zero where they cannot.
func (l *Lobby) Dial(m *meeting.Meeting, v *meeting.Invitation) Dial {
	d := Dial{Number: l.Number(m), Code: l.DialCode(m.ID, v), Addresses: l.c.Dial}
	if d.Zero() {
		return Dial{}
	}
	for _, a := range d.Addresses {
		// A telephone number takes no more digits, and an address with a name
		// before the @ is that of a device.
		if scheme, host, ok := strings.Cut(a, ":"); ok && (scheme == "sip" || scheme == "sips") && !strings.Contains(host, "@") {
			d.Strings = append(d.Strings, d.Number+"."+d.Code+"@"+host)
		}
	}
	return d
}

// takeNumber finds a dial-in number that no other meeting has and notes whose
// it is, under its HMAC, until the meeting is forgotten.
func (l *Lobby) takeNumber(ctx context.Context, id meeting.ID, expires, now time.Time) (int, error) {
	ttl := expires.Sub(now)
	for n := 1; n <= 8 && ttl > 0; n++ {
		key := l.numberKey(l.number(id, n))
		// Of two meetings that draw one number at the same moment, the count
		// lets one have it.
		got, err := l.c.Shelf.Get(ctx, "dial", key)
		if err != nil {
			return 0, fmt.Errorf("reading a dial-in number: %w", err)
		}
		if got == nil {
			free, err := l.c.Shelf.Count(ctx, "dial-claim", key, 1, ttl)
			if err != nil {
				return 0, fmt.Errorf("claiming a dial-in number: %w", err)
			}
			if !free {
				continue
			}
			if err := l.c.Shelf.Put(ctx, "dial", key, []byte(id), ttl); err != nil {
				return 0, fmt.Errorf("noting a dial-in number: %w", err)
			}
			return n, nil
		}
		if string(got) == string(id) {
			return n, nil // the same form sent twice
		}
	}
	return 0, nil // no telephone for this meeting
}

func (l *Lobby) numberKey(number string) string {
	return hex.EncodeToString(l.mac("dial-number", []byte(number))[:16])
}

// DialKnock brings a caller who typed a meeting number and a personal code to
// the waiting room, by the same policy and rules as anybody. Whichever of the
// two is wrong, the refusal is WrongCode; TooMany means that nothing was looked
// at and the caller may be kept waiting.
func (l *Lobby) DialKnock(ctx context.Context, number, code string, c Caller) (meeting.ID, string, error) {
	return l.dialKnock(ctx, number, code, c, time.Now())
}

func (l *Lobby) dialKnock(ctx context.Context, number, code string, c Caller, now time.Time) (meeting.ID, string, error) {
	if c.Call == "" || c.Source == "" {
		return "", "", errors.New("knocking by phone: no call or source")
	}
	from := l.dialSource(c.Source)
	shut, err := l.c.Shelf.Get(ctx, "dial-shut", from)
	if err != nil {
		return "", "", fmt.Errorf("reading dial-in tries: %w", err)
	}
	if shut != nil {
		return "", "", meeting.Refuse(meeting.TooMany)
	}
	id, admission, err := l.dialTry(ctx, number, code, from, c, now)
	var no *meeting.Refusal
	if errors.As(err, &no) && no.Reason == meeting.WrongCode {
		if err := l.dialMissed(ctx, from); err != nil {
			return "", "", err
		}
	}
	return id, admission, err
}

// dialSource is a source as it is kept: nobody's address or number.
func (l *Lobby) dialSource(s string) string {
	return hex.EncodeToString(l.mac("dial-source", []byte(s))[:8])
}

// dialMissed counts a wrong answer of a source, and shuts it out for a while
// after too many.
func (l *Lobby) dialMissed(ctx context.Context, from string) error {
	left, err := l.c.Shelf.Count(ctx, "dial-miss", from, dialSourceMisses-1, dialSourceWindow)
	if err == nil && !left {
		err = l.c.Shelf.Put(ctx, "dial-shut", from, []byte("shut"), dialSourceWindow)
	}
	if err != nil {
		return fmt.Errorf("counting dial-in tries: %w", err)
	}
	return nil
}

func (l *Lobby) dialTry(ctx context.Context, number, code, from string, c Caller, now time.Time) (meeting.ID, string, error) {
	id, err := l.dialled(ctx, number)
	if err != nil {
		return "", "", err
	}
	if id == "" {
		return "", "", meeting.Refuse(meeting.WrongCode)
	}
	s, err := l.load(ctx, id)
	var no *meeting.Refusal
	if errors.As(err, &no) {
		return "", "", meeting.Refuse(meeting.WrongCode) // forgotten
	}
	if err != nil {
		return "", "", err
	}
	if c.Crowd != "" {
		from = l.dialSource(c.Crowd)
	}
	invitation := l.owner(s, code)
	if v := s.Invitations[invitation]; v.Shared {
		if err := l.sharedCall(ctx, id, &v, from); err != nil {
			return "", "", err
		}
	}
	try := meeting.DialTry{From: from, Paired: c.Paired}
	admission, err := l.dialIn(ctx, id, invitation, code, try, c, now)
	if err != nil {
		return "", "", err
	}
	return id, admission, nil
}

// dialled answers whose meeting number it is; empty: nobody's.
func (l *Lobby) dialled(ctx context.Context, number string) (meeting.ID, error) {
	if len(number) != NumberDigits {
		return "", nil
	}
	got, err := l.c.Shelf.Get(ctx, "dial", l.numberKey(number))
	if err != nil {
		return "", fmt.Errorf("reading a dial-in number: %w", err)
	}
	return meeting.ID(got), nil
}

// owner answers whose code it is. Every invitation is looked at, so that the
// time taken tells nothing. A code that two invitees drew is nobody's: the host
// gives one of them a new link.
func (l *Lobby) owner(s *Snapshot, code string) (invitation string) {
	n := 0
	for id := range s.Invitations {
		v := s.Invitations[id]
		if l.fits(s.Meeting.ID, &v, code) {
			invitation = id
			n++
		}
	}
	if n != 1 {
		return ""
	}
	return invitation
}

func (l *Lobby) fits(id meeting.ID, v *meeting.Invitation, code string) bool {
	own := l.DialCode(id, v)
	return hmac.Equal(l.mac("dial-code", []byte(own)), l.mac("dial-code", []byte(code))) && own != ""
}

// dialIn counts the try and knocks, in one step: of many lines that guess at
// once no more than the budget are looked at.
func (l *Lobby) dialIn(ctx context.Context, id meeting.ID, invitation, code string, try meeting.DialTry, c Caller, now time.Time) (string, error) {
	if err := l.DialAlive(ctx, c.Call); err != nil {
		return "", err
	}
	v := visit{id: meeting.NewAdmissionID()}
	// An attempt of its own: a reply that is lost costs the caller no second try
	// and no call (T07).
	out, err := l.change(ctx, id, rand.Text(), func(t *tx) (outcome, error) {
		d, err := t.docs(invitation, "")
		if err != nil {
			return outcome{}, err
		}
		try.Good = l.fits(id, &d.Invitation, code)
		d, no, err := t.apply(d, try, now)
		if err != nil || no != nil {
			return outcome{No: no}, err
		}
		a := l.arrival(id, &d, c, now)
		if d.Invitation.Shared {
			a = l.strange(id, c)
			if d, err = t.clear(d); err != nil {
				return outcome{}, err
			}
		}
		if d, err = t.seat(d, d.Invitation.Seats, a); err != nil {
			return outcome{}, err
		}
		busy, err := l.elsewhere(ctx, &d, c)
		if err != nil || busy {
			return outcome{No: meeting.Refuse(meeting.Stale)}, err
		}
		return t.arrive(d, a, &v, now)
	})
	if err == nil && !out.again {
		err = l.count(ctx, &v)
	}
	return out.Admission, answered(out, err)
}

// arrival is a caller as anybody who knocks. A telephone shows no notice to
// tick: the greeting speaks it, and typing the code after it agrees.
func (l *Lobby) arrival(id meeting.ID, d *meeting.Docs, c Caller, now time.Time) Arrival {
	c.Line.Claims, c.Line.Agent = CleanText(c.Line.Claims, MaxName), CleanText(c.Line.Agent, MaxName)
	gen := binary.BigEndian.AppendUint32(nil, d.Invitation.Generation)
	return Arrival{
		Person: meeting.Person{
			Issuer: meeting.DialIssuer, Subject: d.Invitation.ID,
			Evidence: meeting.Evidence{Method: meeting.DialCode, At: now},
		},
		// One code is one device, whatever it is typed on.
		Device: hex.EncodeToString(l.mac("dial-device", []byte(id), []byte(d.Invitation.ID), gen)[:16]),
		Agent:  c.Line.Agent, Consent: true, Line: c.Line, Call: c.Call,
	}
}

// elsewhere reports whether another call with the same code is live: one call
// a code. A call that dropped is forgotten within seconds.
func (l *Lobby) elsewhere(ctx context.Context, d *meeting.Docs, c Caller) (bool, error) {
	a := &d.Admission
	if a.Call == "" || a.Call == c.Call || a.State != meeting.Waiting && a.State != meeting.Admitted {
		return false, nil
	}
	live, err := l.c.Shelf.Get(ctx, "call", a.Call)
	if err != nil {
		return false, fmt.Errorf("reading a call: %w", err)
	}
	return live != nil, nil
}

// DialAlive says that a call is still heard. Call it every few seconds.
func (l *Lobby) DialAlive(ctx context.Context, call string) error {
	if err := l.c.Shelf.Put(ctx, "call", call, []byte("live"), dialLease); err != nil {
		return fmt.Errorf("noting a call: %w", err)
	}
	return nil
}

// DialGone says that a call has ended, so that the same code may be dialled
// again at once.
func (l *Lobby) DialGone(ctx context.Context, call string) error {
	if err := l.c.Shelf.Delete(ctx, "call", call); err != nil {
		return fmt.Errorf("forgetting a call: %w", err)
	}
	return nil
}

// DialEnter takes an admitted caller through the ticket and the pass to a live
// seat, as a browser would, in one go: there is no page to carry them.
func (l *Lobby) DialEnter(ctx context.Context, id meeting.ID, admission string) (*Seat, Info, error) {
	s, err := l.Snapshot(ctx, id)
	if err != nil {
		return nil, Info{}, err
	}
	a, ok := s.Admission(admission)
	if !ok || a.Call == "" {
		return nil, Info{}, meeting.Refuse(meeting.NotFound)
	}
	ticket, err := l.Enter(ctx, id, admission, a.Device)
	if err != nil {
		return nil, Info{}, err
	}
	pass, err := l.Redeem(ctx, ticket)
	if err != nil {
		return nil, Info{}, err
	}
	return l.Live(ctx, pass)
}
