package lobby_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/policy"
	"vestibule/store"
	"vestibule/store/storetest"
)

// hot is a known seat, as the proxy asks of it on every request.
func hot(t testing.TB) (*door, string) {
	t.Helper()
	d := doors(t, 1, store.NewMemory())[0]
	ctx := t.Context()
	id, err := d.Create(ctx, d.host, draft("Jeanne"), "form")
	if err != nil {
		t.Fatal(err)
	}
	a, err := d.HostKnock(ctx, id, lobby.Arrival{Person: d.host, Device: "desk"}, "")
	if err != nil {
		t.Fatal(err)
	}
	ticket, err := d.Enter(ctx, id, a, "desk")
	if err != nil {
		t.Fatal(err)
	}
	pass, err := d.Redeem(ctx, ticket)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.Live(ctx, pass); err != nil {
		t.Fatal(err)
	}
	return d, pass
}

// The hot path asks no store and hardly allocates.
func TestLiveIsCheap(t *testing.T) {
	d, pass := hot(t)
	if n := testing.AllocsPerRun(1000, func() { _, _, _ = d.Live(t.Context(), pass) }); n > 4 {
		t.Errorf("%v allocations, want at most 4", n)
	}
}

// BenchmarkLive is what a proxied request pays for being asked whether it may
// be inside, with and without the policy's own decision beside it.
func BenchmarkLive(b *testing.B) {
	d, pass := hot(b)
	ctx := context.Background()
	b.Run("live", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := d.Live(ctx, pass); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("live+policy", func(b *testing.B) {
		rules, now := policy.Default(), time.Now()
		v := meeting.Invitation{ID: "i", Email: "jeanne@exemple.fr"}
		docs := meeting.Docs{Meeting: meeting.Meeting{ID: "m", Starts: now, Ends: now.Add(time.Hour)}, Invitation: v}
		p := meeting.MailboxPerson("jeanne@exemple.fr", now)
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := d.Live(ctx, pass); err != nil {
				b.Fatal(err)
			}
			if got := rules.Decide(lobby.Facts(&docs, &p, now)); got.Verdict != policy.Wait {
				b.Fatal(got)
			}
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, _, err := d.Live(ctx, pass); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

// rate runs one operation b.N times from a number of callers and reports
// operations a second and the 99th percentile.
func rate(b *testing.B, callers int, do func(n int) error) {
	b.Helper()
	var next atomic.Int64
	took := make([][]time.Duration, callers)
	b.ResetTimer()
	var all sync.WaitGroup
	for c := range callers {
		all.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				began := time.Now()
				if err := do(int(n - 1)); err != nil {
					b.Error(err)
					return
				}
				took[c] = append(took[c], time.Since(began))
			}
		})
	}
	all.Wait()
	b.StopTimer()
	sorted := slices.Concat(took...)
	slices.Sort(sorted)
	if len(sorted) == 0 {
		return
	}
	b.ReportMetric(float64(len(sorted))/b.Elapsed().Seconds(), "ops/s")
	b.ReportMetric(float64(sorted[len(sorted)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkRedeemKnock puts what a guest does, through the lobby and a real
// redis-server, beside the bare script of its shape: "knock" is a first knock,
// "redeem" spends a ticket.
func BenchmarkRedeemKnock(b *testing.B) {
	for _, callers := range []int{64, 256} {
		b.Run(fmt.Sprintf("bare-%d", callers), func(b *testing.B) { rate(b, callers, bare(b)) })
		b.Run(fmt.Sprintf("knock-%d", callers), func(b *testing.B) {
			g := newCrowd(b, openRedis(b), b.N)
			rate(b, callers, g.knock)
		})
		b.Run(fmt.Sprintf("redeem-%d", callers), func(b *testing.B) {
			g := newCrowd(b, openRedis(b), b.N)
			for _, step := range []func(int) error{g.knock, g.enter} {
				if err := g.all(step); err != nil {
					b.Fatal(err)
				}
			}
			rate(b, callers, g.redeem)
		})
		b.Run(fmt.Sprintf("redeem-memory-%d", callers), func(b *testing.B) {
			g := newCrowd(b, store.NewMemory(), b.N)
			for _, step := range []func(int) error{g.knock, g.enter} {
				if err := g.all(step); err != nil {
					b.Fatal(err)
				}
			}
			rate(b, callers, g.redeem)
		})
	}
}

// crowd is n guests, twenty to a meeting, whom the rules admit at once.
type crowd struct {
	*lobby.Lobby
	guests []arrival
}

type arrival struct {
	id        meeting.ID
	link      string
	person    meeting.Person
	admission string
	ticket    string
}

const perMeeting = 20

func newCrowd(b *testing.B, k keeper, n int) *crowd {
	b.Helper()
	rules, err := policy.Load("open.cedar", []byte("@id(\"open\")\npermit (principal, action, resource);"))
	if err != nil {
		b.Fatal(err)
	}
	l, err := lobby.New(lobby.Config{
		Documents: k, Shelf: k, Backend: &server{open: map[string]bool{}}, Rules: rules,
		Secret: []byte(strings.Repeat("k", 32)), Door: "https://door.example",
		Early: 15 * time.Minute, Grace: time.Hour,
	})
	if err != nil {
		b.Fatal(err)
	}
	c := &crowd{Lobby: l, guests: make([]arrival, n)}
	host := doctor()
	for first := 0; first < n; first += perMeeting {
		dr := draft()
		dr.Settings.JoinBeforeHost = true
		for i := range min(perMeeting, n-first) {
			name := "guest" + strconv.Itoa(i)
			dr.Invitees = append(dr.Invitees, lobby.Invitee{Name: name, Email: name + "@exemple.fr"})
		}
		id, err := l.Create(b.Context(), host, dr, "")
		if err != nil {
			b.Fatal(err)
		}
		s, err := l.Snapshot(b.Context(), id)
		if err != nil {
			b.Fatal(err)
		}
		for _, v := range s.Invitations {
			c.guests[first+v.Order] = arrival{id: id, link: l.Link(id, &v), person: meeting.MailboxPerson(v.Email, time.Now())}
		}
	}
	return c
}

// all takes every guest a step further, before the clock runs.
func (c *crowd) all(step func(int) error) error {
	var next atomic.Int64
	for _, err := range atOnce(64, func(int) error {
		for n := next.Add(1) - 1; n < int64(len(c.guests)); n = next.Add(1) - 1 {
			if err := step(int(n)); err != nil {
				return err
			}
		}
		return nil
	}) {
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *crowd) knock(n int) (err error) {
	g := &c.guests[n]
	_, g.admission, err = c.Knock(context.Background(), g.link, lobby.Arrival{Person: g.person, Device: "phone", Consent: true}, "form"+strconv.Itoa(n))
	return err
}

func (c *crowd) enter(n int) (err error) {
	g := &c.guests[n]
	g.ticket, err = c.Enter(context.Background(), g.id, g.admission, "phone")
	return err
}

func (c *crowd) redeem(n int) error {
	_, err := c.Redeem(context.Background(), c.guests[n].ticket)
	return err
}

// bare is a script of a knock's shape without anything of ours around it: what
// go-redis and Redis do at best.
func bare(b *testing.B) func(int) error {
	b.Helper()
	o, err := redis.ParseURL(storetest.Redis(b))
	if err != nil {
		b.Fatal(err)
	}
	o.PoolSize, o.Protocol = 20, 2
	c := redis.NewClient(o)
	b.Cleanup(func() { _ = c.Close() })
	sha, err := c.ScriptLoad(b.Context(), `
		if redis.call('GET', KEYS[3]) then return 0 end
		redis.call('HMGET', KEYS[1], '', 'm', ARGV[1])
		redis.call('HSET', KEYS[1], '', '1', ARGV[1], ARGV[3], ARGV[2], ARGV[3])
		redis.call('XADD', KEYS[2], 'MAXLEN', '~', 100000, '*', 'v', ARGV[4], 'd', ARGV[1])
		redis.call('SET', KEYS[3], ARGV[5], 'PX', 600000)
		redis.call('PUBLISH', 'wake', KEYS[1])
		return 1`).Result()
	if err != nil {
		b.Fatal(err)
	}
	value := strings.Repeat("x", 600)
	return func(n int) error {
		m, id := fmt.Sprintf("{b:%d}", n/perMeeting), strconv.Itoa(n)
		return c.EvalSha(context.Background(), sha, []string{m + ":d", m + ":e", m + ":a:" + id},
			"i:"+id, "a:"+id, value, value[:300], value[:60]).Err()
	}
}
