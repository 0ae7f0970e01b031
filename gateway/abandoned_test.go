package gateway_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vestibule/gateway"
	"vestibule/lobby"
	"vestibule/meeting"
)

// crowd are people who knocked at many meetings, each in a browser of their own,
// and the connections they came by.
type crowd struct {
	t   *testing.T
	h   *benchHouse
	c   *http.Client
	all []waiter

	mu    sync.Mutex
	conns []net.Conn      // guarded by mu
	open  []io.ReadCloser // guarded by mu
}

// waiter is one of them.
type waiter struct{ admission, cookie string }

// newCrowd has everybody knock who is invited to so many meetings.
func newCrowd(t *testing.T, meetings int) *crowd {
	t.Helper()
	c := &crowd{t: t, h: newBenchHouse(t, lobby.MaxInvitees)}
	ids := []meeting.ID{c.h.id}
	for len(ids) < meetings {
		d := lobby.Draft{Title: "Consultation", Starts: time.Now(), Ends: time.Now().Add(time.Hour), Zone: "Europe/Paris", Lang: "fr"}
		for i := range lobby.MaxInvitees {
			d.Invitees = append(d.Invitees, lobby.Invitee{Name: fmt.Sprintf("P. %d", i), Email: fmt.Sprintf("p%d@exemple.fr", i)})
		}
		id, err := c.h.Lobby.Create(t.Context(), c.h.host, d, "")
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	for _, id := range ids {
		c.knock(id)
	}
	addr := serveDoor(t, c.h.Handler(), authority().cert)
	c.c = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err == nil {
				c.mu.Lock()
				c.conns = append(c.conns, conn)
				c.mu.Unlock()
			}
			return conn, err
		},
		TLSClientConfig: &tls.Config{RootCAs: authority().pool, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
	}}
	t.Cleanup(c.vanish)
	return c
}

func (c *crowd) knock(id meeting.ID) {
	c.t.Helper()
	s, err := c.h.Lobby.Snapshot(c.t.Context(), id)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, v := range s.Invitations {
		p := meeting.Person{Issuer: "https://id.example", Subject: v.Email, Name: v.Name, Email: v.Email, Evidence: meeting.Evidence{Method: meeting.OIDC, EmailVerified: true}}
		_, a, err := c.h.Lobby.Knock(c.t.Context(), c.h.Lobby.Link(id, &v), lobby.Arrival{Person: p, Device: v.ID, Consent: true}, "")
		if err != nil {
			c.t.Fatal(err)
		}
		cookie, err := gateway.Browser(c.t.Context(), c.h.Gateway, id, a)
		if err != nil {
			c.t.Fatal(err)
		}
		c.all = append(c.all, waiter{a, cookie})
	}
}

// wait opens a stream for each of them, and answers how many were given one and
// how many were turned away.
func (c *crowd) wait(who []waiter) (given, turned int64) {
	c.t.Helper()
	var ok, no atomic.Int64
	jobs := make(chan waiter)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for w := range jobs {
				switch res := c.listen(w); {
				case res == nil:
				case res.StatusCode == http.StatusOK:
					ok.Add(1)
				case res.StatusCode == http.StatusTooManyRequests:
					no.Add(1)
				default:
					c.t.Errorf("a stream = %d", res.StatusCode)
				}
			}
		})
	}
	for _, w := range who {
		jobs <- w
	}
	close(jobs)
	wg.Wait()
	return ok.Load(), no.Load()
}

func (c *crowd) listen(w waiter) *http.Response {
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, benchDoor+"/a/"+w.admission+"/events", nil)
	if err != nil {
		c.t.Error(err)
		return nil
	}
	r.AddCookie(&http.Cookie{Name: "__Host-door", Value: w.cookie})
	res, err := c.c.Do(r)
	if err != nil {
		c.t.Error(err)
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open = append(c.open, res.Body)
	return res
}

// vanish ends every connection without a word of HTTP.
func (c *crowd) vanish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		_ = conn.Close()
	}
	for _, b := range c.open {
		_ = b.Close()
	}
	c.conns, c.open = nil, nil
	c.c.CloseIdleConnections()
}

// heap is what is in use after what can be collected was.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what a finalizer or a pool kept
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// TestT61AbandonedWaiters fills the waiting rooms of many meetings, tries the
// cap of one of them, and has everybody go without a word.
func TestT61AbandonedWaiters(t *testing.T) {
	c := newCrowd(t, crowdedMeetings)
	goroutines, kept := runtime.NumGoroutine(), heap()
	begun := time.Now()
	given, turned := c.wait(c.all)
	if want := int64(crowdedMeetings * lobby.MaxInvitees); given != want || turned != 0 {
		t.Errorf("%d of %d waiting people were given a stream, %d turned away", given, want, turned)
	}
	// The waiting of one meeting open it again in further tabs: 2,000 is the
	// most.
	var tabs []waiter
	for range 4 {
		tabs = append(tabs, c.all[:lobby.MaxInvitees]...)
	}
	if given, turned = c.wait(tabs); given != 1500 || turned != 500 {
		t.Errorf("of 2,000 streams more of one meeting %d were given, %d turned away, want 1500 and 500", given, turned)
	}
	if got, want := c.h.Gateway.Streams(), crowdedMeetings*lobby.MaxInvitees+1500; got != want {
		t.Errorf("Streams() = %d, want %d", got, want)
	}
	full := heap()
	t.Logf("%d streams after %v, %d goroutines, %d KB", c.h.Gateway.Streams(), time.Since(begun), runtime.NumGoroutine(), (full-kept)>>10)

	c.vanish()
	left := time.Now()
	eventually(t, "nobody waits any more", func() bool { return c.h.Gateway.Streams() == 0 })
	// Of 20,000 a few may be the house's own, which come and go.
	eventually(t, "no goroutine stays behind", func() bool { return runtime.NumGoroutine() <= goroutines+10 })
	stays := heap() - kept
	t.Logf("gone after %v, %d KB stay", time.Since(left), stays>>10)
	// The meetings are kept in mind for a while.
	if stays > (full-kept)/4 {
		t.Errorf("%d KB of %d stay when everybody has gone", stays>>10, (full-kept)>>10)
	}
	if given, turned = c.wait(c.all[:lobby.MaxInvitees]); given != lobby.MaxInvitees || turned != 0 {
		t.Errorf("of those who come back %d are given a stream, %d turned away", given, turned)
	}
}
