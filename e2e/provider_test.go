package e2e_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"vestibule/store/storetest"
)

// certified is npm's oidc-provider, in a process of its own.
type certified struct {
	issuer string
	log    *output
}

// openCertified starts the provider for a door at the address, which proves
// itself with the public key or the secret.
func openCertified(t *testing.T, door string, cert, key []byte, client jose.JSONWebKey, secret string) (c certified) {
	t.Helper()
	if _, err := os.Stat("provider/node_modules/oidc-provider/package.json"); err != nil {
		t.Fatal("the provider is not installed: make op (npm ci in e2e/provider)")
	}
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("node is missing: apt-get install nodejs")
	}
	settings, err := json.Marshal(map[string]any{
		"door": door, "ca": string(cert), "cert": string(cert), "key": string(key), "client": client, "secret": secret,
	})
	if err != nil {
		t.Fatal(err)
	}
	c.log = &output{}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), node, "provider/provider.mjs")
	cmd.Stdin, cmd.Stderr = strings.NewReader(string(settings)+"\n"), c.log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewScanner(out)
	ready := make(chan string, 1)
	ended := make(chan struct{})
	go func() {
		if said.Scan() {
			ready <- said.Text()
		}
		for said.Scan() {
			continue
		}
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("the provider said:\n%s", c.log)
		}
	})
	var told struct{ Issuer string }
	select {
	case line := <-ready:
		if err := json.Unmarshal([]byte(line), &told); err != nil {
			t.Fatal(err)
		}
	case <-ended:
		t.Fatalf("the provider did not start:\n%s", c.log)
	case <-time.After(time.Minute):
		t.Fatalf("the provider did not start within a minute:\n%s", c.log)
	}
	c.issuer = told.Issuer
	return c
}

