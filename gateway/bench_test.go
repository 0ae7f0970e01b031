package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vestibule/conference"
	"vestibule/conference/conferencetest"
	"vestibule/conference/livekit"
	"vestibule/gateway"
	"vestibule/house"
	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/store"
	"vestibule/turn"
	"vestibule/web"
)

const benchDoor, benchRoom = "https://door.example", "https://room.example"

// benchHouse is a house with one meeting open and its host inside.
type benchHouse struct {
	*house.House
	fake *conferencetest.Fake
	id   meeting.ID
	host meeting.Person
	pass string
}

func newBenchHouse(tb testing.TB, invitees int) *benchHouse {
	tb.Helper()
	fake := conferencetest.NewFake(tb)
	backend, err := livekit.New(livekit.Config{URL: fake.URL, Key: fake.Key, Secret: fake.Secret})
	if err != nil {
		tb.Fatal(err)
	}
	b := newBenchHouseWith(tb, invitees, backend)
	b.fake = fake
	return b
}

func newBenchHouseWith(tb testing.TB, invitees int, backend conference.Backend) *benchHouse {
	tb.Helper()
	b := &benchHouse{}
	var err error
	b.House, err = house.New(house.Config{
		Door: benchDoor, Room: benchRoom, Secret: []byte(strings.Repeat("k", 32)), Store: store.NewMemory(), Backend: backend,
		Turn: turn.Config{Realm: "door", PublicIPs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, Peers: turn.PeerPolicy{Prefixes: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, MinPort: 7882, MaxPort: 7882}},
		Site: web.Site{Name: "bench"},
	})
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = b.Lobby.Run(ctx) })
	tb.Cleanup(func() { cancel(); wg.Wait() })
	b.host = meeting.Person{
		Issuer: "https://id.example", Subject: "doctor", Name: "Dr Martin", Email: "m@hopital.example",
		Evidence: meeting.Evidence{Method: meeting.OIDC, EmailVerified: true, Member: true},
	}
	d := lobby.Draft{Title: "Consultation", Starts: time.Now(), Ends: time.Now().Add(time.Hour), Zone: "Europe/Paris", Lang: "fr"}
	for i := range invitees {
		d.Invitees = append(d.Invitees, lobby.Invitee{Name: fmt.Sprintf("P. %d", i), Email: fmt.Sprintf("p%d@exemple.fr", i)})
	}
	if b.id, err = b.Lobby.Create(ctx, b.host, d, ""); err != nil {
		tb.Fatal(err)
	}
	a, err := b.Lobby.HostKnock(ctx, b.id, lobby.Arrival{Person: b.host, Device: "desk"}, "")
	if err != nil {
		tb.Fatal(err)
	}
	ticket, err := b.Lobby.Enter(ctx, b.id, a, "desk")
	if err != nil {
		tb.Fatal(err)
	}
	if b.pass, err = b.Lobby.Redeem(ctx, ticket); err != nil {
		tb.Fatal(err)
	}
	return b
}

// BenchmarkCheck is what the door adds to a request of somebody inside: cookie,
// live admission, decision. No store is asked.
func BenchmarkCheck(b *testing.B) {
	h := newBenchHouse(b, 1)
	r := httptest.NewRequest(http.MethodGet, benchRoom+"/rtc/validate", nil)
	r.AddCookie(&http.Cookie{Name: "__Host-room", Value: h.pass})
	if err := gateway.Check(h.Gateway, r); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := gateway.Check(h.Gateway, r); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkProxied answers a small page of the conference server: through a
// bare ReverseProxy, and through the door with every check.
func BenchmarkProxied(b *testing.B) {
	h := newBenchHouse(b, 1)
	up, err := url.Parse(h.fake.URL)
	if err != nil {
		b.Fatal(err)
	}
	bare := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(up) }}
	for _, c := range []struct {
		name string
		h    http.Handler
	}{{"bare", bare}, {"door", h.Handler()}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				// As it comes over the wire: an absolute address is refused.
				r := httptest.NewRequest(http.MethodGet, "/rtc/validate", nil)
				r.Host = strings.TrimPrefix(benchRoom, "https://")
				r.AddCookie(&http.Cookie{Name: "__Host-room", Value: h.pass})
				w := httptest.NewRecorder()
				if c.h.ServeHTTP(w, r); c.name == "door" && w.Code != http.StatusOK {
					b.Fatalf("%s = %d", c.name, w.Code)
				}
			}
		})
	}
}

// sink is a reader of an event stream that notes when words reach it.
type sink struct {
	http.ResponseWriter
	got   chan time.Time
	stuck <-chan struct{} // not nil: never takes anything
}

func (s *sink) Header() http.Header { return http.Header{} }
func (s *sink) WriteHeader(int)     {}
func (s *sink) Flush()              {}
func (s *sink) Write(p []byte) (int, error) {
	if s.stuck != nil && strings.Contains(string(p), "event:") {
		<-s.stuck
		return 0, io.ErrClosedPipe
	}
	if strings.HasPrefix(string(p), "event:") {
		s.got <- time.Now()
	}
	return len(p), nil
}

// BenchmarkFanOut tells 1,000 waiting people of one change, with and without a
// reader that takes nothing.
func BenchmarkFanOut(b *testing.B) {
	for _, slow := range []int{0, 10} {
		b.Run(fmt.Sprintf("slow=%d", slow), func(b *testing.B) { fanOut(b, 1000, slow) })
	}
}

func fanOut(b *testing.B, readers, slow int) {
	h := newBenchHouse(b, 1)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	defer func() { cancel(); wg.Wait() }()
	got := make(chan time.Time, readers)
	stuck := make(chan struct{})
	defer close(stuck)
	for i := range readers + slow {
		s := &sink{got: got}
		if i >= readers {
			s.stuck = stuck
		}
		r := httptest.NewRequest(http.MethodGet, benchDoor+"/", nil).WithContext(ctx)
		wg.Go(func() { _ = gateway.Stream(h.Gateway, s, r, h.id, fmt.Sprint(i)) })
	}
	take := func() []time.Time {
		ts := make([]time.Time, 0, readers)
		for range readers {
			ts = append(ts, <-got)
		}
		return ts
	}
	take()
	var all []time.Duration
	on := false
	b.ResetTimer()
	for b.Loop() {
		on = !on
		start := time.Now()
		if err := h.Lobby.Lock(ctx, h.id, h.host.Key(), on); err != nil {
			b.Fatal(err)
		}
		for _, t := range take() {
			all = append(all, t.Sub(start))
		}
	}
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
}
