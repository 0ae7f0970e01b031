// Package provider holds the sign-in service of the demonstration: it says
// who somebody is to the applications registered with it, as a hospital's
// own would (OpenID Connect, authorization code with PKCE).
//
// It refuses what a strict provider refuses: an address of return that is
// not registered to the letter, a code used twice, too late, by another
// client or without the verifier, a form from another site. It asks nobody
// for a password, says so, and must therefore never face anything but a
// demonstration or a test.
package provider

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"vestibule/deploy/demo/look"
)

//go:embed templates locale
var pages embed.FS

// How long things live.
const (
	tryLife     = 10 * time.Minute // a sign-in page left open
	codeLife    = 30 * time.Second // from redirect to exchange; ProConnect's figure
	tokenLife   = 5 * time.Minute
	sessionLife = 12 * time.Hour
)

// shelfSize bounds each kind of thing kept: beyond it requests are refused
// until something expires, and memory is not used up.
const shelfSize = 10_000

// textLength is how long rand.Text is: 130 bits.
const textLength = 26

// Config says for whom the provider speaks, and of whom.
type Config struct {
	// Issuer is the provider's origin: https, no path. http is taken for a
	// loopback address, for tests.
	Issuer string
	// Clients are the applications that may ask.
	Clients []Client
	// People can be chosen on the page. Default: People().
	People []Person
	// Language is spoken to a browser that asks for neither fr nor en.
	// Default fr.
	Language string
	// Outside sends the back-channel logouts. Default: 3s, no redirects.
	Outside *http.Client
	// Logger; nil discards. It is told clients, never people.
	Logger *slog.Logger
}

// Client is an application registered here.
type Client struct {
	ID string
	// Name is shown on the sign-in page. Default: ID.
	Name string
	// Secret authenticates the client (client_secret_basic or _post). Empty
	// makes a public client, for which PKCE alone stands.
	Secret string
	// RedirectURIs and PostLogoutURIs are compared to the letter.
	RedirectURIs, PostLogoutURIs []string
	// BackChannelURI is told of every session that ends. Empty: it is not.
	BackChannelURI string
	// DangerouslyWithoutPKCE lets the client leave PKCE out. For tests of
	// providers that do not know it.
	DangerouslyWithoutPKCE bool
}

// Provider answers every request to the issuer's origin.
type Provider struct {
	c       Config
	key     key
	book    *look.Book
	handler http.Handler

	mu       sync.Mutex      // guards the four below
	tries    shelf[*try]     // sign-ins and sign-outs under way, by page
	codes    shelf[*grant]   // by authorization code; a spent one stays until it expires
	tokens   shelf[access]   // by access token
	sessions shelf[*session] // by session id (sid)
}

// New checks c and makes a signing key. It does no I/O.
func New(c Config) (*Provider, error) {
	if c.People == nil {
		c.People = People()
	}
	if c.Outside == nil {
		c.Outside = &http.Client{
			Timeout:       3 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	faults := []error{checkURI("issuer", c.Issuer), checkOrigin(c.Issuer), checkPeople(c.People)}
	c.Clients = slices.Clone(c.Clients) // defaults are filled in
	for i := range c.Clients {
		faults = append(faults, checkClient(&c.Clients[i]))
	}
	book, err := look.New(look.Config{Pages: fs.FS(pages), Language: c.Language, Logger: c.Logger})
	k, keyErr := newKey()
	if err := errors.Join(append(faults, err, keyErr)...); err != nil {
		return nil, err
	}
	p := &Provider{c: c, key: k, book: book}
	p.handler = p.routes()
	return p, nil
}

func checkClient(c *Client) error {
	var faults []error
	if c.ID == "" {
		faults = append(faults, errors.New("provider: a client without ID"))
	}
	if c.Name == "" {
		c.Name = c.ID
	}
	if len(c.RedirectURIs) == 0 {
		faults = append(faults, fmt.Errorf("provider: client %s has no redirect URI", c.ID))
	}
	if c.Secret == "" && c.DangerouslyWithoutPKCE {
		faults = append(faults, fmt.Errorf("provider: client %s has neither secret nor PKCE", c.ID))
	}
	for _, u := range slices.Concat(c.RedirectURIs, c.PostLogoutURIs) {
		faults = append(faults, checkURI("client "+c.ID, u))
	}
	if c.BackChannelURI != "" {
		faults = append(faults, checkURI("client "+c.ID, c.BackChannelURI))
	}
	return errors.Join(faults...)
}

// checkURI wants an absolute https address without fragment; RFC 9700 §2.1
// allows http towards the loopback only.
func checkURI(whose, raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || strings.Contains(raw, "*") {
		return fmt.Errorf("provider: %s: %q is not an absolute address", whose, raw)
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme != "https" && (u.Scheme != "http" || ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("provider: %s: %q is not https", whose, raw)
	}
	return nil
}

func checkOrigin(issuer string) error {
	if u, err := url.Parse(issuer); err == nil && u.Scheme+"://"+u.Host != issuer {
		return fmt.Errorf("provider: issuer %q is more than an origin", issuer)
	}
	return nil
}

func (p *Provider) routes() http.Handler {
	own := http.NewCrossOriginProtection() // forms of our own pages
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.home)
	mux.HandleFunc("GET /.well-known/openid-configuration", p.discovery)
	mux.HandleFunc("GET /jwks", p.jwks)
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /authorize", p.authorize)
	mux.Handle("POST /login", own.Handler(http.HandlerFunc(p.login)))
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("GET /userinfo", p.userinfo)
	mux.HandleFunc("POST /userinfo", p.userinfo)
	mux.HandleFunc("GET /logout", p.logout)
	mux.HandleFunc("POST /logout", p.logout)
	mux.Handle("POST /leave", own.Handler(http.HandlerFunc(p.leave)))
	mux.Handle("GET /static/", look.Static())
	return mux
}

// ServeHTTP answers r.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	p.handler.ServeHTTP(w, r)
}

// client finds a registered client.
func (p *Provider) client(id string) *Client {
	for i := range p.c.Clients {
		if p.c.Clients[i].ID == id {
			return &p.c.Clients[i]
		}
	}
	return nil
}

// refused is the page for a request that cannot be answered to the
// application, because it is not known which one asks or where it lives.
func (p *Provider) refused(w http.ResponseWriter, r *http.Request, status int, why string) {
	p.c.Logger.InfoContext(r.Context(), "request refused", slog.String("reason", why))
	p.book.Write(w, r, status, "refused", why)
}

// browser returns the secret that ties a page to the browser it was shown
// in, and gives it one if it has none: a form carried to another browser is
// worth nothing there.
func browser(w http.ResponseWriter, r *http.Request) string {
	if c, err := r.Cookie("__Host-browser"); err == nil && len(c.Value) == textLength {
		return c.Value
	}
	v := rand.Text()
	http.SetCookie(w, secure("__Host-browser", v))
	return v
}

func secure(name, value string) *http.Cookie {
	return &http.Cookie{Name: name, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}

// one reads parameters that may each stand once (RFC 6749 §3.1) and reports
// whether all do.
func one(from url.Values) (func(string) string, bool) {
	for _, v := range from {
		if len(v) > 1 {
			return from.Get, false
		}
	}
	return from.Get, true
}

// detached lets work outlive the browser's patience, for a while.
func detached(r *http.Request, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(r.Context()), d)
}