// street is a client that finds the door and the provider by their names.
func street(t *testing.T, s site, c certified) *http.Client {
	t.Helper()
	u, err := url.Parse(c.issuer)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: s.roots, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			to := s.https
			if strings.HasSuffix(address, ":"+u.Port()) {
				to = "127.0.0.1:" + u.Port()
			}
			return new(net.Dialer).DialContext(ctx, network, to)
		},
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// certifiedSite is the product in front of the certified provider, which it
// knows twice: by a key, and strictly, by a secret.
func certifiedSite(t *testing.T) (s site, door string, c certified, client *http.Client) {
	t.Helper()
	s = newSite(t, storetest.Redis(t))
	_, port, _ := net.SplitHostPort(s.https)
	door = "https://visio.test:" + port
	dir := filepath.Dir(s.config)
	cert, err := os.ReadFile(filepath.Join(dir, "cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.ReadFile(filepath.Join(dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	secret := rand.Text() + rand.Text()
	public := jose.JSONWebKey{Key: key.Public(), KeyID: "door-1", Algorithm: "ES256", Use: "sig"}
	c = openCertified(t, door, cert, own, public, secret)
	for name, text := range map[string][]byte{
		"client.pem": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), "client-secret": []byte(secret),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.add(t, fmt.Sprintf(`
providers:
  - id: key
    name: Certifié
    issuer: %[1]s
    client_id: door-by-key
    client_key: file:%[2]s/client.pem
    client_key_id: door-1
    pkce: "on"
    claims: '{"id_token":{"acr":null,"amr":null}}'
    claims_from: userinfo
    claim_map: {organisation: organization}
    member: {claim: email, values: ["@hospital.example"]}
    ca_file: %[2]s/cert.pem
    logout: [rp, backchannel]
  - id: strict
    name: Strict
    issuer: %[1]s
    client_id: door-strict
    client_secret: file:%[2]s/client-secret
    claims: '{"id_token":{"amr":null}}'
    acr: [eidas2]
    amr: [mfa]
    max_age: 1h
    member: {claim: email, values: ["@hospital.example"]}
    ca_file: %[2]s/cert.pem
`, c.issuer, dir))
	s.serve(t)
	return s, door, c, street(t, s, c)
}

// add appends to the configuration.
func (s site) add(t *testing.T, text string) {
	t.Helper()
	b, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.config, append(b, text...), 0o600); err != nil {
		t.Fatal(err)
	}
}

// signsInAs presses a button of the provider's page.
func (v *visitor) signsInAs(who string) *visitor {
	v.t.Helper()
	v.want(http.StatusOK, "Who are you?")
	f := v.forms[0]
	f.Values.Set("as", who)
	return v.post(f)
}

var personalLink = regexp.MustCompile(`https://visio\.test:\d+/i/[A-Za-z0-9_-]+`)

// TestT13CertifiedProvider goes the whole way at a provider of other people's
// making: code flow with PKCE, a client proved by its key, signed userinfo, the
// issuer in the answer (RFC 9207), and what the host reads of it.
func TestT13CertifiedProvider(t *testing.T) {
	t.Parallel()
	_, door, _, client := certifiedSite(t)
	host := newVisitor(t, client)
	host.open(door+"/").submit("/signin", one("provider", "key")).signsInAs("ada card")
	host.want(http.StatusOK, "")
	if host.at.Path != "/meetings" {
		t.Fatalf("signing in leads to %s %d: %s", host.at.Path, host.code, host.words())
	}
	now := time.Now().UTC().Add(time.Minute)
	host.open(door+"/meetings/new").submit("/meetings", url.Values{
		"title": {"Consultation"}, "date": {now.Format(time.DateOnly)}, "start": {now.Format("15:04")}, "duration": {"60"},
		"zone": {"UTC"}, "lang": {"en"}, "invitees": {"E. D. <eve@elsewhere.example>"},
	})
	link := personalLink.FindString(host.text)
	console := strings.TrimSuffix(host.at.String(), "/created")

	guest := newVisitor(t, client)
	guest.open(link).submit("/signin", one("provider", "key")).signsInAs("eve password").knocks("E. D.")
	guest.admission()
	host.open(console)
	for _, says := range []string{
		"Identity verified by Certifié, Mairie de Toulouse", "Eve Durand", "Assurance level: low (eIDAS)", "Signed in with: a password",
	} {
		host.want(http.StatusOK, says)
	}
}

// TestT13CertifiedProviderStrict asks for a level and two factors. What comes back
// is checked: a password is not enough, a card is.
func TestT13CertifiedProviderStrict(t *testing.T) {
	t.Parallel()
	_, door, _, client := certifiedSite(t)
	weak := newVisitor(t, client)
	weak.open(door+"/").submit("/signin", one("provider", "strict")).signsInAs("ada password")
	if weak.code != http.StatusForbidden || weak.at.Path != "/oidc/callback/strict" {
		t.Errorf("a password leads to %v: %s", weak, weak.words())
	}
	strong := newVisitor(t, client)
	strong.open(door+"/").submit("/signin", one("provider", "strict")).signsInAs("ada card").want(http.StatusOK, "Ada Martin")
}

// TestT15CertifiedProviderEnds changes the keys while people are signed in, and
// signs out from either side.
func TestT15CertifiedProviderEnds(t *testing.T) {
	t.Parallel()
	_, door, c, client := certifiedSite(t)
	signIn := func() *visitor {
		v := newVisitor(t, client)
		v.open(door+"/").submit("/signin", one("provider", "key")).signsInAs("ada card").want(http.StatusOK, "Ada Martin")
		return v
	}
	before := signIn()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.issuer+"/-/rotate", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	after, there := signIn(), signIn()

	// Signing out there ends the sign-in here, of that browser alone.
	there.open(strings.Replace(c.issuer, "localhost", "login.test", 1) + "/session/end").leaves()
	there.open(door+"/meetings").want(http.StatusUnauthorized, "")
	before.open(door+"/meetings").want(http.StatusOK, "Ada Martin")

	// Signing out here signs out there, with the ID token of then as a hint.
	for kid, v := range map[string]*visitor{"op-1": before, "op-2": after} {
		v.open(door+"/meetings").submit("/signout", nil)
		there := v.form("/session/end")
		if got := keyOf(t, there.Values.Get("id_token_hint")); !strings.Contains(there.Action, "//login.test") || got != kid {
			t.Fatalf("signing out leads to %s with a hint signed by %q, want %q", there.Action, got, kid)
		}
		if v.post(there); v.at.RawQuery != "" {
			t.Errorf("the address there holds %d characters", len(v.at.RawQuery))
		}
		v.leaves()
		if v.at.String() != door+"/" || v.code != http.StatusOK {
			t.Errorf("after signing out there: %v: %s", v, v.words())
		}
		v.submit("/signin", one("provider", "key")).want(http.StatusOK, "Who are you?")
	}
}

// TestSignInPageOnAnotherHost has a browser follow where the door leads: a
// browser that comes from a form goes on to no host that the form's page did not
// name (CSP form-action), and nobody knows all hosts on the way through a
// provider.
func TestSignInPageOnAnotherHost(t *testing.T) {
	t.Parallel()
	s, door, _, _ := certifiedSite(t)
	p := newPerson(t, &house{CA: filepath.Join(filepath.Dir(s.config), "cert.pem")}, "ada", "en")
	p.at(door + "/")
	p.press(`button[value="key"]`, `location.hostname == "login.test" && document.querySelector("h1")?.innerText == "Who are you?"`)
	p.press(`button[value="ada card"]`, `location.pathname == "/meetings" && document.body.innerText.includes("Ada Martin")`)
	p.press(`form[action="/signout"] button`, `location.hostname == "login.test" && document.querySelector("button[name=logout]")`)
	p.press(`button[name=logout]`, `location.hostname == "visio.test" && location.pathname == "/" && document.querySelector("button[value=key]")`)
}

// leaves says yes to the provider's question.
func (v *visitor) leaves() {
	v.t.Helper()
	v.want(http.StatusOK, "Do you want to sign-out")
	f := v.forms[0]
	f.Values.Set("logout", "yes")
	v.post(f)
}

// keyOf is the id of the key that signed a token.
func keyOf(t *testing.T, token string) string {
	t.Helper()
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	return jws.Signatures[0].Header.KeyID
}
