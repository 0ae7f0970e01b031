package conferencetest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vestibule/conference"
)

func random() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

// refuses tries what no backend may let pass.
func refuses(t *testing.T, b Bench) {
	paths := []string{
		"", "/", "//", "*", "/-/", "/.", "/..", "/%2e%2e/", "/\x00", "/twirp/livekit.RoomService/DeleteRoom",
		"/agent", "/whip/v1", "/metrics", "/debug/pprof/", "/http-bind", "/xmpp-websocket",
		"/bigbluebutton/api/create", "/galene-api/v0/.groups/",
	}
	for path := range b.Paths {
		paths = append(paths, path+"/", "/"+path, path+"/..", path+"%2f", path+";x", "/."+path, "/x/.."+path, "%2f"+path[1:])
	}
	methods := []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodConnect, http.MethodOptions, "PRI", ""}
	for _, path := range paths {
		if _, listed := b.Paths[path]; listed {
			continue
		}
		for _, m := range methods {
			for _, upgrade := range []bool{false, true} {
				if got := b.Backend.Allow(m, path, upgrade); got != conference.Refuse {
					t.Errorf("Allow(%q, %q, %v) = %v, want Refuse", m, path, upgrade, got)
				}
			}
		}
	}
	for path, want := range b.Paths {
		if got := b.Backend.Allow(http.MethodGet, path, want == conference.Signal); got != want {
			t.Errorf("Allow(GET, %q) = %v, want %v", path, got, want)
		}
		for _, m := range []string{http.MethodConnect, http.MethodDelete, "PRI", "get", ""} {
			if got := b.Backend.Allow(m, path, true); got != conference.Refuse {
				t.Errorf("Allow(%q, %q, true) = %v, want Refuse", m, path, got)
			}
		}
	}
}

// nothing tries grants that are not an admission.
func nothing(t *testing.T, b Bench) {
	for path, kind := range b.Paths {
		for _, g := range []conference.Grants{{}, {Admission: "a"}, {Room: "r"}, {Host: true, Name: "x"}} {
			r := httptest.NewRequest(http.MethodGet, "http://room.example"+path, nil)
			if kind == conference.Signal {
				r.Header.Set("Connection", "Upgrade")
				r.Header.Set("Upgrade", "websocket")
			}
			if b.Backend.Prepare(r, g) == nil {
				t.Errorf("Prepare(%s, %+v) succeeded", path, g)
			}
		}
	}
	r := httptest.NewRequest(http.MethodGet, "http://room.example/no/such/path", nil)
	if b.Backend.Prepare(r, person("r")) == nil {
		t.Error("Prepare of a path that Allow refuses succeeded")
	}
}

