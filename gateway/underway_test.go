package gateway_test

import (
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// TestT37AnswerUnderWayEnds puts people out who wait for an answer of the
// conference server, or take nothing of one that has no end.
func TestT37AnswerUnderWayEnds(t *testing.T) {
	t.Parallel()
	begun, ended := make(chan struct{}, 9), make(chan struct{}, 9)
	var written atomic.Int64
	_, s, h, _ := echoing(t, func(w http.ResponseWriter, r *http.Request) {
		begun <- struct{}{}
		if r.URL.Path == "/app/flood" {
			for b, err := make([]byte, 1<<16), error(nil); err == nil; {
				_, err = w.Write(b)
				written.Add(1)
			}
		}
		<-r.Context().Done()
		ended <- struct{}{}
	})
	ways := []string{"1/late", "1/flood", "2/late", "2/flood"}
	m := h.meet(nil, ways...)
	h.want(h.post(m.path("/enter"), nil), http.StatusOK, "the way in")
	h.redeems()
	for i, way := range ways {
		g, a := h.inside(m, way)
		v := s.browser(t, i > 1)
		v.plant(roomOrigin, "__Host-room", g.cookie(roomOrigin, "__Host-room"))
		got := make(chan error, 1)
		taken := make(chan struct{})
		go func() {
			res, err := v.c.Do(v.request(http.MethodGet, roomOrigin+"/app/"+way[2:], nil))
			if err == nil {
				<-taken
				_, err = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
			}
			got <- err
		}()
		<-begun
		if way[2:] == "flood" {
			still, before := 0, int64(0)
			eventually(t, "no more is taken", func() bool {
				still++
				if n := written.Load(); n == 0 || n != before {
					still, before = 0, n
				}
				return still > 50
			})
		}
		if n := s.Gateway.Connections(); n != 1 {
			t.Fatalf("%s: %d connections, want 1", way, n)
		}
		h.expels(m, a)
		if n := s.Gateway.Connections(); n != 0 {
			t.Errorf("%s: %d connections of somebody put out", way, n)
		}
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			t.Fatalf("%s: the conference server answers on", way)
		}
		close(taken)
		if err := <-got; err == nil {
			t.Errorf("%s: answered in full", way)
		}
		if got := v.send(v.request(http.MethodGet, roomOrigin+"/app/late", nil)); got.status != http.StatusForbidden {
			t.Errorf("%s: the next request = %d, want 403", way, got.status)
		}
	}
}
