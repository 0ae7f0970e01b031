// Package web holds the pages a person meets at the door: what a guest reads
// from the link to the room, and what a host sees while people wait.
//
// It refuses to decide: a page is a struct that somebody else filled in. It
// asks nobody's leave, keeps nothing, and sends no word that the reader's
// language does not have.
package web

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"vestibule/web/locale"
)

// Config is what a site may change about its pages.
type Config struct {
	// Logger takes what goes wrong while a page is sent; nil discards it.
	Logger *slog.Logger
	// Lang is the language of a reader who asks for none that the door
	// speaks: "fr" (default) or "en".
	Lang string
	// ThemeDir is a folder of the site's own: theme.css, which may set the
	// custom properties of door.css, and logo.svg, logo.png or logo.webp.
	// Either may be missing. Empty: the door's own look.
	ThemeDir string
}

// Page is one of the page structs of this package.
type Page interface {
	frame() Frame
	// file is the page's template, without its ending.
	file() string
}

// Pages renders pages. It is safe for concurrent use.
type Pages struct {
	log    *slog.Logger
	lang   string
	static *static
	// sets are the compiled templates by language, then by page.
	sets map[string]map[string]*template.Template
}

// New compiles every page in every language. The only files it reads are those
// of ThemeDir, once, so that no request waits for a disk.
func New(c Config) (*Pages, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Lang == "" {
		c.Lang = locale.Langs()[0]
	}
	st, err := newStatic(c.ThemeDir)
	p := &Pages{log: c.Logger, lang: c.Lang, static: st, sets: map[string]map[string]*template.Template{}}
	faults := []error{err}
	if _, err := locale.Open(c.Lang); err != nil {
		faults = append(faults, fmt.Errorf("choosing the site's language: %w", err))
	}
	for _, lang := range locale.Langs() {
		set, err := compile(lang, st)
		faults = append(faults, err)
		p.sets[lang] = set
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return p, nil
}

// here is the path of an address, for a link to the same page, as it was asked
// for: with its slashes undone "/%2Fevil.example" would lead to another host (T19).
func here(u *url.URL) string {
	p := u.EscapedPath()
	if !strings.HasPrefix(p, "/") || strings.HasPrefix(p, "//") {
		return "/"
	}
	return p
}

// sheet is what the layout is executed with.
type sheet struct {
	Frame
	Page Page
}

// Write renders the page whole, then sends it with the status: nobody is ever
// shown half a page. Where the request asks for a language by ?lang=, the
// answer remembers it.
func (p *Pages) Write(w http.ResponseWriter, r *http.Request, status int, page Page) error {
	f := page.frame()
	if f.Lang == "" {
		f.Lang = p.Lang(r)
	}
	if f.Path == "" {
		f.Path = here(r.URL)
	}
	var b bytes.Buffer
	if err := p.render(&b, f, page); err != nil {
		return err
	}
	remember(w, r)
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", f.Lang)
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	h.Set("Cache-Control", "no-store")
	h.Add("Vary", "Accept-Language, Cookie")
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return nil
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		// The reader has gone; there is nobody left to tell.
		p.log.DebugContext(r.Context(), "page not taken", slog.String("page", page.file()))
	}
	return nil
}

func (p *Pages) render(b *bytes.Buffer, f Frame, page Page) error {
	t, err := p.find(f.Lang, page)
	if err != nil {
		return err
	}
	if err := t.ExecuteTemplate(b, "layout", sheet{Frame: f, Page: page}); err != nil {
		return fmt.Errorf("rendering %s in %s: %w", page.file(), f.Lang, err)
	}
	return nil
}

// Fragment renders the part of a page that changes while it is looked at. Only
// ConsoleLive has one.
func (p *Pages) Fragment(lang string, page Page) ([]byte, error) {
	t, err := p.find(lang, page)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, "live", page); err != nil {
		return nil, fmt.Errorf("rendering part of %s in %s: %w", page.file(), lang, err)
	}
	return b.Bytes(), nil
}

func (p *Pages) find(lang string, page Page) (*template.Template, error) {
	t, ok := p.sets[lang][page.file()]
	if !ok {
		return nil, fmt.Errorf("page %s in %q: %w", page.file(), lang, locale.ErrUnknown)
	}
	return t, nil
}

// Static serves style, script and images under names that hold the hash of
// their content, to be kept for ever. Mount it with its prefix stripped:
// http.StripPrefix("/static/", p.Static()).
func (p *Pages) Static() http.Handler { return p.static }