func absent(t *testing.T, b Bench) {
	ctx, room := within(t), "room-"+random()
	if err := b.Backend.Remove(ctx, room, "nobody"); err != nil {
		t.Errorf("Remove from a room that is not there: %v", err)
	}
	if err := b.Backend.Close(ctx, room); err != nil {
		t.Errorf("Close of a room that is not there: %v", err)
	}
	if got, err := b.Backend.Participants(ctx, room); err != nil || len(got) > 0 {
		t.Errorf("Participants of a room that is not there = %v, %v", got, err)
	}
	room = open(t, b)
	if err := b.Backend.Open(ctx, room); err != nil {
		t.Errorf("Open a second time: %v", err)
	}
	if err := b.Backend.Remove(ctx, room, "nobody"); err != nil {
		t.Errorf("Remove somebody who is not there: %v", err)
	}
	if err := b.Backend.Rename(ctx, room, "nobody", "Nobody"); err != nil {
		t.Errorf("Rename somebody who is not there: %v", err)
	}
	for where, r := range map[string]string{"room": "room-" + random(), "person": room} {
		if err := b.Backend.Mute(ctx, r, "nobody"); err != nil {
			t.Errorf("Mute where there is no such %s: %v", where, err)
		}
	}
	roster(t, b, room)
	if err := b.Backend.Open(ctx, ""); err == nil {
		t.Error("Open of a room without name succeeded")
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	if err := b.Backend.Open(over, room); err == nil {
		t.Error("Open with a context that has ended succeeded")
	}
}

func unopened(t *testing.T, b Bench) {
	g := person("room-" + random())
	d := NewDoor(t, b.Backend, g, func() conference.Relay { return Relay(g) })
	if m, err := b.Join(within(t), d.URL, ""); err == nil {
		m.Leave()
		t.Error("entered a room that nobody opened")
	}
}

func enters(t *testing.T, b Bench) {
	g := person(open(t, b))
	m, _ := enter(t, b, g)
	room, admission := m.Identity()
	if room != g.Room || admission != g.Admission {
		t.Errorf("Identity() = %s, %s; want %s, %s", room, admission, g.Room, g.Admission)
	}
	if diff := cmp.Diff(Relay(g), m.Relay()); diff != "" && b.Backend.Capabilities().Relay {
		t.Errorf("Relay() (-want +got):\n%s", diff)
	}
	if err := b.Backend.Rename(within(t), g.Room, g.Admission, "J. D."); err != nil {
		t.Errorf("Rename: %v", err)
	}
	if err := b.Backend.Mute(within(t), g.Room, g.Admission); err != nil {
		t.Errorf("Mute of somebody who sends no sound: %v", err)
	}
	if err := m.Ping(within(t)); err != nil {
		t.Errorf("Ping after a renaming and a muting: %v", err)
	}
	if m.Token() != "" {
		t.Error("the browser was sent a token")
	}
	roster(t, b, g.Room, g.Admission)
}

func relayless(t *testing.T, b Bench) {
	if !b.Backend.Capabilities().Relay {
		t.Skip("the backend tells nobody of relays")
	}
	g := person(open(t, b))
	d := NewDoor(t, b.Backend, g, func() conference.Relay { return conference.Relay{} })
	if m, err := b.Join(within(t), d.URL, ""); err == nil {
		m.Leave()
		t.Error("entered without a relay")
	}
}

func removes(t *testing.T, b Bench) {
	room := open(t, b)
	stays, goes := person(room), person(room)
	s, _ := enter(t, b, stays)
	m, _ := enter(t, b, goes)
	roster(t, b, room, stays.Admission, goes.Admission)
	begun := time.Now()
	if err := b.Backend.Remove(within(t), room, goes.Admission); err != nil {
		t.Fatal(err)
	}
	if err := m.Gone(within(t)); err != nil {
		t.Errorf("removed, but not gone: %v", err)
	}
	t.Logf("gone after %v", time.Since(begun))
	roster(t, b, room, stays.Admission)
	if err := s.Ping(within(t)); err != nil {
		t.Errorf("the one who stays: %v", err)
	}
}

func closes(t *testing.T, b Bench) {
	room := open(t, b)
	one, _ := enter(t, b, person(room))
	two, _ := enter(t, b, person(room))
	if err := b.Backend.Close(within(t), room); err != nil {
		t.Fatal(err)
	}
	for _, m := range []Member{one, two} {
		if err := m.Gone(within(t)); err != nil {
			t.Errorf("the room is closed, but one is not gone: %v", err)
		}
	}
	roster(t, b, room)
}

func cuts(t *testing.T, b Bench) {
	room := open(t, b)
	s, _ := enter(t, b, person(room))
	m, d := enter(t, b, person(room))
	begun := time.Now()
	if got := d.Cut(); got != 1 {
		t.Fatalf("%d connections were cut, want 1", got)
	}
	if err := m.Gone(within(t)); err != nil {
		t.Errorf("cut, but not gone: %v", err)
	}
	if took := time.Since(begun); took > time.Second {
		t.Errorf("the cut took %v", took)
	}
	if err := s.Ping(within(t)); err != nil {
		t.Errorf("another participant: %v", err)
	}
}

// diagonal lets each of n persons in n rooms bring each other's token. The
// server must see the admitted person in the admitted room, always.
func diagonal(t *testing.T, b Bench) {
	const n = 4
	var all []conference.Grants
	for range n {
		all = append(all, person(open(t, b)))
	}
	for i, g := range all {
		d := NewDoor(t, b.Backend, g, func() conference.Relay { return Relay(g) })
		for j, other := range all {
			m, err := b.Join(within(t), d.URL, b.Token(other))
			if err != nil {
				t.Fatalf("person %d with the token of %d: %v", i, j, err)
			}
			room, admission := m.Identity()
			if room != g.Room || admission != g.Admission {
				t.Errorf("person %d with the token of %d is %s in %s", i, j, admission, room)
			}
			if i != j {
				if got, err := b.Backend.Participants(within(t), other.Room); err != nil || slices.Contains(got, g.Admission) {
					t.Errorf("person %d is in room %d: %v, %v", i, j, got, err)
				}
			}
			m.Leave()
		}
	}
}
