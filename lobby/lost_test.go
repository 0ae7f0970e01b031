package lobby_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/store"
	"vestibule/store/storetest"
)

// wayIn is all that a guest causes from the link to the room, each step once:
// a code is sent, typed wrong, typed right, the host admits, the ticket is
// spent. Only one's own goroutines ask the store: every command has its number.
func wayIn(t *testing.T, d *door, id meeting.ID, link string) {
	t.Helper()
	ctx := t.Context()
	if err := d.SendCode(ctx, link, meeting.Mailbox, "send"); err != nil {
		t.Fatalf("SendCode = %v, want nil", err)
	}
	code := d.box.last()
	_, err := d.CheckCode(ctx, link, wrong(code, 0), "first")
	var no *meeting.Refusal
	if !errors.As(err, &no) || no.Reason != meeting.WrongCode || no.Left != meeting.CodeTries-1 {
		t.Errorf("CheckCode of a wrong one = %v, want wrong_code with %d left", err, meeting.CodeTries-1)
	}
	p, err := d.CheckCode(ctx, link, code, "second")
	if err != nil {
		t.Fatalf("CheckCode of the right one = %v, want nil", err)
	}
	_, a, err := d.Knock(ctx, link, lobby.Arrival{Person: p, Device: "phone", Consent: true}, "knock")
	if err != nil {
		t.Fatalf("Knock = %v, want nil", err)
	}
	if err := d.Answer(ctx, id, d.host.Key(), a, meeting.Answer{Admit: true}, "yes"); err != nil {
		t.Fatalf("Answer = %v, want nil", err)
	}
	pass := d.inside(t, id, a, "phone")
	if _, _, err := d.Live(ctx, pass); err != nil {
		t.Errorf("Live = %v, want the seat", err)
	}
}

// byPhone is the same for a caller who mistypes once.
func byPhone(t *testing.T, d *door, id meeting.ID, p phone, source string) {
	t.Helper()
	if _, err := d.dial(t, p.wrong(1), caller("call-"+source, source)); reason(err) != meeting.WrongCode {
		t.Errorf("a wrong code by telephone = %v, want wrong_code", err)
	}
	if _, err := d.dial(t, p, caller("call-"+source, source)); err != nil {
		t.Errorf("the right code by telephone = %v, want nil", err)
	}
	s, err := d.Snapshot(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(s.Meeting.Missed); n != 1 {
		t.Errorf("%d wrong codes by telephone, want 1", n)
	}
}

// T07: the reply to each command of a guest's way is lost in turn, after it was
// carried out, by a closed and by a silent line. The guest enters every time,
// and everything happened once.
func TestT07LostReplyOnTheWayIn(t *testing.T) {
	t.Parallel()
	redis := storetest.StartRedis(t)
	kept, err := store.Open(store.Config{URL: redis.URL(), Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = kept.Close() })
	commands := 0
	for n := 1; loses(t, kept, redis, n, false); n++ {
		commands = n
	}
	if commands < 30 {
		t.Errorf("only %d commands went through the proxy, want the whole way", commands)
	}
	t.Run("silent", func(t *testing.T) {
		for n := range commands {
			t.Run(strconv.Itoa(n+1), func(t *testing.T) {
				t.Parallel() // most of it is waiting
				loses(t, kept, redis, n+1, true)
			})
		}
	})
	// Each of them had one code of the five that a mailbox gets in an hour.
	counted := redis.Do(t, "KEYS", "*c:codes:*")
	for _, k := range counted {
		if got := redis.Do(t, "LLEN", k)[0]; got != "1" {
			t.Errorf("a mailbox is counted %s times, want 1", got)
		}
	}
	if len(counted) < 2*commands {
		t.Errorf("%d mailboxes are counted, want %d at least", len(counted), 2*commands)
	}
	t.Logf("%d commands, each lost twice", commands)
}

// loses takes a guest and a caller in while the reply to command n is lost, and
// reports whether there were as many commands.
func loses(t *testing.T, kept keeper, redis *storetest.Server, n int, hang bool) bool {
	t.Helper()
	host := &door{site: open(t, func(c *lobby.Config) { c.Documents, c.Shelf = kept, kept }), wire: &wire{keeper: kept}}
	name := fmt.Sprintf("guest%t%d", hang, n)
	id := host.another(t, name, name, "Salle1")
	host.opened(t, id)
	proxy := storetest.StartProxy(t, redis.Addr, int64(n), hang)
	d := &door{site: &site{server: host.server, box: host.box, host: host.host}}
	d.Lobby = through(t, host, proxy)
	wayIn(t, d, id, host.links(t, id)[name])
	byPhone(t, d, id, host.phones(t, id)["Salle1"], name)
	h := host.history(t, id)
	for what, want := range map[meeting.What]int{
		meeting.CodeIssued: 1, meeting.CodeRefused: 1, meeting.CodeProved: 1, meeting.Knocked: 2, meeting.LetIn: 2, // with caller and host
	} {
		if got := count(h, what); got != want {
			t.Errorf("reply %d lost: %d times %s, want %d", n, got, what, want)
		}
	}
	if got := host.box.mailed(name + "@exemple.fr"); got != 1 {
		t.Errorf("reply %d lost: %d codes mailed, want 1", n, got)
	}
	return proxy.Lost()
}

// through opens a lobby beside the host's whose only way to the store is the
// proxy, and that does nothing by itself.
func through(t *testing.T, host *door, proxy *storetest.Proxy) *lobby.Lobby {
	t.Helper()
	s, err := store.Open(store.Config{URL: proxy.URL(), Timeout: 1500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	l, err := lobby.New(lobby.Config{
		Documents: s, Shelf: s, Backend: host.server, Mailer: host.box, Texter: airtime{host.box},
		Secret: []byte(strings.Repeat("k", 32)), Door: "https://door.example", Dial: []string{"sip:door.example"},
		Early: 15 * time.Minute, Grace: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}
