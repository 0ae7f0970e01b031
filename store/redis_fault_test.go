package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vestibule/meeting"
	"vestibule/store"
	"vestibule/store/storetest"
)

func TestRedisCluster(t *testing.T) {
	t.Parallel()
	url, servers := storetest.Cluster(t)
	t.Run("contract", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) storetest.Store {
			return open(t, store.Config{URL: url, Timeout: 10 * time.Second})
		})
	})
	for _, s := range servers {
		forever(t, s)
	}
}

// scenario is what a guest causes on the way in. It must succeed whichever
// single reply is lost, and leave one effect of each step.
func scenario(t *testing.T, s *store.Redis, m meeting.ID) {
	t.Helper()
	ctx, key := t.Context(), string(m)
	must := func(doing string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", doing, err)
		}
	}
	must("Put", s.Put(ctx, "code", key, []byte("secret"), time.Minute))
	allowed, err := s.Count(ctx, "try", key, 2, time.Minute)
	must("Count", err)
	if !allowed {
		t.Error("Count refuses the first try")
	}
	v, err := s.Take(ctx, "code", key, "attempt")
	must("Take", err)
	if string(v) != "secret" {
		t.Errorf("Take = %q, want secret", v)
	}
	docs, err := s.Read(ctx, m, "a")
	must("Read", err)
	answer, _, err := s.Commit(ctx, m, store.Commit{
		Attempt: "attempt",
		Reads:   map[string]uint64{"a": docs["a"].Version},
		Writes:  []store.Write{{Name: "a", Value: []byte("used")}},
		Events:  [][]byte{[]byte("redeemed")},
		Answer:  []byte("welcome"),
		Expires: time.Now().Add(time.Hour),
		Durable: true,
	})
	must("Commit", err)
	if string(answer) != "welcome" {
		t.Errorf("Commit = %q, want welcome", answer)
	}
	must("Index", s.Index(ctx, key, m, time.Now(), time.Now().Add(time.Hour)))
}

func effects(t *testing.T, s *store.Redis, m meeting.ID) {
	t.Helper()
	ctx, key := t.Context(), string(m)
	if list, err := s.Events(ctx, m, "", 10); err != nil || len(list) != 1 {
		t.Errorf("%d redemptions, %v, want 1", len(list), err)
	}
	if v, err := s.Take(ctx, "code", key, "another"); v != nil || err != nil {
		t.Errorf("another Take = %q, %v, want nothing", v, err)
	}
	for _, want := range []bool{true, false} {
		if got, err := s.Count(ctx, "try", key, 2, time.Minute); got != want || err != nil {
			t.Errorf("further Count = %t, %v, want %t", got, err, want)
		}
	}
}

func TestT07LostReplyAtEachCommand(t *testing.T) {
	t.Parallel()
	server := storetest.StartRedis(t)
	direct := open(t, store.Config{URL: server.URL()})
	for _, hang := range []bool{false, true} {
		for n, lost := int64(1), true; lost; n++ {
			t.Run(fmt.Sprintf("%d, hang %t", n, hang), func(t *testing.T) {
				proxy := storetest.StartProxy(t, server.Addr, n, hang)
				m := meeting.NewID()
				scenario(t, open(t, store.Config{URL: proxy.URL()}), m)
				effects(t, direct, m)
				lost = proxy.Lost()
			})
			if n > 50 {
				t.Fatal("the scenario does not end")
			}
			if !lost && n < 7 {
				t.Errorf("only %d commands went through the proxy", n-1)
			}
		}
	}
}

// shut checks that a call answers ErrUnavailable within the deadline.
func shut(t *testing.T, doing string, call func() error) {
	t.Helper()
	began := time.Now()
	err := call()
	if took := time.Since(began); took > time.Second {
		t.Errorf("%s took %v, want less than 1s", doing, took)
	}
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("%s = %v, want ErrUnavailable", doing, err)
	}
}

