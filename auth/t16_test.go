package auth_test

import (
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"vestibule/auth"
	"vestibule/auth/authtest"
)

// T16: a provider that is down costs each person little, is not hammered, and
// is used again when it is back.
func TestT16ProviderDown(t *testing.T) {
	const discovery = "/.well-known/openid-configuration"
	synctest.Test(t, func(t *testing.T) {
		op := authtest.New(issuer, authtest.NewKey("k1", jose.ES256))
		op.Instead = instead(discovery, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		o := hospital(t, op, nil)
		var wg sync.WaitGroup
		began := time.Now()
		for range 100 {
			wg.Go(func() {
				_, _, err := o.Start(t.Context(), "hospital")
				var u *auth.Unavailable
				if !errors.As(err, &u) || u.Name != "Hôpital Saint-Jean" {
					t.Errorf("Start = %v, want *Unavailable with the name for the page", err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("a hundred persons waited %v, want 3 s", took)
		}
		if n := op.Hits(discovery); n != 1 {
			t.Errorf("a hundred persons made %d requests, want 1", n)
		}
		for range 600 { // ten minutes of people who try
			time.Sleep(time.Second)
			_, _, _ = o.Start(t.Context(), "hospital")
		}
		if n := op.Hits(discovery); n > 25 {
			t.Errorf("%d requests in ten minutes, want at most 25", n)
		}
		op.Instead = nil
		time.Sleep(time.Minute)
		if _, _, err := signIn(t.Context(), o, op); err != nil {
			t.Errorf("after it came back: %v", err)
		}
	})
}

// T16: the breaker rests after failures in a row and lets one through to see.
func TestT16Breaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		op := authtest.New(issuer, authtest.NewKey("k1", jose.ES256))
		o := hospital(t, op, nil)
		status("/token", http.StatusBadGateway)(op)
		for range 50 {
			if _, _, err := signIn(t.Context(), o, op); outcome(err) != "unavailable" {
				t.Fatalf("outcome = %s, want unavailable", outcome(err))
			}
		}
		if n := op.Hits("/token"); n != 5 {
			t.Errorf("%d token requests, want 5", n)
		}
		op.Instead = nil
		time.Sleep(10 * time.Second)
		if _, _, err := signIn(t.Context(), o, op); err != nil {
			t.Errorf("after it came back: %v", err)
		}
	})
}

// T16: what was learnt is kept when the provider cannot say it again.
func TestT16DownAfterAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		op := authtest.New(issuer, authtest.NewKey("k1", jose.ES256))
		o := hospital(t, op, nil)
		if _, _, err := signIn(t.Context(), o, op); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		status("/.well-known/openid-configuration", 500)(op)
		if _, _, err := signIn(t.Context(), o, op); err != nil {
			t.Errorf("with what was learnt before: %v", err)
		}
	})
}

// T16 over a real network: nobody listens, a wrong certificate, a redirect
// into the site's own network, a reply without end.
func TestT16RealNetwork(t *testing.T) {
	var secret int
	inner := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { secret++ }))
	defer inner.Close()
	for name, h := range map[string]http.HandlerFunc{
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, inner.URL, http.StatusFound) },
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		},
		"cut off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte("{"))
		},
	} {
		srv := httptest.NewTLSServer(h)
		roots := rootsOf(srv)
		o := reach(t, srv.URL, func(p *auth.Provider) { p.RootCAs = roots })
		if _, _, err := o.Start(t.Context(), "hospital"); outcome(err) != "unavailable" {
			t.Errorf("%s: outcome = %s, want unavailable", name, outcome(err))
		}
		stranger := reach(t, srv.URL, nil)
		if _, _, err := stranger.Start(t.Context(), "hospital"); outcome(err) != "unavailable" {
			t.Errorf("%s, certificate of nobody: outcome = %s, want unavailable", name, outcome(err))
		}
		srv.Close()
		if _, _, err := reach(t, srv.URL, nil).Start(t.Context(), "hospital"); outcome(err) != "unavailable" {
			t.Errorf("nobody listens: outcome = %s, want unavailable", outcome(err))
		}
	}
	if secret != 0 {
		t.Error("a redirect was followed")
	}
}

// reach returns a sign-in over the real network.
func reach(t *testing.T, address string, edit func(*auth.Provider)) *auth.OIDC {
	t.Helper()
	p := auth.Provider{ID: "hospital", Name: "H", Issuer: address, ClientID: "c", ClientSecret: "s"}
	if edit != nil {
		edit(&p)
	}
	o, err := auth.New(auth.Config{Providers: []auth.Provider{p}, Callback: callback})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// The whole way over the real network, with the provider's own CA.
func TestSignInOverTLS(t *testing.T) {
	op := authtest.New("https://unknown.example", authtest.NewKey("k1", jose.ES256))
	srv := httptest.NewTLSServer(op)
	defer srv.Close()
	op.Issuer = srv.URL
	roots := rootsOf(srv)
	o := reach(t, srv.URL, func(p *auth.Provider) {
		p.ClientID, p.ClientSecret, p.RootCAs = op.ClientID, op.ClientSecret, roots
	})
	if _, _, err := signIn(t.Context(), o, op); err != nil {
		t.Error(err)
	}
	through := 0
	way := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		through++
		tunnel(t, w, r)
	}))
	defer way.Close()
	at, err := url.Parse(way.URL)
	if err != nil {
		t.Fatal(err)
	}
	led := reach(t, srv.URL, func(p *auth.Provider) {
		p.ClientID, p.ClientSecret, p.RootCAs, p.Proxy = op.ClientID, op.ClientSecret, roots, at
	})
	if _, _, err := signIn(t.Context(), led, op); err != nil || through == 0 {
		t.Errorf("through the site's proxy: %v after %d connections", err, through)
	}
	proxied := reach(t, srv.URL, func(p *auth.Provider) {
		p.RootCAs, p.Proxy = roots, &url.URL{Scheme: "http", Host: "127.0.0.1:1"}
	})
	if _, _, err := proxied.Start(t.Context(), "hospital"); outcome(err) != "unavailable" {
		t.Errorf("through a proxy that is not there: outcome = %s, want unavailable", outcome(err))
	}
}

// tunnel is an HTTP proxy (RFC 9110 §9.3.6).
func tunnel(t *testing.T, w http.ResponseWriter, r *http.Request) {
	out, err := new(net.Dialer).DialContext(r.Context(), "tcp", r.Host)
	if err != nil || r.Method != http.MethodConnect {
		t.Errorf("%s %s: %v", r.Method, r.Host, err)
		return
	}
	in, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	if _, err := io.WriteString(in, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		t.Error(err)
	}
	go func() { _, _ = io.Copy(out, buffered); _ = out.Close() }()
	go func() { _, _ = io.Copy(in, out); _ = in.Close() }()
}

func TestFinishTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoth(t, nil)
		back, tx := b.begin(t, "town")
		time.Sleep(auth.SignInLife + time.Second)
		_, _, err := b.o.Finish(t.Context(), "town", back, tx)
		if got := outcome(err); got != "transaction_expired" {
			t.Errorf("outcome = %s, want transaction_expired", got)
		}
		if b.town.Hits("/token") != 0 {
			t.Error("the code was sent")
		}
	})
}

func rootsOf(srv *httptest.Server) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(srv.Certificate())
	return pool
}
