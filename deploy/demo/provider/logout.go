package provider

import (
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// logout is RP-Initiated Logout 1.0 §2: an application sends the browser
// here to end the session everywhere.
func (p *Provider) logout(w http.ResponseWriter, r *http.Request) {
	if r.ParseForm() != nil {
		p.refused(w, r, http.StatusBadRequest, "malformed")
		return
	}
	params := r.URL.Query()
	if r.Method == http.MethodPost {
		params = r.PostForm
	}
	get, once := one(params)
	if !once {
		p.refused(w, r, http.StatusBadRequest, "malformed")
		return
	}
	known, back, why := p.leaving(get)
	if why != "" {
		p.refused(w, r, http.StatusBadRequest, why)
		return
	}
	p.mu.Lock()
	here := p.here(r, time.Now())
	p.mu.Unlock()
	switch {
	case here == nil && known.Session == "", // nobody to sign out
		known.Session != "" && (here == nil || here.id == known.Session):
		p.end(w, r, known.Session, back)
	default:
		// No hint, or one of another session: somebody else's page may have
		// sent the browser here, so the person is asked (§6).
		p.confirm(w, r, here, back)
	}
}

// leaving reads a logout request: whose it is, and where to go afterwards.
// The address must be one the client registered, and the client must be
// named by a token of ours or at least by its ID.
func (p *Provider) leaving(get func(string) string) (known hint, back, why string) {
	id := get("client_id")
	if raw := get("id_token_hint"); raw != "" {
		var err error
		if known, err = p.key.read(raw); err != nil || known.Issuer != p.c.Issuer || id != "" && id != known.Audience {
			return hint{}, "", "hint"
		}
		id = known.Audience
	}
	uri := get("post_logout_redirect_uri")
	if uri == "" {
		return known, "", ""
	}
	c := p.client(id)
	if c == nil || !c.allowed(uri) {
		return hint{}, "", "redirect"
	}
	if s := get("state"); s != "" {
		u, _ := url.Parse(uri) // checked by New
		q := u.Query()
		q.Set("state", s)
		u.RawQuery = q.Encode()
		uri = u.String()
	}
	return known, uri, ""
}

// leavePage asks whether to sign out.
type leavePage struct {
	Try  string
	Here *Person
}

func (p *Provider) confirm(w http.ResponseWriter, r *http.Request, here *session, back string) {
	now, id := time.Now(), rand.Text()
	t := &try{browser: browser(w, r), session: here.id, back: back}
	p.mu.Lock()
	room := p.tries.put(id, t, now.Add(tryLife), now)
	p.mu.Unlock()
	if !room {
		p.refused(w, r, http.StatusServiceUnavailable, "late")
		return
	}
	var targets []string
	if u, err := url.Parse(back); err == nil && back != "" {
		targets = []string{u.Scheme + "://" + u.Host}
	}
	p.book.Write(w, r, http.StatusOK, "leave", leavePage{id, here.person}, targets...)
}

// leave takes the answer to confirm, or the sign-out button of the first
// page, which has no try.
func (p *Provider) leave(w http.ResponseWriter, r *http.Request) {
	if r.ParseForm() != nil {
		p.refused(w, r, http.StatusBadRequest, "malformed")
		return
	}
	now, id := time.Now(), r.PostForm.Get("try")
	p.mu.Lock()
	t, ok := p.tries.take(id, now)
	here := p.here(r, now)
	p.mu.Unlock()
	switch {
	case id == "" && here != nil:
		p.end(w, r, here.id, "")
	case ok && t.session != "" && same(t.browser, browser(w, r)):
		p.end(w, r, t.session, t.back)
	default:
		p.refused(w, r, http.StatusBadRequest, "late")
	}
}

// end ends the session sid, if it still lives, tells every application that
// knew of it, and then lets the browser go on.
func (p *Provider) end(w http.ResponseWriter, r *http.Request, sid, back string) {
	p.mu.Lock()
	s, ok := p.sessions.take(sid, time.Now())
	var told []*Client
	if ok {
		p.tokens.drop(func(a access) bool { return a.sid == sid })
		for id := range s.clients {
			told = append(told, p.client(id))
		}
	}
	p.mu.Unlock()
	if ok {
		p.tell(r, s, told)
	}
	gone := secure(signedIn, "")
	gone.MaxAge = -1
	http.SetCookie(w, gone)
	if back == "" {
		p.book.Write(w, r, http.StatusOK, "left", nil)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, back, http.StatusSeeOther)
}

// tell posts a logout token to each client that registered for it
// (Back-Channel Logout 1.0 §2.5), all at once, and waits: what the browser
// sees next is then true.
func (p *Provider) tell(r *http.Request, s *session, clients []*Client) {
	ctx, cancel := detached(r, 3*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, c := range clients {
		if c.BackChannelURI == "" {
			continue
		}
		wg.Go(func() {
			now := time.Now()
			token, err := p.key.sign("logout+jwt", map[string]any{
				"iss": p.c.Issuer, "aud": c.ID, "sub": s.person.Subject, "sid": s.id, "jti": rand.Text(),
				"iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(),
				"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": struct{}{}},
			})
			if err != nil {
				p.c.Logger.ErrorContext(ctx, "signing a logout token", slog.Any("error", err))
				return
			}
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.BackChannelURI, strings.NewReader(url.Values{"logout_token": {token}}.Encode()))
			if err != nil {
				p.c.Logger.ErrorContext(ctx, "telling a client of a logout", slog.Any("error", err))
				return
			}
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			res, err := p.c.Outside.Do(req)
			if err != nil {
				p.c.Logger.WarnContext(ctx, "client not told of a logout", slog.String("client", c.ID), slog.Any("error", err))
				return
			}
			_ = res.Body.Close()
			p.c.Logger.InfoContext(ctx, "client told of a logout", slog.String("client", c.ID), slog.Int("status", res.StatusCode))
		})
	}
}
