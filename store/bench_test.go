package store_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"vestibule/meeting"
	"vestibule/store"
	"vestibule/store/storetest"
)

// rate runs one operation b.N times from a number of callers and reports
// operations a second and the 99th percentile.
func rate(b *testing.B, server *storetest.Server, callers int, do func(n int64) error) {
	b.Helper()
	var next atomic.Int64
	took := make([][]time.Duration, callers)
	b.ResetTimer()
	used, there := processor(b), elsewhere(b, server)
	var all sync.WaitGroup
	for c := range callers {
		all.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				began := time.Now()
				if err := do(n); err != nil {
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
	// Beside a busy machine's noise: what the operation costs this process.
	b.ReportMetric(float64((processor(b)-used).Nanoseconds())/1000/float64(len(sorted)), "cpu-us/op")
	b.ReportMetric(float64((elsewhere(b, server)-there).Nanoseconds())/1000/float64(len(sorted)), "redis-us/op")
	b.ReportMetric(0, "ns/op")
}

func processor(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// elsewhere is the processor time of the server.
func elsewhere(b *testing.B, server *storetest.Server) (sum time.Duration) {
	b.Helper()
	for _, line := range strings.Fields(server.Do(b, "INFO", "CPU")[0]) {
		name, value, _ := strings.Cut(line, ":")
		if name == "used_cpu_user" || name == "used_cpu_sys" {
			d, _ := time.ParseDuration(value + "s")
			sum += d
		}
	}
	return sum
}

// benchStore is what a redemption needs.
type benchStore interface {
	Read(ctx context.Context, m meeting.ID, names ...string) (map[string]store.Doc, error)
	Commit(ctx context.Context, m meeting.ID, c store.Commit) ([]byte, bool, error)
}

// redemptions returns what a guest does: reading the header and the
// invitation (unless that is left out), and committing invitation, admission
// and event.
func redemptions(b *testing.B, s benchStore, reading bool) func(int64) error {
	b.Helper()
	expires := time.Now().Add(time.Hour)
	meetings := make([]meeting.ID, 100)
	headers := map[meeting.ID]uint64{}
	for i := range meetings {
		meetings[i] = meeting.NewID()
		c := store.Commit{Writes: []store.Write{{Name: "header", Value: payload()}}, Expires: expires}
		if _, _, err := s.Commit(b.Context(), meetings[i], c); err != nil {
			b.Fatal(err)
		}
		docs, _ := s.Read(b.Context(), meetings[i], "header")
		headers[meetings[i]] = docs["header"].Version
	}
	value, event, answer := payload(), payload()[:200], payload()[:32]
	// Callers share no parent that ends, as requests do not either.
	ctx := context.WithoutCancel(b.Context())
	return func(n int64) error {
		m, id := meetings[n%100], strconv.FormatInt(n, 10)
		reads := map[string]uint64{"header": headers[m], "i:" + id: 0}
		if reading {
			docs, err := s.Read(ctx, m, "header", "i:"+id)
			if err != nil {
				return err
			}
			for name, d := range docs {
				reads[name] = d.Version
			}
		}
		_, _, err := s.Commit(ctx, m, store.Commit{
			Attempt: "a:" + id,
			Reads:   reads,
			Writes:  []store.Write{{Name: "i:" + id, Value: value}, {Name: "k:" + id, Value: value}},
			Events:  [][]byte{event},
			Answer:  answer,
			Durable: true,
		})
		return err
	}
}

func payload() []byte { return []byte(strings.Repeat("x", 400)) }

// bare is a script of the same shape without anything of ours around it: what
// go-redis and Redis do at best.
func bare(b *testing.B, url string) func(int64) error {
	b.Helper()
	o, err := redis.ParseURL(url)
	if err != nil {
		b.Fatal(err)
	}
	o.PoolSize, o.Protocol = 20, 2
	c := redis.NewClient(o)
	b.Cleanup(func() { _ = c.Close() })
	sha, err := c.ScriptLoad(b.Context(), `
		if redis.call('GET', KEYS[3]) then return 0 end
		redis.call('HMGET', KEYS[1], '', 'header', ARGV[1])
		redis.call('HSET', KEYS[1], '', '1', ARGV[1], ARGV[3], ARGV[2], ARGV[4])
		redis.call('XADD', KEYS[2], 'MAXLEN', '~', 100000, '*', 'v', ARGV[5], 'd', ARGV[1])
		redis.call('SET', KEYS[3], ARGV[6], 'PX', 600000)
		redis.call('PUBLISH', 'wake', KEYS[1])
		return 1`).Result()
	if err != nil {
		b.Fatal(err)
	}
	value, event, answer := payload(), payload()[:200], payload()[:32]
	return func(n int64) error {
		m, id := fmt.Sprintf("{b:%d}", n%100), strconv.FormatInt(n, 10)
		return c.EvalSha(b.Context(), sha, []string{m + ":d", m + ":e", m + ":a:" + id},
			"i:"+id, "k:"+id, value, value, event, answer).Err()
	}
}

// BenchmarkCommit puts a redemption beside the bare script of its shape:
// "commit" is one of ours alone, "redeem" reads before, as a guest's does.
func BenchmarkCommit(b *testing.B) {
	ours := func(reading bool) func(*testing.B, string) func(int64) error {
		return func(b *testing.B, url string) func(int64) error {
			// The machine may be busy; what is measured is not the deadline.
			return redemptions(b, open(b, store.Config{URL: url, Timeout: 10 * time.Second}), reading)
		}
	}
	memory := func(b *testing.B, _ string) func(int64) error {
		return redemptions(b, store.NewMemory(), true)
	}
	for _, callers := range []int{64, 256} {
		for _, bench := range []struct {
			name string
			make func(b *testing.B, url string) func(int64) error
		}{{"bare", bare}, {"commit", ours(false)}, {"redeem", ours(true)}, {"memory", memory}} {
			b.Run(fmt.Sprintf("%s-%d", bench.name, callers), func(b *testing.B) {
				server := storetest.StartRedis(b)
				rate(b, server, callers, bench.make(b, server.URL()))
			})
		}
	}
}