func TestT63RedisStoppedAndKilled(t *testing.T) {
	server := storetest.StartRedis(t)
	s, m := open(t, store.Config{URL: server.URL()}), meeting.NewID()
	c := store.Commit{
		Attempt: "a", Reads: map[string]uint64{"a": 0}, Writes: []store.Write{{Name: "a", Value: []byte("x")}},
		Events: [][]byte{[]byte("e")}, Expires: time.Now().Add(time.Hour), Durable: true,
	}
	var together sync.WaitGroup
	all := func(t *testing.T) {
		ctx := t.Context()
		shut := func(t *testing.T, doing string, call func() error) {
			t.Helper()
			together.Go(func() { shut(t, doing, call) })
		}
		defer together.Wait()
		shut(t, "Commit", func() error { _, _, err := s.Commit(ctx, m, c); return err })
		shut(t, "Read", func() error { _, err := s.Read(ctx, m, "a"); return err })
		shut(t, "All", func() error { _, err := s.All(ctx, m); return err })
		shut(t, "Events", func() error { _, err := s.Events(ctx, m, "", 1); return err })
		shut(t, "Put", func() error { return s.Put(ctx, "kind", "key", nil, time.Minute) })
		shut(t, "Get", func() error { _, err := s.Get(ctx, "kind", "key"); return err })
		shut(t, "Take", func() error { _, err := s.Take(ctx, "kind", "key", "a"); return err })
		shut(t, "Count", func() error { _, err := s.Count(ctx, "kind", "key", 1, time.Minute); return err })
		shut(t, "Owned", func() error { _, err := s.Owned(ctx, "owner", time.Time{}, 1); return err })
		shut(t, "Ready", func() error { return s.Ready(ctx) })
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Stop()
	t.Run("stopped", all)
	server.Resume()
	eventually(t, "ready again", func() bool { return s.Ready(t.Context()) == nil })
	// What was asked meanwhile may have been done once, and no more.
	if _, _, err := s.Commit(t.Context(), m, c); err != nil {
		t.Errorf("Commit after the return: %v", err)
	}
	if list, err := s.Events(t.Context(), m, "", 10); err != nil || len(list) != 1 {
		t.Errorf("%d events after the return, %v, want 1", len(list), err)
	}
	server.Kill()
	t.Run("killed", all)
}

func TestErrorsNameNoKey(t *testing.T) {
	t.Parallel()
	server := storetest.StartRedis(t, "--rename-command", "EVALSHA", "GONE", "--maxmemory", "1")
	s := open(t, store.Config{URL: server.URL()})
	const secret = "3b1f0c"
	_, err := s.Take(t.Context(), "code", secret, "attempt")
	err2 := s.Put(t.Context(), "code", secret, []byte(secret), time.Minute)
	for _, err := range []error{err, err2} {
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%v, want ErrUnavailable", err)
		}
		if strings.Contains(fmt.Sprint(err), secret) {
			t.Errorf("the error quotes the key: %v", err)
		}
	}
}

// pair starts a master and its replica, in step.
func pair(t *testing.T) (master, replica *storetest.Server) {
	t.Helper()
	master = storetest.StartRedis(t)
	replica = storetest.StartRedis(t, "--replicaof", strings.ReplaceAll(master.Addr, ":", " "))
	s := open(t, store.Config{URL: master.URL(), Replicas: 1})
	eventually(t, "replica in step", func() bool { return s.Ready(t.Context()) == nil })
	return master, replica
}

func redemption(who string) store.Commit {
	return store.Commit{
		Attempt: who, Reads: map[string]uint64{"used": 0},
		Writes: []store.Write{{Name: "used", Value: []byte(who)}},
		Events: [][]byte{[]byte(who)}, Answer: []byte(who),
		Expires: time.Now().Add(time.Hour), Durable: true,
	}
}

func TestT09ReplicaStopped(t *testing.T) {
	t.Parallel()
	master, replica := pair(t)
	s := open(t, store.Config{URL: master.URL(), Replicas: 1})
	m, ctx := meeting.NewID(), t.Context()
	if _, replayed, err := s.Commit(ctx, m, redemption("a")); replayed || err != nil {
		t.Fatalf("Commit = %t, %v", replayed, err)
	}
	replica.Stop()
	n := meeting.NewID()
	shut(t, "durable Commit", func() error { _, _, err := s.Commit(ctx, n, redemption("a")); return err })
	// It is done here, and asked again over whatever connection it is still
	// not confirmed.
	for range 3 {
		shut(t, "same attempt", func() error { _, _, err := s.Commit(ctx, n, redemption("a")); return err })
	}
	shut(t, "Take", func() error { _, err := s.Take(ctx, "kind", "key", "a"); return err })
	shut(t, "Delete", func() error { return s.Delete(ctx, "kind", "key") })
	shut(t, "Ready", func() error { return s.Ready(ctx) })
	c := redemption("b")
	c.Durable = false
	if _, _, err := s.Commit(ctx, meeting.NewID(), c); err != nil {
		t.Errorf("Commit that need not last = %v, want nil", err)
	}
	replica.Resume()
	eventually(t, "ready again", func() bool { return s.Ready(ctx) == nil })
	if answer, replayed, err := s.Commit(ctx, n, redemption("a")); string(answer) != "a" || !replayed || err != nil {
		t.Errorf("same attempt later = %q, %t, %v, want a, true", answer, replayed, err)
	}
}

func TestT09FailoverHandsNothingBack(t *testing.T) {
	t.Parallel()
	master, replica := pair(t)
	s, ctx := open(t, store.Config{URL: master.URL(), Replicas: 1}), t.Context()
	var acknowledged []meeting.ID
	for i := range 60 {
		if i == 50 {
			replica.Stop()
		}
		m := meeting.NewID()
		short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		_, _, err := s.Commit(short, m, redemption("a"))
		cancel()
		if err == nil {
			acknowledged = append(acknowledged, m)
		}
	}
	master.Kill()
	replica.Resume()
	eventually(t, "promoted", func() bool {
		_, err := replica.Ask("REPLICAOF", "NO", "ONE")
		return err == nil
	})
	after := open(t, store.Config{URL: replica.URL()})
	for _, m := range acknowledged {
		if _, _, err := after.Commit(ctx, m, redemption("b")); !errors.Is(err, store.ErrConflict) {
			t.Errorf("a used link is redeemed again: %v", err)
		}
	}
	if got := len(acknowledged); got != 50 {
		t.Errorf("%d redemptions acknowledged, want the 50 before the replica stopped", got)
	}
}

