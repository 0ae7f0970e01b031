package dialin_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vestibule/conference"
	"vestibule/dialin"
	"vestibule/dialin/media"
	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/store"
)

// leg is a call whose keys a test presses.
type leg struct {
	call, dialled string
	keys          chan rune
	gone          chan struct{}
	once          sync.Once

	bridged chan struct{}
	// endless has whatever is said go on until something else is.
	endless bool
	mu      sync.Mutex
	played  []media.Sound // guarded by mu, like all below
	rooms   []media.Room
	dead    time.Time // since when nobody is heard
}

func ring(call, dialled string) *leg {
	return &leg{call: call, dialled: dialled, keys: make(chan rune, 64), gone: make(chan struct{}), bridged: make(chan struct{})}
}

func (l *leg) Answer(context.Context) (dialin.Sound, error) { return l, nil }
func (l *leg) Dialled() string                              { return l.dialled }
func (l *leg) Hangup(context.Context)                       { l.once.Do(func() { close(l.gone) }) }
func (l *leg) Gone() <-chan struct{}                        { return l.gone }
func (l *leg) Digits() <-chan rune                          { return l.keys }
func (l *leg) Loop(media.Sound)                             {}

// Stats tells of a line on which somebody is heard, until it is dead.
func (l *leg) Stats() media.Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead.IsZero() {
		return media.Stats{Heard: time.Now()}
	}
	return media.Stats{Heard: l.dead}
}

// dies is a line that is cut without a word.
func (l *leg) dies() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = time.Now()
}

func (l *leg) Caller() lobby.Caller {
	return lobby.Caller{Call: l.call, Source: "192.0.2.1", Line: meeting.Line{Kind: "SIP", Address: "192.0.2.1"}}
}

func (l *leg) Play(s ...media.Sound) <-chan struct{} {
	l.mu.Lock()
	l.played = append(l.played, s...)
	l.mu.Unlock()
	done := make(chan struct{})
	if !l.endless || len(s) == 0 {
		close(done)
	}
	return done
}

func (l *leg) Bridge(r media.Room) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rooms = append(l.rooms, r); len(l.rooms) == 1 && r != nil {
		close(l.bridged)
	}
}

// hears reports whether the last of the rooms is one.
func (l *leg) hears() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.rooms) > 0 && l.rooms[len(l.rooms)-1] != nil
}

func (l *leg) types(keys string) {
	for _, k := range keys {
		l.keys <- k
	}
}

// seat is a place in a room that says what a test wants.
type seat struct {
	signals chan media.Signal
	once    sync.Once
	closed  chan struct{}
	yielded bool // before closed
	muted   chan bool
}

func (s *seat) Say([]int16)                  {}
func (s *seat) Hear(b []int16)               { clear(b) }
func (s *seat) Mute(on bool)                 { s.muted <- on }
func (s *seat) Signals() <-chan media.Signal { return s.signals }
func (s *seat) Close()                       { s.once.Do(func() { close(s.closed) }) }
func (s *seat) Yield()                       { s.once.Do(func() { s.yielded = true; close(s.closed) }) }

// hall is a conference server with seats, or none.
type hall struct {
	seats chan *seat
	full  bool
}

func (h *hall) Join(_ context.Context, g conference.Grants) (media.Leg, error) {
	if h.full || !g.Microphone || g.Host || g.Admission == "" || g.Room == "" {
		return nil, errors.New("no seat")
	}
	s := &seat{signals: make(chan media.Signal, 4), closed: make(chan struct{}), muted: make(chan bool, 4)}
	h.seats <- s
	return s, nil
}

type quiet struct{}

func (quiet) Open(context.Context, string) error           { return nil }
func (quiet) Remove(context.Context, string, string) error { return nil }
func (quiet) Close(context.Context, string) error          { return nil }

// voice says each word with a note of its own.
type voice struct{}

func (voice) Say(_ string, w dialin.Word) media.Sound {
	return media.Tone(400+20*float64(slices.Index(dialin.Words(), w)), 100*time.Millisecond, -20)
}

