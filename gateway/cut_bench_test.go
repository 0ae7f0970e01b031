package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"vestibule/lobby"
	"vestibule/meeting"
)

const cuts = 50

// BenchmarkCut puts people out who ask for pages on connections that stay open,
// one request behind the other, and wait for an answer that never comes. From
// the moment Expel is called: when it returned, when the last page was given,
// when the first was refused, and when the answer held back ended. late counts
// the pages that were asked for after Expel had returned, and given.
func BenchmarkCut(b *testing.B) {
	for _, two := range []bool{false, true} {
		b.Run(map[bool]string{false: "h1", true: "h2"}[two], func(b *testing.B) {
			held := newEcho(b, func(_ http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/app/held" {
					<-r.Context().Done()
				}
			})
			h := newBenchHouseWith(b, cuts, backed{held})
			at := serveFront(b, h.Handler())
			var all cutTimes
			for i := range cuts {
				admission, pass := h.inside(b, i)
				all.add(h.cut(b, program{name: "door", addr: at, cookie: "__Host-room=" + pass}, two, admission))
			}
			b.ReportMetric(0, "ns/op")
			all.report(b)
		})
	}
}

// cutTimes are when things happened after the call of Expel.
type cutTimes struct {
	returned, given, refused, ended []time.Duration
	late                            int
}

func (c *cutTimes) add(d cutTimes) {
	c.returned, c.given = append(c.returned, d.returned...), append(c.given, d.given...)
	c.refused, c.ended = append(c.refused, d.refused...), append(c.ended, d.ended...)
	c.late += d.late
}

func (c *cutTimes) report(b *testing.B) {
	for what, d := range map[string][]time.Duration{"returned": c.returned, "last-given": c.given, "first-refused": c.refused, "held-ended": c.ended} {
		slices.Sort(d)
		b.ReportMetric(float64(d[len(d)/2].Microseconds())/1e3, what+"-p50-ms")
		b.ReportMetric(float64(d[len(d)*99/100].Microseconds())/1e3, what+"-p99-ms")
	}
	b.ReportMetric(float64(c.late), "late")
}

// guest is the i-th invitee's identity.
func guest(i int) meeting.Person {
	return meeting.Person{
		Issuer: "https://id.example", Subject: fmt.Sprint("guest-", i), Name: fmt.Sprintf("P. %d", i), Email: fmt.Sprintf("p%d@exemple.fr", i),
		Evidence: meeting.Evidence{Method: meeting.OIDC, EmailVerified: true},
	}
}

// inside brings the i-th invitee in and answers their admission and pass.
func (h *benchHouse) inside(b *testing.B, i int) (admission, pass string) {
	b.Helper()
	ctx := b.Context()
	snap, err := h.Lobby.Snapshot(ctx, h.id)
	if err != nil {
		b.Fatal(err)
	}
	p := guest(i)
	for _, v := range snap.Invitations {
		if v.Email != p.Email {
			continue
		}
		if _, admission, err = h.Lobby.Knock(ctx, h.Lobby.Link(h.id, &v), lobby.Arrival{Person: p, Device: p.Subject, Consent: true}, ""); err != nil {
			b.Fatal(err)
		}
	}
	if err := h.Lobby.Answer(ctx, h.id, h.host.Key(), admission, meeting.Answer{Admit: true}, ""); err != nil {
		b.Fatal(err)
	}
	ticket, err := h.Lobby.Enter(ctx, h.id, admission, p.Subject)
	if err != nil {
		b.Fatal(err)
	}
	if pass, err = h.Lobby.Redeem(ctx, ticket); err != nil {
		b.Fatal(err)
	}
	return admission, pass
}

// cut puts one person out who asks and asks.
func (h *benchHouse) cut(b *testing.B, p program, two bool, admission string) (c cutTimes) {
	b.Helper()
	get := func(tr *http.Transport, path string) (int, error) {
		r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "https://room.example"+path, nil)
		if err != nil {
			return 0, err
		}
		r.Header.Set("Cookie", p.cookie)
		res, err := tr.RoundTrip(r)
		if err != nil {
			return 0, err
		}
		defer res.Body.Close()
		_, err = io.Copy(io.Discard, res.Body)
		return res.StatusCode, err
	}
	asking, waiting := p.transport(two), p.transport(two)
	defer asking.CloseIdleConnections()
	defer waiting.CloseIdleConnections()
	ended := make(chan time.Time, 1)
	go func() { _, _ = get(waiting, "/app/held"); ended <- time.Now() }()
	type ask struct {
		begun, done time.Time
		code        int
	}
	asks, warm := make(chan []ask, 1), make(chan struct{})
	go func() {
		var all []ask
		for len(all) == 0 || all[len(all)-1].code == http.StatusOK {
			a := ask{begun: time.Now()}
			a.code, _ = get(asking, "/app/page")
			a.done = time.Now()
			if all = append(all, a); len(all) == 20 {
				close(warm)
			}
		}
		asks <- all
	}()
	<-warm
	begun := time.Now()
	if _, err := h.Lobby.Expel(b.Context(), h.id, h.host.Key(), admission, ""); err != nil {
		b.Fatal(err)
	}
	returned := time.Now()
	all := <-asks
	for _, a := range all {
		if a.code == http.StatusOK && a.begun.After(returned) {
			c.late++
		}
	}
	n := len(all)
	c.returned, c.given = []time.Duration{returned.Sub(begun)}, []time.Duration{all[n-2].done.Sub(begun)}
	c.refused, c.ended = []time.Duration{all[n-1].done.Sub(begun)}, []time.Duration{(<-ended).Sub(begun)}
	return c
}