// The master moves twenty times behind one address; a door that keeps its
// connections to the old one, now read-only, must find its way.
func TestT64MasterMoves(t *testing.T) {
	t.Parallel()
	master, replica := pair(t)
	proxy := storetest.StartProxy(t, master.Addr, 0, false)
	s, ctx := open(t, store.Config{URL: proxy.URL(), Replicas: 1}), t.Context()
	for range 20 {
		replica.Do(t, "REPLICAOF", "NO", "ONE")
		proxy.Redirect(replica.Addr)
		master.Do(t, append([]string{"REPLICAOF"}, strings.Split(replica.Addr, ":")...)...)
		master, replica = replica, master
		direct := open(t, store.Config{URL: master.URL(), Replicas: 1})
		eventually(t, "new master in order", func() bool { return direct.Ready(ctx) == nil })
		if _, _, err := s.Commit(ctx, meeting.NewID(), redemption("a")); err != nil {
			t.Errorf("first Commit after the move = %v, want nil", err)
		}
		if err := s.Ready(ctx); err != nil {
			t.Errorf("Ready = %v", err)
		}
	}
}

func TestWatchFindsBack(t *testing.T) {
	t.Parallel()
	first, second := storetest.StartRedis(t), storetest.StartRedis(t)
	proxy := storetest.StartProxy(t, first.Addr, 0, false)
	s, m := open(t, store.Config{URL: proxy.URL()}), meeting.NewID()
	ctx, cancel := context.WithCancel(t.Context())
	woken, done := make(chan meeting.ID, 1000), make(chan error, 1)
	go func() { done <- s.Watch(ctx, func(id meeting.ID) { woken <- id }) }()
	wakes := func() bool {
		c := redemption(meeting.NewAdmissionID())
		c.Reads = nil
		_, _, _ = s.Commit(ctx, m, c)
		select {
		case <-woken:
			return true
		case <-time.After(20 * time.Millisecond):
			return false
		}
	}
	eventually(t, "woken", wakes)
	proxy.Redirect(second.Addr)
	first.Kill()
	for len(woken) > 0 {
		<-woken
	}
	eventually(t, "woken through the other", wakes)
	second.Stop() // silent, but not closed: asked, found dead, laid again
	third := storetest.StartRedis(t)
	proxy.Redirect(third.Addr)
	for len(woken) > 0 {
		<-woken
	}
	eventually(t, "woken through the third", wakes)
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Watch = %v, want nil", err)
	}
}

// A quiet line is asked whether it lives, and kept if it does.
func TestWatchKeepsAQuietLine(t *testing.T) {
	t.Parallel()
	server := storetest.StartRedis(t)
	s := open(t, store.Config{URL: server.URL()})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Watch(ctx, func(meeting.ID) {}) }()
	calls := func(command string) (n int) {
		for _, line := range strings.Fields(server.Do(t, "INFO", "COMMANDSTATS")[0]) {
			_, _ = fmt.Sscanf(line, "cmdstat_"+command+":calls=%d", &n)
		}
		return n
	}
	asked := calls("ping")
	eventually(t, "asked twice", func() bool { return calls("ping") >= asked+2 })
	if got := calls("subscribe"); got != 1 {
		t.Errorf("%d lines laid, want 1", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Watch = %v, want nil", err)
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	end := time.After(10 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-end:
			t.Fatalf("%s: not within 10s", what)
		case <-tick.C:
		}
	}
}

// Sentinels say where the master is, before a failover and after it.
func TestRedisSentinel(t *testing.T) {
	t.Parallel()
	master, replica := pair(t)
	file := filepath.Join(t.TempDir(), "sentinel.conf")
	host, port, _ := strings.Cut(master.Addr, ":")
	text := fmt.Sprintf("sentinel monitor door %s %s 1\nsentinel down-after-milliseconds door 500\n", host, port)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	sentinel := storetest.StartRedis(t, file, "--sentinel")
	// Not the default: what is tested is whom it finds, not how soon on a busy
	// machine.
	s := open(t, store.Config{URL: "redis+sentinel://" + sentinel.Addr + "/door", Timeout: 5 * time.Second})
	m, ctx := meeting.NewID(), t.Context()
	if _, _, err := s.Commit(ctx, m, redemption("a")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "sentinel knows the replica", func() bool {
		_, err := sentinel.Ask("SENTINEL", "FAILOVER", "door")
		return err == nil
	})
	_, port, _ = strings.Cut(replica.Addr, ":")
	eventually(t, "failover", func() bool {
		return slices.Contains(sentinel.Do(t, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "door"), port)
	})
	began := time.Now()
	eventually(t, "written after the failover", func() bool {
		_, _, err := s.Commit(ctx, meeting.NewID(), redemption("b"))
		return err == nil
	})
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("first write %v after the failover, want less than 5s", took)
	}
	if _, _, err := s.Commit(ctx, m, redemption("b")); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a used link after the failover = %v, want ErrConflict", err)
	}
}