// door is a phone door with everything behind it in memory.
type door struct {
	*dialin.Server

	t      *testing.T
	lobby  *lobby.Lobby
	hall   *hall
	host   meeting.Person
	id     meeting.ID
	number string
	code   string
	work   sync.WaitGroup
}

func open(t *testing.T) *door {
	t.Helper()
	kept := store.NewMemory()
	l, err := lobby.New(lobby.Config{
		Documents: kept, Shelf: kept, Backend: quiet{}, Secret: []byte(strings.Repeat("k", 32)), Door: "https://door.example", Dial: []string{"sip:door.example"},
	})
	if err != nil {
		t.Fatal(err)
	}
	d := &door{t: t, lobby: l, hall: &hall{seats: make(chan *seat, 8)}, host: meeting.Person{
		Issuer: "https://id.example", Subject: "doctor", Name: "Dr C", Evidence: meeting.Evidence{Method: meeting.OIDC, Member: true},
	}}
	if d.Server, err = dialin.New(dialin.Config{Lobby: l, Joiner: d.hall, Voice: voice{}}); err != nil {
		t.Fatal(err)
	}
	l.AddCutter(lobby.Channel{Name: "phone", Cutter: d.Server})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	t.Cleanup(func() {
		d.work.Wait()
		cancel()
		<-ended
		if n := d.Calls(); n != 0 {
			t.Errorf("%d calls are left", n)
		}
	})
	d.id, err = l.Create(t.Context(), d.host, lobby.Draft{
		Title: "x", Starts: time.Now(), Ends: time.Now().Add(time.Hour), Zone: "UTC", Lang: "en", Invitees: []lobby.Invitee{{Name: "M. L."}},
	}, "")
	if err != nil {
		t.Fatal(err)
	}
	s := d.look()
	for _, v := range s.Invitations {
		dial := l.Dial(&s.Meeting, &v)
		d.number, d.code = dial.Number, dial.Code
	}
	return d
}

func (d *door) look() *lobby.Snapshot {
	d.t.Helper()
	s, err := d.lobby.Snapshot(d.t.Context(), d.id)
	if err != nil {
		d.t.Fatal(err)
	}
	return s
}

func (d *door) serve(l *leg) *leg {
	ctx := context.WithoutCancel(d.t.Context())
	d.work.Go(func() { d.Serve(ctx, l) })
	d.t.Cleanup(func() { l.Hangup(ctx) })
	return l
}

// waits answers the one admission once it has the state.
func (d *door) waits(state meeting.State) string {
	d.t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		for _, a := range d.look().Admissions {
			if a.State == state && a.Role == meeting.Guest {
				return a.ID
			}
		}
	}
	d.t.Fatalf("nobody is in state %d", state)
	return ""
}

func (d *door) opens() {
	d.t.Helper()
	a, err := d.lobby.HostKnock(d.t.Context(), d.id, lobby.Arrival{Person: d.host, Device: "desk"}, "")
	if err != nil {
		d.t.Fatal(err)
	}
	ticket, err := d.lobby.Enter(d.t.Context(), d.id, a, "desk")
	if err == nil {
		_, err = d.lobby.Redeem(d.t.Context(), ticket)
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *door) admits(id string) *seat {
	d.t.Helper()
	if err := d.lobby.Answer(d.t.Context(), d.id, d.host.Key(), id, meeting.Answer{Admit: true}, ""); err != nil {
		d.t.Fatal(err)
	}
	select {
	case s := <-d.hall.seats:
		return s
	case <-time.After(5 * time.Second):
		d.t.Fatal("the caller is not taken into the room")
		return nil
	}
}

func ends(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(5 * time.Second):
		t.Fatalf("%s does not end", what)
	}
}

