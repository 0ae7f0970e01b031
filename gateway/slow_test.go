package gateway_test

import (
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vestibule/gateway"
)

// slowKind is one way of holding a connection for as long as one can.
type slowKind struct {
	name  string
	begin string // nothing: not even TLS begins
	drops bool   // goes on by drops, and is to be cut; else it takes nothing of the answer
}

// slow are open connections of all kinds.
type slow struct {
	conns []net.Conn
	held  atomic.Int64 // of those that are to be cut
	over  sync.WaitGroup
	stop  chan struct{}
}

// holdOpen opens so many connections of each kind.
func (s *site) holdOpen(t *testing.T, each int, kinds []slowKind) *slow {
	t.Helper()
	w := &slow{stop: make(chan struct{})}
	var mu sync.Mutex
	var opened sync.WaitGroup
	for _, k := range kinds {
		opened.Go(func() {
			for range each {
				var conn net.Conn
				if k.begin == "" {
					plain, err := net.Dial("tcp", s.addr)
					if err != nil {
						t.Error(err)
						return
					}
					conn = plain
				} else {
					conn = s.connectTo(t, "door.example", "http/1.1")
					_ = conn.SetDeadline(time.Time{}) // an open socket takes it
				}
				if _, err := io.WriteString(conn, k.begin); err != nil {
					t.Errorf("%s: %v", k.name, err)
				}
				mu.Lock()
				w.conns = append(w.conns, conn)
				mu.Unlock()
				if k.drops {
					w.drip(conn, k.begin != "")
				}
			}
		})
	}
	opened.Wait()
	t.Cleanup(w.leave)
	return w
}

// drip sends a letter now and then until the connection is closed.
func (w *slow) drip(conn net.Conn, letters bool) {
	w.held.Add(1)
	closed := make(chan struct{})
	w.over.Go(func() {
		_, _ = io.Copy(io.Discard, conn) // until it is closed
		w.held.Add(-1)
		close(closed)
	})
	w.over.Go(func() {
		tick := time.NewTicker(300 * time.Millisecond)
		defer tick.Stop()
		for letters {
			select {
			case <-w.stop:
				return
			case <-closed:
				return
			case <-tick.C:
				_, _ = io.WriteString(conn, "a") // the reader sees that it is closed
			}
		}
	})
}

// leave closes what is still open.
func (w *slow) leave() {
	close(w.stop)
	for _, c := range w.conns {
		_ = c.Close()
	}
	w.over.Wait()
}

// answersIn is the 95th percentile of what an honest browser waits for a page,
// on the connection that it has and on a new one.
func (s *site) answersIn(t *testing.T, v *visitor) (kept, fresh time.Duration) {
	t.Helper()
	p95 := func(ask func()) time.Duration {
		var took []time.Duration
		for range 60 {
			begun := time.Now()
			ask()
			took = append(took, time.Since(begun))
		}
		slices.Sort(took)
		return took[len(took)*95/100]
	}
	kept = p95(func() { v.want(v.get("/"), http.StatusOK, "an honest request") })
	fresh = p95(func() {
		if a := s.raw(t, rawGet("door.example", "/", "")); a.status != http.StatusOK {
			t.Errorf("an honest newcomer's request = %d", a.status)
		}
	})
	return kept, fresh
}

// TestT58AThousandSlowConnections holds a thousand connections that say nothing,
// send a head or a body by drops or take nothing of an answer: an honest browser
// is answered as before, and who drips is cut.
func TestT58AThousandSlowConnections(t *testing.T) {
	s := open(t)
	gateway.Hurry(s.Gateway, time.Second)
	h := s.host(doctor())
	h.get("/meetings")
	form := "POST /meetings HTTP/1.1\r\nHost: door.example\r\nOrigin: " + doorOrigin + "\r\nCookie: __Host-device=" + h.cookie(doorOrigin, "__Host-device") +
		"; __Host-door=" + h.cookie(doorOrigin, "__Host-door") + "\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 5000\r\n\r\ncsrf=" + h.csrf + "&"
	v := s.visit2()
	s.answersIn(t, v) // what is made once
	kept, fresh := s.answersIn(t, v)
	w := s.holdOpen(t, 250, []slowKind{
		{name: "silent", drops: true},
		{name: "a head", begin: "GET / HTTP/1.1\r\nHost: door.example\r\nX-", drops: true},
		{name: "a body", begin: form, drops: true},
		{name: "deaf", begin: "GET / HTTP/1.1\r\nHost: door.example\r\n\r\n"},
	})
	begun := w.held.Load()
	kept2, fresh2 := s.answersIn(t, v)
	t.Logf("%d of %d are held; 95%% of requests take %v, before %v; of newcomers %v, before %v", begun, len(w.conns), kept2, kept, fresh2, fresh)
	// Twenty times is a busy machine; a door that waits for one of them takes 5 s.
	if most := 20*kept + time.Second; kept2 > most {
		t.Errorf("an honest request takes %v, want %v at most", kept2, most)
	}
	if most := 20*fresh + time.Second; fresh2 > most {
		t.Errorf("an honest newcomer's request takes %v, want %v at most", fresh2, most)
	}
	eventually(t, "who drips is cut", func() bool { return w.held.Load() == 0 })
}
