package gateway_test

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"vestibule/meeting"
)

// alike answers the probability that two samples as different as these come of
// one distribution (two-sample Kolmogorov-Smirnov test, asymptotic).
func alike(a, b []time.Duration) float64 {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	d, i, j := 0.0, 0, 0
	for i < len(a) && j < len(b) {
		x := min(a[i], b[j])
		for i < len(a) && a[i] == x {
			i++
		}
		for j < len(b) && b[j] == x {
			j++
		}
		d = max(d, math.Abs(float64(i)/float64(len(a))-float64(j)/float64(len(b))))
	}
	n := math.Sqrt(float64(len(a)) * float64(len(b)) / float64(len(a)+len(b)))
	l := (n + 0.12 + 0.11/n) * d
	p := 0.0
	for k := 1.0; k < 100; k++ {
		p += 2 * math.Pow(-1, k-1) * math.Exp(-2*k*k*l*l)
	}
	if l < 0.2 {
		return 1 // where the series does not converge
	}
	return min(max(p, 0), 1)
}

func median(d []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(d))[len(d)/2]
}

// The test of the test: it finds a difference of a tenth, and none in the same.
func TestAlikeFindsDifferences(t *testing.T) {
	var a, b, c []time.Duration
	for i := range 1000 {
		x := time.Duration(1000 + (i*7919)%1000)
		a, b, c = append(a, x), append(b, x+100), append(c, time.Duration(1000+(i*104729+13)%1000))
	}
	if p := alike(a, b); p > 0.001 {
		t.Errorf("a shift by a tenth: p = %g, want it found", p)
	}
	if p := alike(a, c); p < 0.05 {
		t.Errorf("the same again: p = %g, want no difference", p)
	}
}

// TestT10TimesTellNothing asks 1,000 times for what exists and 1,000 times for
// what does not, in turn: the words are the same, and so are the times. On a
// busy machine one comparison of a hundred goes wrong by chance, so a difference
// counts when three in a row find it.
func TestT10TimesTellNothing(t *testing.T) {
	s := open(t)
	host := s.host(doctor())
	var held []*held
	for i := range 8 {
		held = append(held, host.meet(nil, fmt.Sprint("Guest ", i), fmt.Sprint("Other ", i)))
	}
	link := strings.TrimPrefix(held[0].links["Guest 0"], "/i/")
	last := map[byte]byte{'A': 'B'}
	forged := func(i int) string { // the meeting exists, the secret is wrong
		l := strings.TrimPrefix(held[i%8].links[fmt.Sprint("Guest ", i%8)], "/i/")
		b := []byte(l)
		if b[40] = last[b[40]]; b[40] == 0 {
			b[40] = 'A'
		}
		return "/i/" + string(b)
	}
	invented := func(i int) string { return "/i/" + forgeries(link, 2)[i%2] }
	unknown := func(int) string { return "/m/" + string(meeting.NewID()) }
	known := func(i int) string { return "/m/" + string(held[i%8].id) }
	stranger, nobody := s.host(stranger2()), s.visit()
	for name, c := range map[string]struct {
		ask    func(path string) answer
		is, no func(int) string
	}{
		"a stranger asks for a meeting": {stranger.get, known, unknown},
		"nobody asks for a meeting":     {nobody.get, known, unknown},
		"a link with a wrong secret":    {nobody.get, forged, invented},
		"a code for such a link":        {nobody.asksCode, forged, invented},
		"a code typed for such a link":  {nobody.typesCode, forged, invented},
	} {
		t.Run(name, func(t *testing.T) {
			p := 0.0
			for round := 0; round < 3 && p <= 0.01; round++ {
				var took [2][]time.Duration
				body := ""
				for i := range 2000 / every {
					kind := (i + i/2) % 2 // which is first changes too
					// Both are made each time: what the test does before it
					// asks must not tell them apart.
					path := [...]string{c.is(i / 2), c.no(i / 2)}[kind]
					begun := time.Now()
					a := c.ask(path)
					took[kind] = append(took[kind], time.Since(begun))
					got := fmt.Sprint(a.status, strings.ReplaceAll(plain(a.body), path, "PATH"))
					if body == "" {
						body = got
					}
					if got != body {
						t.Fatalf("%.4s… is answered differently:\n%s\nbefore:\n%s", path, head(got), head(body))
					}
				}
				p = alike(took[0], took[1])
				t.Logf("p = %.3f, medians %v and %v", p, median(took[0]), median(took[1]))
			}
			if p <= 0.01 {
				t.Errorf("the times differ in three rounds: p = %g", p)
			}
		})
	}
}

