package provider

import (
	"crypto/rand"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// try is a sign-in under way: what an application asked for, and the browser
// it was asked in. For a sign-out, session is set instead of client.
type try struct {
	browser   string
	client    *Client
	redirect  string
	state     string
	nonce     string
	challenge string // PKCE, S256; empty where the client may leave it out
	scopes    []string
	prompts   []string
	maxAge    time.Duration // below zero: not asked for

	session string // to be ended
	back    string // where to go once it is
}

// authorize shows the sign-in page, or answers without one (prompt=none).
// OpenID Connect Core §3.1.2.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	if r.ParseForm() != nil {
		p.refused(w, r, http.StatusBadRequest, "malformed")
		return
	}
	params := r.URL.Query()
	if r.Method == http.MethodPost {
		params = r.PostForm
	}
	// Who asks and where the answer goes come first: until both are sure,
	// nothing may be redirected (RFC 6749 §4.1.2.1).
	get, once := one(params)
	c := p.client(get("client_id"))
	if c == nil || len(params["client_id"]) > 1 {
		p.refused(w, r, http.StatusBadRequest, "client")
		return
	}
	if !slices.Contains(c.RedirectURIs, get("redirect_uri")) || len(params["redirect_uri"]) > 1 {
		p.refused(w, r, http.StatusBadRequest, "redirect")
		return
	}
	t := &try{client: c, redirect: get("redirect_uri"), state: get("state"), nonce: get("nonce")}
	if !once {
		p.answer(w, r, t, "error", "invalid_request")
		return
	}
	if fault := t.read(get); fault != "" {
		p.c.Logger.InfoContext(r.Context(), "authorization refused", slog.String("client", c.ID), slog.String("reason", fault))
		p.answer(w, r, t, "error", fault)
		return
	}
	if slices.Contains(t.prompts, "none") {
		p.silent(w, r, t)
		return
	}
	p.ask(w, r, t)
}

// read takes in the rest of a request whose sender is known and returns the
// error code to send back, if any.
func (t *try) read(get func(string) string) string {
	switch {
	case get("request") != "":
		return "request_not_supported"
	case get("request_uri") != "":
		return "request_uri_not_supported"
	case get("response_type") == "":
		return "invalid_request"
	case get("response_type") != "code":
		return "unsupported_response_type"
	case get("response_mode") != "" && get("response_mode") != "query":
		return "invalid_request"
	}
	t.scopes = strings.Fields(get("scope"))
	if !slices.Contains(t.scopes, "openid") {
		return "invalid_scope"
	}
	t.maxAge = -1
	if raw := get("max_age"); raw != "" {
		n, err := strconv.ParseUint(raw, 10, 31)
		if err != nil {
			return "invalid_request"
		}
		t.maxAge = time.Duration(n) * time.Second
	}
	t.prompts = strings.Fields(get("prompt"))
	for _, known := range t.prompts {
		if !slices.Contains([]string{"none", "login", "consent", "select_account"}, known) || known == "none" && len(t.prompts) > 1 {
			return "invalid_request"
		}
	}
	return t.readPKCE(get("code_challenge"), get("code_challenge_method"))
}

// readPKCE is RFC 7636 §4.4.1; "plain", which a missing method means, is not
// taken.
func (t *try) readPKCE(challenge, method string) string {
	if challenge == "" && method == "" && t.client.DangerouslyWithoutPKCE {
		return ""
	}
	if b, err := base64.RawURLEncoding.Strict().DecodeString(challenge); err != nil || len(b) != 32 || method != "S256" {
		return "invalid_request"
	}
	t.challenge = challenge
	return ""
}

// signIn is the sign-in page.
type signIn struct {
	Client, Try string
	People      []choice
}

// choice is one of the people on the page.
type choice struct {
	Person

	Here   bool // signed in, in this browser
	Strong bool // proves with more than a password
}

// ask shows the people to choose from. It does so even to a browser that is
// signed in: whoever tries the demonstration plays several people, and each
// choice is a sign-in of its own, as prompt=login or an old max_age want.
func (p *Provider) ask(w http.ResponseWriter, r *http.Request, t *try) {
	t.browser = browser(w, r)
	now, id := time.Now(), rand.Text()
	p.mu.Lock()
	room := p.tries.put(id, t, now.Add(tryLife), now)
	here := p.here(r, now)
	p.mu.Unlock()
	if !room {
		p.answer(w, r, t, "error", "temporarily_unavailable")
		return
	}
	// The form's answer is redirected to the application.
	back, _ := url.Parse(t.redirect) // checked by New
	p.book.Write(w, r, http.StatusOK, "login", signIn{Client: t.client.Name, Try: id, People: p.choices(here)}, back.Scheme+"://"+back.Host)
}

func (p *Provider) choices(here *session) []choice {
	out := make([]choice, 0, len(p.c.People))
	for _, someone := range p.c.People {
		out = append(out, choice{
			Person: someone,
			Here:   here != nil && here.person.Subject == someone.Subject,
			Strong: slices.Contains(someone.AMR, "mfa"),
		})
	}
	return out
}

// silent answers prompt=none: from the browser's session or not at all.
func (p *Provider) silent(w http.ResponseWriter, r *http.Request, t *try) {
	now := time.Now()
	p.mu.Lock()
	s := p.here(r, now)
	if s != nil && t.maxAge >= 0 && now.Sub(s.since) > t.maxAge {
		s = nil
	}
	var code string
	if s != nil {
		code = p.grant(t, s, now)
	}
	p.mu.Unlock()
	if s == nil {
		p.answer(w, r, t, "error", "login_required")
		return
	}
	p.answer(w, r, t, "code", code)
}

// answer sends the browser back to the application with code or error, the
// state it gave, and who answers (RFC 9207).
func (p *Provider) answer(w http.ResponseWriter, r *http.Request, t *try, key, value string) {
	if key == "code" && value == "" {
		key, value = "error", "temporarily_unavailable" // the shelf of codes is full
	}
	u, err := url.Parse(t.redirect)
	if err != nil {
		p.refused(w, r, http.StatusBadRequest, "redirect")
		return
	}
	q := u.Query()
	q.Set(key, value)
	q.Set("iss", p.c.Issuer)
	if t.state != "" {
		q.Set("state", t.state)
	}
	u.RawQuery = q.Encode()
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	http.Redirect(w, r, u.String(), http.StatusSeeOther)
}