func TestCallerGoesTheWholeWay(t *testing.T) {
	d := open(t)
	l := d.serve(ring("c1", "door"))
	l.types(d.number + "#" + d.code + "#")
	id := d.waits(meeting.Waiting)
	d.opens()
	s := d.admits(id)
	ends(t, "the way into the room", l.bridged)
	l.types("*6")
	select {
	case on := <-s.muted:
		if !on {
			t.Error("*6 unmutes")
		}
	case <-time.After(5 * time.Second):
		t.Error("*6 does not mute")
	}
	start := time.Now()
	cuts, err := d.lobby.Expel(t.Context(), d.id, d.host.Key(), id, "")
	if err != nil {
		t.Fatal(err)
	}
	ends(t, "the line", l.gone)
	// The figure is measured end to end, on a machine that does nothing else;
	// no farewell is spoken in this time.
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("the line was off after %v", took)
	}
	ends(t, "the seat", s.closed)
	said := false
	for _, c := range cuts {
		said = said || c.What == "phone" && c.Err == nil
	}
	if !said {
		t.Errorf("cuts = %v, want the phone among them", cuts)
	}
}

func TestWhoHangsUpDoesNotWait(t *testing.T) {
	d := open(t)
	l := d.serve(ring("c1", d.number+"."+d.code))
	d.waits(meeting.Waiting)
	l.Hangup(t.Context())
	d.waits(meeting.Left)
	// The code is free again at once.
	d.serve(ring("c2", d.number+"."+d.code))
	d.waits(meeting.Waiting)
}

func TestTheHostRefuses(t *testing.T) {
	d := open(t)
	l := d.serve(ring("c1", d.number+"."+d.code))
	if err := d.lobby.Answer(t.Context(), d.id, d.host.Key(), d.waits(meeting.Waiting), meeting.Answer{}, ""); err != nil {
		t.Fatal(err)
	}
	ends(t, "the line of who is refused", l.gone)
}

func TestRoomEndsTheCall(t *testing.T) {
	for name, signal := range map[string]media.Signal{"removed": media.Removed, "over": media.Over, "lost": media.Lost} {
		t.Run(name, func(t *testing.T) {
			d := open(t)
			d.opens()
			l := d.serve(ring("c1", d.number+"."+d.code))
			s := d.admits(d.waits(meeting.Waiting))
			s.signals <- signal
			ends(t, "the line", l.gone)
			ends(t, "the seat", s.closed)
		})
	}
}

// Whoever is put out of the room is off at once, whatever is being said to them.
func TestPutOutInTheMiddleOfAWord(t *testing.T) {
	d := open(t)
	d.opens()
	l := ring("c1", d.number+"."+d.code)
	l.endless = true
	d.serve(l)
	s := d.admits(d.waits(meeting.Waiting))
	ends(t, "the way into the room", l.bridged)
	s.signals <- media.Removed
	ends(t, "the line", l.gone)
	if l.hears() {
		t.Error("the room is still heard")
	}
}

// A caller who dials again takes their own place over: the first call ends and
// leaves whoever is in the room under their name there.
func TestNextCallTakesThePlace(t *testing.T) {
	d := open(t)
	d.opens()
	first := d.serve(ring("c1", d.number+"."+d.code))
	seat := d.admits(d.waits(meeting.Waiting))
	ends(t, "the way into the room", first.bridged)
	dead := func() { // its line is, and known to be
		if err := d.lobby.DialGone(t.Context(), "c1"); err != nil {
			t.Fatal(err)
		}
	}
	dead()
	second := d.serve(ring("c2", d.number+"."+d.code))
	for over := false; !over; {
		select {
		case <-first.gone:
			over = true
		case <-second.gone:
			t.Fatal("the next call is hung up on")
		case <-time.After(10 * time.Millisecond):
			dead() // the first may just have said once more that it lives
		}
	}
	ends(t, "the first seat", seat.closed)
	if !seat.yielded {
		t.Error("the first call puts the second out")
	}
	ends(t, "the second way into the room", second.bridged)
}

