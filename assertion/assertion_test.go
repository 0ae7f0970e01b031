package assertion_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"

	"vestibule/assertion"
)

const door, room = "https://door.example", "https://room.example"

func signer(tb testing.TB, secret string) *assertion.Signer {
	tb.Helper()
	s, err := assertion.New(assertion.Config{Secret: []byte(strings.Repeat(secret, 32)), Issuer: door, Audience: room})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func jane() assertion.Person {
	return assertion.Person{Admission: "a1", Room: "r1", Name: "Jane D."}
}

// published is the nodes' own HTTP server behind one name, a node each time.
type published struct {
	ln      *pipes
	client  *http.Client
	fetched int
	mu      sync.Mutex
}

// pipes is a listener in memory: a bubble has no other network.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func publish(t *testing.T, nodes ...*assertion.Signer) *published {
	p := &published{ln: &pipes{conns: make(chan net.Conn), done: make(chan struct{})}}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.fetched++
		n := p.fetched
		p.mu.Unlock()
		nodes[n%len(nodes)].ServeHTTP(w, r)
	})}
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(p.ln) })
	p.client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		p.ln.conns <- far
		return near, nil
	}}}
	t.Cleanup(func() { _ = srv.Close(); wg.Wait() })
	return p
}

func (p *published) fetches() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fetched
}

// keeper is a backend that holds the keys for as long as it may and not a
// moment less, whatever key it is shown.
type keeper struct {
	p     *published
	set   jose.JSONWebKeySet
	until time.Time
}

func (k *keeper) VerifySignature(_ context.Context, token string) ([]byte, error) {
	if time.Now().After(k.until) {
		res, err := k.p.client.Get("http://door.example/.well-known/jwks.json")
		if err != nil {
			return nil, err
		}
		b, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		k.set = jose.JSONWebKeySet{}
		if err := errors.Join(err, json.Unmarshal(b, &k.set)); err != nil {
			return nil, err
		}
		var age int
		if _, err := fmt.Sscanf(res.Header.Get("Cache-Control"), "public, max-age=%d", &age); err != nil {
			return nil, err
		}
		k.until = time.Now().Add(time.Duration(age) * time.Second)
	}
	sig, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return nil, err
	}
	keys := k.set.Key(sig.Signatures[0].Protected.KeyID)
	if len(keys) != 1 {
		return nil, fmt.Errorf("%d keys of that name", len(keys))
	}
	return sig.Verify(keys[0])
}

// TestT26AssertionsAreVerifiedAcrossRotations has two nodes sign for three days
// and two backends verify: go-oidc, which asks for keys it does not know, and
// one that keeps the keys to the last second and then takes nothing else.
func TestT26AssertionsAreVerifiedAcrossRotations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := []*assertion.Signer{signer(t, "s"), signer(t, "s")}
		p := publish(t, nodes...)
		verifiers := map[string]*oidc.IDTokenVerifier{}
		for name, keys := range map[string]oidc.KeySet{
			"go-oidc":   oidc.NewRemoteKeySet(oidc.ClientContext(t.Context(), p.client), "http://door.example/.well-known/jwks.json"),
			"strict":    &keeper{p: p},
			"late":      &keeper{p: p},
			"unhurried": &keeper{p: p},
		} {
			verifiers[name] = oidc.NewVerifier(door, keys, &oidc.Config{ClientID: room, SupportedSigningAlgs: []string{oidc.ES256}, Now: time.Now})
		}
		signed, kids := 0, map[string]bool{}
		verify := func(name, token string) {
			t.Helper()
			id, err := verifiers[name].Verify(t.Context(), token)
			if err != nil {
				t.Fatalf("%s, %v: %v", name, time.Now().UTC(), err)
			}
			if id.Subject != "a1" {
				t.Fatalf("%s: sub = %q", name, id.Subject)
			}
		}
		for begun := time.Now(); time.Since(begun) < 3*assertion.Rotation+time.Hour; {
			// Around midnight every second, else every few minutes.
			step := 7 * time.Minute
			if into := time.Now().Unix() % int64(assertion.Rotation/time.Second); into < 90 || into > int64(assertion.Rotation/time.Second)-500 {
				step = time.Second
			}
			time.Sleep(step)
			token, err := nodes[signed%2].Sign(jane())
			if err != nil {
				t.Fatal(err)
			}
			signed++
			sig, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
			if err != nil {
				t.Fatal(err)
			}
			kids[sig.Headers[0].KeyID] = true
			verify("go-oidc", token)
			verify("strict", token)
			if signed%50 == 0 {
				// A request under way for as long as it may be.
				time.Sleep(29 * time.Second)
				verify("late", token)
			}
			if signed%500 == 0 {
				verify("unhurried", token)
			}
		}
		if len(kids) < 3 || signed < 500 {
			t.Errorf("%d assertions by %d keys, want hundreds by three or more", signed, len(kids))
		}
		if n := p.fetches(); n > 4*80 {
			t.Errorf("the keys were fetched %d times in 73 hours by four backends", n)
		}
	})
}

