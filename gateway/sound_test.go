package gateway_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// sound checks, at the end of every test, what must hold for everything the
// site ever said: T19, T20, T22, T23, T68.
func (s *site) sound() {
	said, secrets := s.seen.all()
	for i := range said {
		cookiesSound(s.t, &said[i])
		redirectSound(s.t, &said[i])
		headersSound(s.t, &said[i])
	}
	s.secretsSound(said, secrets)
	s.valve.odd.Range(func(w, _ any) bool {
		s.t.Errorf("the store was asked for %q, which is no name of ours", w)
		return true
	})
	for line := range strings.Lines(s.log.String()) {
		if !json.Valid([]byte(line)) {
			s.t.Errorf("a log line is not one JSON value: %q", head(line))
		}
		if strings.ContainsAny(strings.TrimSuffix(line, "\n"), "\r\n\x1b\u2028\u2029\u0085") {
			s.t.Errorf("a log line holds what may break it: %q", head(line))
		}
	}
}

// cookiesSound is T22.
func cookiesSound(t *testing.T, a *spoken) {
	for _, line := range a.header["Set-Cookie"] {
		c, err := http.ParseSetCookie(line)
		if err != nil {
			t.Errorf("T22: %s %s sets %q: %v", a.method, a.url, line, err)
			continue
		}
		bad := func(is bool, what string) {
			if is {
				t.Errorf("T22: %s %s sets cookie %s %s", a.method, a.url, c.Name, what)
			}
		}
		bad(!strings.HasPrefix(c.Name, "__Host-"), "without the prefix __Host-")
		bad(!c.Secure, "without Secure")
		bad(!c.HttpOnly, "without HttpOnly")
		bad(c.SameSite != http.SameSiteLaxMode && c.SameSite != http.SameSiteStrictMode, "without SameSite")
		bad(c.Path != "/", "with another path than /")
		bad(c.Domain != "", "with a Domain")
		bad(strings.HasPrefix(a.url, roomOrigin) != (c.Name == "__Host-room"), "on the wrong origin")
	}
}

// redirectSound is T19.
func redirectSound(t *testing.T, a *spoken) {
	l := answer{header: a.header}.to()
	if l == "" {
		return
	}
	base, err := url.Parse(a.url)
	if err != nil {
		t.Errorf("T19: %v", err)
		return
	}
	u, err := base.Parse(l)
	if err != nil || strings.ContainsAny(l, "\\\t\r\n") {
		t.Errorf("T19: %s %s leads to %q: %v", a.method, a.url, l, err)
		return
	}
	switch u.Scheme + "://" + u.Host {
	case doorOrigin, roomOrigin, issuer:
	default:
		t.Errorf("T19: %s %s leads to %q", a.method, a.url, l)
	}
}

// headersSound is what T20 asks of headers, and what else protects a page.
func headersSound(t *testing.T, a *spoken) {
	if a.status == http.StatusSwitchingProtocols {
		return
	}
	want := map[string]string{
		"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Cross-Origin-Opener-Policy": "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin", "X-Robots-Tag": "noindex, nofollow",
	}
	for name, value := range want {
		if got := a.header[name]; len(got) != 1 || got[0] != value {
			t.Errorf("%s %s (%d): %s = %q, want %q", a.method, a.url, a.status, name, got, value)
		}
	}
	csp := a.header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action "} {
		if !strings.Contains(csp, part) {
			t.Errorf("%s %s (%d): Content-Security-Policy %q lacks %q", a.method, a.url, a.status, csp, part)
		}
	}
	if strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") {
		t.Errorf("%s %s: Content-Security-Policy %q is loose", a.method, a.url, csp)
	}
	if !strings.HasPrefix(a.header.Get("Strict-Transport-Security"), "max-age=31536000") {
		t.Errorf("%s %s (%d): no Strict-Transport-Security", a.method, a.url, a.status)
	}
	switch a.header.Get("Referrer-Policy") {
	case "same-origin", "no-referrer", "strict-origin":
	default:
		t.Errorf("%s %s (%d): Referrer-Policy = %q", a.method, a.url, a.status, a.header["Referrer-Policy"])
	}
	for name := range a.header {
		if strings.HasPrefix(name, "Access-Control-") || name == "Server" || name == "X-Powered-By" {
			t.Errorf("%s %s: header %s is told", a.method, a.url, name)
		}
	}
}

var stamps = regexp.MustCompile(`"time":"[^"]*"`)

// secretsSound is T23: nothing minted in the run stands in a log line, in an
// address that a browser keeps, or in what the conference server is sent. A
// personal link is the address of its own pages and stands there only; what
// OpenID Connect carries by the browser goes to the provider only.
func (s *site) secretsSound(said []spoken, secrets []secret) {
	logged := stamps.ReplaceAllString(s.log.String(), "") // six digits of a clock are no code
	if s.fake != nil {
		for _, r := range s.fake.Requests() {
			token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
			secrets = append(secrets, secret{"conference token", token})
		}
	}
	for _, x := range secrets {
		if x.value == "" {
			continue
		}
		if strings.Contains(logged, x.value) {
			s.t.Errorf("T23: %s is in the log", x.what)
		}
		for i := range said {
			l := said[i].header.Get("Location")
			if strings.Contains(l, x.value) && x.what != "link" && !strings.HasPrefix(l, issuer) {
				s.t.Errorf("T23: %s is in the Location of %s", x.what, said[i].method)
			}
		}
		if s.fake == nil {
			continue
		}
		for _, r := range s.fake.Requests() {
			if strings.Contains(r.URL.String(), x.value) {
				s.t.Errorf("T23: %s is in an address at the conference server", x.what)
			}
			for name, vs := range r.Header {
				if (name != "Authorization" || x.what != "conference token") && strings.Contains(strings.Join(vs, " "), x.value) {
					s.t.Errorf("T23: %s is in the header %s at the conference server", x.what, name)
				}
			}
		}
	}
}
