package gateway_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/google/go-cmp/cmp"
)

// claims are headers by which servers and frameworks learn who somebody is and
// where they come from.
func claims() []string {
	return []string{
		"X-Forwarded-User", "X_Forwarded_User", "X-FORWARDED_user", "X-Forwarded-For", "X_Forwarded_For", "X-Forwarded-Host", "X-Forwarded-Proto",
		"X-Forwarded-Email", "X-Forwarded-Groups", "X-Forwarded-Access-Token", "X-Forwarded-Preferred-Username", "X-Forwarded", "Forwarded", "Forwarded-For",
		"Remote-User", "REMOTE_USER", "Remote-Groups", "X-Remote-User", "X-Remote-Group", "X-WebAuth-User", "X-Auth-User", "X-Auth-Request-User",
		"X-Auth-Request-Email", "X-Authenticated-User", "X-User", "X-User-Id", "User-Id", "User_Id", "Meeting-Id", "Voice-Bridge", "User-Name",
		"X-Real-IP", "X_Real_Ip", "True-Client-IP", "CF-Connecting-IP", "Cf_Connecting_Ip", "Fastly-Client-IP", "X-Client-IP", "Client-IP", "X-Cluster-Client-IP",
		"X-Originating-IP", "X-Remote-Addr", "X-ProxyUser-Ip", "X-Original-URL", "X-Rewrite-URL", "X-Original-Host", "X-Host", "X-HTTP-Method-Override", "X-Method-Override",
		"X-Amzn-Oidc-Identity", "X-Goog-Authenticated-User-Email", "X-Ms-Client-Principal", "Tailscale-User-Login", "X-SSL-Client-Cert", "X-Client-Cert", "Ssl-Client-Verify",
		"Vestibule-Assertion", "vestibule-assertion", "VESTIBULE-ASSERTION", "Vestibule_Assertion", "VESTIBULE_ASSERTION", "vestibule_Assertion", "Vestibule-Assertion-", "Vestibule--Assertion", "Vestibule.Assertion", "X-Vestibule-Assertion",
		"Authorization", "Proxy-Authorization", "X-Access-Token", "Cookie", "Referer", "Origin", "Via", "X-Request-Id", "Traceparent", "Expect-Ct", "Destination", "X-Middleware-Subrequest",
	}
}

// asserted takes the assertion out of what the conference server was told,
// under whatever spelling, and checks it as a backend would.
func (s *site) asserted(t *testing.T, v *oidc.IDTokenVerifier, h http.Header, admission string) http.Header {
	t.Helper()
	rest := http.Header{}
	var tokens []string
	for name, vs := range h {
		if strings.ReplaceAll(strings.ToLower(name), "_", "-") == "vestibule-assertion" {
			tokens = append(tokens, vs...)
			continue
		}
		rest[name] = vs
	}
	if len(tokens) != 1 {
		t.Errorf("the conference server is told %d assertions: %q", len(tokens), tokens)
		return rest
	}
	id, err := v.Verify(t.Context(), tokens[0])
	if err != nil {
		t.Errorf("the assertion: %v", err)
		return rest
	}
	var said struct{ Sub, JTI, Room, Name, Role, Email string }
	if err := id.Claims(&said); err != nil {
		t.Fatal(err)
	}
	if said.Sub != admission || said.JTI != admission || said.Role != "host" || said.Room == "" || said.Name == "" || said.Email != "" {
		t.Errorf("the assertion says %+v", said)
	}
	return rest
}

// verifier checks assertions with the keys that the door publishes.
func (s *site) verifier(t *testing.T) *oidc.IDTokenVerifier {
	t.Helper()
	v := s.visit()
	keys := oidc.NewRemoteKeySet(oidc.ClientContext(t.Context(), v.c), doorOrigin+"/.well-known/jwks.json")
	return oidc.NewVerifier(doorOrigin, keys, &oidc.Config{ClientID: roomOrigin, SupportedSigningAlgs: []string{oidc.ES256}})
}

// TestT26OnlyOursIsSaid spells identities in every way, by HTTP/1.1 and HTTP/2,
// names our own headers in Connection and brings trailers.
func TestT26OnlyOursIsSaid(t *testing.T) {
	t.Parallel()
	e, s, h, admission := echoing(t, nil)
	verifier := s.verifier(t)
	pass := h.cookie(roomOrigin, "__Host-room")
	want := http.Header{
		"Authorization": {"Bearer " + admission}, "User-Agent": {h.agent}, "X-Forwarded-For": {"127.0.0.1"},
		"X-Forwarded-Host": {"room.example"}, "X-Forwarded-Proto": {"https"}, "Accept": {"*/*"}, "Accept-Encoding": {"gzip"},
	}
	check := func(what string) {
		t.Helper()
		last := e.last()
		if d := cmp.Diff(want, s.asserted(t, verifier, last.Header, admission)); d != "" || len(last.Trailer) > 0 {
			t.Errorf("%s, trailers %v (-want +got):\n%s", what, last.Trailer, d)
		}
	}
	for _, two := range []bool{false, true} {
		v := s.browser(t, two)
		v.plant(roomOrigin, "__Host-room", pass)
		bare := func(method string, body io.Reader) *http.Request {
			r := v.request(method, roomOrigin+"/app/x", body)
			r.Header.Set("Accept", "*/*")
			return r
		}
		for _, name := range claims() {
			r := bare(http.MethodGet, nil)
			r.Header[name] = append(r.Header[name], "mallory")
			v.want(v.send(r), http.StatusOK, name)
			check(name)
		}
		r := bare(http.MethodPost, io.MultiReader(strings.NewReader("x"))) // chunked
		r.Trailer = http.Header{"X-Forwarded-User": {"mallory"}, "X-Real-Ip": {"6.6.6.6"}, "Vestibule-Assertion": {"mallory"}}
		v.want(v.send(r), http.StatusOK, "trailers")
		check("trailers")
	}
	for _, token := range []string{
		"Authorization", "X-Forwarded-For, Authorization", "close, x-forwarded-host", "X-Forwarded-Proto, keep-alive, TE", "Vestibule-Assertion", "vestibule-assertion, Authorization, X-Forwarded-For",
	} {
		s.raw(t, "GET /app/x HTTP/1.1\r\nHost: room.example\r\nAccept: */*\r\nAccept-Encoding: gzip\r\nUser-Agent: "+h.agent+"\r\nCookie: __Host-room="+pass+
			"\r\nX-Forwarded-For: 6.6.6.6\r\nAuthorization: mallory\r\nVestibule-Assertion: mallory\r\nConnection: close\r\nConnection: "+token+"\r\n\r\n")
		check("Connection: " + token)
	}
	if n := len(claims()); n < 40 {
		t.Errorf("%d spellings", n)
	}
}

// TestT26NoAssertionOutside: the door says who somebody is inwards only.
func TestT26NoAssertionOutside(t *testing.T) {
	t.Parallel()
	e, _, h, _ := echoing(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vestibule-Assertion", r.Header.Get("Vestibule-Assertion"))
	})
	a := h.want(h.get(roomOrigin+"/app/x"), http.StatusOK, "a page")
	if e.last().Header.Get("Vestibule-Assertion") == "" {
		t.Fatal("the conference server is told no assertion")
	}
	if got := a.header["Vestibule-Assertion"]; got != nil {
		t.Errorf("a server that echoes gives the browser %q", got)
	}
}
