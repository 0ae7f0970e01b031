package gateway_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// record is every answer a site gave in a test.
type record struct {
	mu      sync.Mutex
	said    []spoken // guarded by mu
	secrets []secret // guarded by mu
}

// spoken is one answer.
type spoken struct {
	method, url, proto string
	status             int
	header             http.Header
}

// secret is something minted in the run that must not be found where it does
// not belong.
type secret struct{ what, value string }

func (r *record) note(res *http.Response) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, spoken{res.Request.Method, res.Request.URL.String(), res.Proto, res.StatusCode, res.Header.Clone()})
	for _, c := range res.Cookies() {
		if c.Value != "" && c.Name != "__Host-lang" {
			r.secrets = append(r.secrets, secret{"cookie " + c.Name, c.Value})
		}
	}
}

func (r *record) hide(what, value string) {
	if value == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.secrets = append(r.secrets, secret{what, value})
}

func (r *record) all() ([]spoken, []secret) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.said[:len(r.said):len(r.said)], r.secrets[:len(r.secrets):len(r.secrets)]
}

// visitor is a browser without scripts.
type visitor struct {
	t      *testing.T
	s      *site
	jar    *cookiejar.Jar
	c      *http.Client // pages
	plain  *http.Client // web sockets: HTTP/1.1
	agent  string
	csrf   string
	kinds  map[string]string // how the pages seen have their forms sent, by action
	ticket string            // the last one seen
}

// answer is a response, read.
type answer struct {
	status int
	header http.Header
	body   string
	proto  string
}

// to is where an answer leads.
func (a answer) to() string {
	if to, ok := strings.CutPrefix(a.header.Get("Refresh"), "0; url="); ok {
		return to
	}
	return a.header.Get("Location")
}

// visit opens a browser that speaks HTTP/1.1.
func (s *site) visit() *visitor { return s.browser(s.t, false) }

// visit2 opens a browser that speaks HTTP/2.
func (s *site) visit2() *visitor { return s.browser(s.t, true) }

func (s *site) browser(t *testing.T, two bool) *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := func(two bool) *http.Client {
		tr := &http.Transport{
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, network, s.addr)
			},
			TLSClientConfig:   &tls.Config{RootCAs: authority().pool, MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2: two,
		}
		t.Cleanup(tr.CloseIdleConnections)
		return &http.Client{
			Transport: tr, Jar: jar,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	return &visitor{t: t, s: s, jar: jar, kinds: map[string]string{}, c: client(two), plain: client(false), agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
}

// request makes a request; a path is the door's.
func (v *visitor) request(method, to string, body io.Reader) *http.Request {
	v.t.Helper()
	if strings.HasPrefix(to, "/") {
		to = doorOrigin + to
	}
	r, err := http.NewRequestWithContext(v.t.Context(), method, to, body)
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("User-Agent", v.agent)
	return r
}

// send sends a request as it is and reads the answer.
func (v *visitor) send(r *http.Request) answer {
	v.t.Helper()
	res, err := v.c.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	v.s.seen.note(res)
	b, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	a := answer{res.StatusCode, res.Header, string(b), res.Proto}
	if m := csrfField.FindStringSubmatch(a.body); m != nil {
		v.csrf = m[1]
	}
	for _, form := range formTag.FindAllString(a.body, -1) {
		if attribute(form, "method") == "post" {
			v.kinds[attribute(form, "action")] = attribute(form, "enctype")
		}
	}
	if m := ticketField.FindStringSubmatch(a.body); m != nil {
		v.ticket = m[1]
		v.s.seen.hide("ticket", m[1])
	}
	return a
}

var (
	csrfField   = regexp.MustCompile(`name="csrf" value="([^"]+)"`)
	formTag     = regexp.MustCompile(`<form [^>]*>`)
	ticketField = regexp.MustCompile(`name="ticket" value="([^"]+)"`)
)

func (v *visitor) get(to string) answer {
	v.t.Helper()
	r := v.request(http.MethodGet, to, nil)
	r.Header.Set("Sec-Fetch-Site", "none")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	return v.send(r)
}

// post sends a form as a browser does from one of the door's pages: in the way
// that the page it was seen on says.
func (v *visitor) post(to string, form url.Values) answer {
	v.t.Helper()
	if v.csrf == "" {
		v.get("/")
	}
	if form == nil {
		form = url.Values{}
	}
	if form.Get("csrf") == "" {
		form.Set("csrf", v.csrf)
	}
	if form.Get("attempt") == "" {
		form.Set("attempt", rand.Text())
	}
	if v.kinds[to] == "multipart/form-data" {
		return v.send(v.parts(to, form, ""))
	}
	return v.send(v.form(to, form))
}

// parts is a form in parts, with a file of a list; empty: none was chosen.
func (v *visitor) parts(to string, form url.Values, list string) *http.Request {
	v.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for name, values := range form {
		for _, value := range values {
			if err := w.WriteField(name, value); err != nil {
				v.t.Fatal(err)
			}
		}
	}
	name := ""
	if list != "" {
		name = "liste.csv"
	}
	f, err := w.CreateFormFile("list", name)
	if err != nil {
		v.t.Fatal(err)
	}
	if _, err := f.Write([]byte(list)); err != nil {
		v.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		v.t.Fatal(err)
	}
	r := v.form(to, nil)
	r.Body, r.ContentLength = io.NopCloser(&b), int64(b.Len())
	r.Header.Set("Content-Type", w.FormDataContentType())
	return r
}

// form is a form as sent by the door's own page.
func (v *visitor) form(to string, form url.Values) *http.Request {
	v.t.Helper()
	r := v.request(http.MethodPost, to, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", doorOrigin)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return r
}

// cookie answers the value of a cookie for an origin.
func (v *visitor) cookie(origin, name string) string {
	u, err := url.Parse(origin)
	if err != nil {
		v.t.Fatal(err)
	}
	for _, c := range v.jar.Cookies(u) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// plant puts a cookie into the browser.
func (v *visitor) plant(origin, name, value string) {
	u, err := url.Parse(origin)
	if err != nil {
		v.t.Fatal(err)
	}
	v.jar.SetCookies(u, []*http.Cookie{{Name: name, Value: value, Path: "/", Secure: true}})
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("not within 10 s: %s", what)
}

// want fails unless the answer has the status.
func (v *visitor) want(a answer, status int, doing string) answer {
	v.t.Helper()
	if a.status != status {
		v.t.Fatalf("%s = %d, want %d\n%s", doing, a.status, status, head(a.body))
	}
	return a
}

func head(s string) string { return s[:min(len(s), 600)] }