// T40 by telephone: who was let in and whose line dies without a word comes back
// into the locked meeting with their own code, once, without the host; dialling
// at once they hold until the dead call no longer counts.
func TestT40CallerRedialsAfterADeadLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t)
		d.opens()
		first := d.serve(ring("c1", d.number+"."+d.code))
		seat := d.admits(d.waits(meeting.Waiting))
		<-first.bridged
		if err := d.lobby.Lock(t.Context(), d.id, d.host.Key(), true); err != nil {
			t.Fatal(err)
		}
		first.dies()
		time.Sleep(3 * time.Second)
		begun := time.Now()
		second := d.serve(ring("c2", d.number+"."+d.code))
		select {
		case <-second.bridged:
		case <-second.gone:
			t.Fatalf("the next call is hung up on after %v", time.Since(begun))
		case <-time.After(time.Minute):
			t.Fatal("the next call does not come in")
		}
		t.Logf("back after %v", time.Since(begun))
		said := func(l *leg, w dialin.Word) (n int) {
			l.mu.Lock()
			defer l.mu.Unlock()
			for _, p := range l.played {
				if reflect.DeepEqual(p, voice{}.Say("", w)) {
					n++
				}
			}
			return n
		}
		if n := said(second, dialin.OldCall); n != 1 {
			t.Errorf("why they hold is said %d times, want once", n)
		}
		<-first.gone
		<-seat.closed
		// The line that lives is nobody's to take.
		other := d.serve(ring("c3", d.number+"."+d.code))
		<-other.gone
		if said(other, dialin.InUse) != 1 {
			t.Error("a code in use is not said to be")
		}
		// And the way back into a locked meeting is open once.
		second.dies()
		time.Sleep(time.Minute)
		third := d.serve(ring("c4", d.number+"."+d.code))
		<-third.gone
		if said(third, dialin.Closed) != 1 {
			t.Error("the second way back into a locked meeting is not refused as locked")
		}
		second.Hangup(t.Context())
	})
}

// A caller hears who comes and goes where the meeting says so, and only there.
func TestChimeIsTheMeetings(t *testing.T) {
	for _, chime := range []bool{false, true} {
		d := open(t)
		m := d.look().Meeting
		m.Settings.Chime = chime
		draft := lobby.Draft{Title: m.Title, Starts: m.Starts, Ends: m.Ends, Zone: m.Zone, Lang: m.Lang, Settings: m.Settings}
		if err := d.lobby.Alter(t.Context(), d.id, d.host.Key(), draft, func(*meeting.Meeting) bool { return true }, ""); err != nil {
			t.Fatal(err)
		}
		d.opens()
		l := d.serve(ring("c1", d.number+"."+d.code))
		s := d.admits(d.waits(meeting.Waiting))
		for _, x := range []media.Signal{media.Joined, media.Left, media.Removed} {
			s.signals <- x
		}
		ends(t, "the line", l.gone)
		l.mu.Lock()
		for name, tone := range map[string]media.Sound{"join": media.JoinTone(), "leave": media.LeaveTone()} {
			heard := slices.ContainsFunc(l.played, func(p media.Sound) bool { return reflect.DeepEqual(p, tone) })
			if heard != chime {
				t.Errorf("chime %v: the %s tone is heard: %v", chime, name, heard)
			}
		}
		l.mu.Unlock()
	}
}

func TestNoSeatIsOurFault(t *testing.T) {
	d := open(t)
	d.hall.full = true
	d.opens()
	l := d.serve(ring("c1", d.number+"."+d.code))
	if err := d.lobby.Answer(t.Context(), d.id, d.host.Key(), d.waits(meeting.Waiting), meeting.Answer{Admit: true}, ""); err != nil {
		t.Fatal(err)
	}
	ends(t, "the line", l.gone)
}

func TestNewTellsEveryFault(t *testing.T) {
	_, err := dialin.New(dialin.Config{})
	for _, w := range []string{"Lobby", "Joiner", "Voice"} {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("New = %v, want a word of %s", err, w)
		}
	}
}