func (v *visitor) asksCode(link string) answer { return v.post(link+"/code", nil) }

func (v *visitor) typesCode(link string) answer {
	return v.post(link+"/verify", url.Values{"code": {"123456"}})
}

// TestT10LinksTellNothing asks for a code, and types one, with links of a meeting
// that exists, of one that does not, and with such as the door itself could have
// made for an invitation or a meeting that is forgotten.
func TestT10LinksTellNothing(t *testing.T) {
	t.Parallel()
	s := open(t)
	m := s.host(doctor()).meet(nil, "Jane Doe")
	link, v := strings.TrimPrefix(m.links["Jane Doe"], "/i/"), m.invitation("Jane Doe")
	gone := v
	gone.ID = "00112233aabbccdd"
	links := map[string]string{
		"an invitation that is not": s.Lobby.Link(m.id, &gone),
		"a meeting that is not":     s.Lobby.Link(meeting.NewID(), &v),
	}
	for i, l := range forgeries(link, 5)[:5] {
		links[fmt.Sprint("forgery ", i)] = l
	}
	nobody := s.visit()
	nobody.get("/")
	for what, ask := range map[string]func(string) answer{
		"looking": nobody.get, "asking for a code": nobody.asksCode, "typing a code": nobody.typesCode,
		"typing none": func(link string) answer { return nobody.post(link+"/verify", nil) },
	} {
		want := ""
		for name, l := range links {
			a := nobody.want(ask("/i/"+l), http.StatusNotFound, what+" with "+name)
			got := strings.ReplaceAll(plain(a.body), l, "LINK")
			if want == "" {
				want = got
			}
			if got != want {
				t.Errorf("%s with %s is answered differently:\n%s\nbefore:\n%s", what, name, head(got), head(want))
			}
		}
	}
	if _, n := s.box.mailed(m.mails["Jane Doe"]); n > 1 {
		t.Errorf("%d mails left", n)
	}
	s.visit().knock(m, "Jane Doe") // the link itself still opens
}

// TestT08RefusalsTakeTheSameTime types codes that were used, that expired and
// that belong to another meeting, in turn.
func TestT08RefusalsTakeTheSameTime(t *testing.T) {
	const each = 25
	s := open(t)
	host := s.host(doctor())
	kinds := []string{"used", "expired", "foreign"}
	var names, others []string
	for i := range each {
		for _, k := range kinds {
			names = append(names, fmt.Sprint(k, i))
		}
		others = append(others, fmt.Sprint("foreign", i))
	}
	m, other := host.meet(nil, names...), host.meet(nil, others...)
	codes := map[string]string{}
	for i := range each {
		v := s.visit()
		used, late, here := fmt.Sprint("used", i), fmt.Sprint("expired", i), fmt.Sprint("foreign", i)
		v.prove(m, used)
		codes[used] = s.box.code(m.mails[used])
		codes[late] = s.ask(v, m, late)
		s.expire(m, late)
		s.ask(v, m, here)
		codes[here] = s.ask(v, other, here)
	}
	took := map[string][]time.Duration{}
	bodies := map[string]bool{}
	for i := range each {
		for try := range meeting.CodeTries - 1 {
			for j := range kinds {
				kind := kinds[(i+try+j)%len(kinds)]
				name := fmt.Sprint(kind, i)
				v := s.visit()
				v.get(m.links[name])
				begun := time.Now()
				a := v.post(m.links[name]+"/verify", url.Values{"code": {codes[name]}})
				took[kind] = append(took[kind], time.Since(begun))
				v.want(a, http.StatusUnprocessableEntity, kind)
				body := waits.ReplaceAllString(strings.ReplaceAll(plain(a.body), m.links[name], "LINK"), "")
				bodies[fmt.Sprint(try, masked.ReplaceAllString(body, "MAILBOX"))] = true
			}
		}
	}
	if len(bodies) != meeting.CodeTries-1 {
		t.Errorf("%d different answers, want one for each number of tries left", len(bodies))
	}
	for _, a := range kinds {
		for _, b := range kinds {
			if d := median(took[a]) - median(took[b]); d > 5*time.Millisecond {
				t.Errorf("%s takes %v longer than %s", a, d, b)
			}
		}
		t.Logf("%s: median %v of %d", a, median(took[a]), len(took[a]))
	}
}