// TestT26AssertionSaysThisAndNoMore reads one as a backend does.
func TestT26AssertionSaysThisAndNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		token, err := signer(t, "s").Sign(jane())
		if err != nil {
			t.Fatal(err)
		}
		p := publish(t, signer(t, "s"))
		raw, err := (&keeper{p: p}).VerifySignature(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Fatal(err)
		}
		now := float64(time.Now().Unix())
		want := map[string]any{
			"iss": door, "aud": room, "sub": "a1", "jti": "a1", "iat": now, "exp": now + 60, "room": "r1", "name": "Jane D.", "role": "guest",
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("claims (-want +got):\n%s", d)
		}
		sig, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
		if err != nil || sig.Signatures[0].Protected.ExtraHeaders["typ"] != assertion.Type {
			t.Errorf("typ = %v, %v", sig.Signatures[0].Protected.ExtraHeaders, err)
		}
		other, err := signer(t, "x").Sign(jane())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (&keeper{p: p}).VerifySignature(t.Context(), other); err == nil {
			t.Error("another site's assertion is verified")
		}
		res, err := p.client.Get("http://door.example/.well-known/jwks.json")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil || strings.Contains(string(b), `"d"`) || strings.Count(string(b), `"kid"`) != 3 {
			t.Errorf("published %s, %v", b, err)
		}
	})
}

// TestAssertionsAreSaidAgain: signing costs more than all the door's other
// checks, and what has changed is said at once.
func TestAssertionsAreSaidAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := signer(t, "s")
		say := func(p assertion.Person) string {
			t.Helper()
			token, err := s.Sign(p)
			if err != nil {
				t.Fatal(err)
			}
			return token
		}
		first := say(jane())
		time.Sleep(assertion.Life/2 - time.Second)
		if say(jane()) != first {
			t.Error("a second request was signed for")
		}
		host := jane()
		host.Host = true
		if say(host) == first {
			t.Error("a host is told as a guest")
		}
		time.Sleep(2 * time.Second)
		if say(jane()) == first {
			t.Error("an assertion is said when less than half of its life is left")
		}
		for _, p := range []assertion.Person{{}, {Admission: "a"}, {Room: "r"}} {
			if token, err := s.Sign(p); err == nil {
				t.Errorf("Sign(%v) = %s", p, token)
			}
		}
	})
	for _, c := range []assertion.Config{{}, {Secret: make([]byte, 31), Issuer: "a", Audience: "b"}, {Secret: make([]byte, 32), Issuer: "a"}} {
		if _, err := assertion.New(c); err == nil {
			t.Errorf("New(%v) finds no fault", c)
		}
	}
}

// BenchmarkSign is what the door adds for one assertion, said again and new.
func BenchmarkSign(b *testing.B) {
	s := signer(b, "s")
	p := jane()
	b.Run("again", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Sign(p); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("new", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			p.Admission = fmt.Sprint(i)
			if _, err := s.Sign(p); err != nil {
				b.Fatal(err)
			}
		}
	})
}
