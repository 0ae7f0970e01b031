// Package look holds what the demonstration's own pages share: their frame,
// their colours, their two languages and the headers they go out with.
//
// It refuses inline script and style, other people's servers, frames, and a
// catalogue in which one language says less than the other.
package look

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
)

//go:embed layout.html static
var files embed.FS

// Config says which pages there are.
type Config struct {
	// Pages holds templates/*.html, each defining "title" and "body", and
	// locale/fr.json and en.json, where "house" and "foot" are what stands
	// at the head and the foot of every page.
	Pages fs.FS
	// Language is spoken to a browser that asks for neither. Default fr.
	Language string
	// Logger; nil discards.
	Logger *slog.Logger
}

// Book writes pages.
type Book struct {
	c     Config
	pages map[string]*template.Template // by language and file name; read-only after New
}

// New reads and checks every template and both catalogues.
func New(c Config) (*Book, error) {
	if c.Language == "" {
		c.Language = "fr"
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	var faults []error
	if !slices.Contains(spoken(), c.Language) {
		faults = append(faults, fmt.Errorf("look: language %q: want fr or en", c.Language))
	}
	words := map[string]map[string]string{}
	for _, l := range spoken() {
		var err error
		if words[l], err = catalogue(c.Pages, l); err != nil {
			faults = append(faults, err)
		}
	}
	faults = append(faults, compare(words["fr"], words["en"])...)
	names, err := fs.Glob(c.Pages, "templates/*.html")
	if err != nil || len(names) == 0 {
		faults = append(faults, fmt.Errorf("look: no templates: %w", err))
	}
	b := &Book{c: c, pages: map[string]*template.Template{}}
	for _, l := range spoken() {
		for _, n := range names {
			t, err := parse(c.Pages, n, l, words[l])
			if err != nil {
				faults = append(faults, err)
			}
			b.pages[l+"/"+strings.TrimSuffix(path.Base(n), ".html")] = t
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return b, nil
}

func catalogue(from fs.FS, language string) (map[string]string, error) {
	b, err := fs.ReadFile(from, "locale/"+language+".json")
	if err != nil {
		return nil, fmt.Errorf("reading a catalogue: %w", err)
	}
	words := map[string]string{}
	if err := json.Unmarshal(b, &words); err != nil {
		return nil, fmt.Errorf("reading the catalogue %s: %w", language, err)
	}
	return words, nil
}

// compare wants the same keys, with the same verbs of package fmt in them.
func compare(fr, en map[string]string) []error {
	placeholder := regexp.MustCompile(`%[a-z]`)
	var faults []error
	for k := range fr {
		if _, ok := en[k]; !ok {
			faults = append(faults, fmt.Errorf("look: en.json lacks %q", k))
		} else if !slices.Equal(placeholder.FindAllString(fr[k], -1), placeholder.FindAllString(en[k], -1)) {
			faults = append(faults, fmt.Errorf("look: the placeholders of %q differ", k))
		}
	}
	for k := range en {
		if _, ok := fr[k]; !ok {
			faults = append(faults, fmt.Errorf("look: fr.json lacks %q", k))
		}
	}
	return faults
}

func parse(from fs.FS, name, language string, words map[string]string) (*template.Template, error) {
	say := func(key string, args ...any) (string, error) {
		w, ok := words[key]
		if !ok {
			return "", fmt.Errorf("look: %s.json lacks %q", language, key)
		}
		if len(args) == 0 {
			return w, nil
		}
		return fmt.Sprintf(w, args...), nil
	}
	t, err := template.New("layout.html").Funcs(template.FuncMap{"say": say}).ParseFS(files, "layout.html")
	if err != nil {
		return nil, fmt.Errorf("parsing the frame: %w", err)
	}
	if t, err = t.ParseFS(from, name); err != nil {
		return nil, fmt.Errorf("parsing %s: %w", name, err)
	}
	return t, nil
}

// frame is what the layout is given.
type frame struct {
	Language string
	Switch   []option
	Page     any
}

// option is one language to switch to.
type option struct {
	Code, Name, URL string
	Current         bool
}

// Write answers with the page called name. Forms on it may lead to targets,
// besides the house itself: Chromium holds a form to its policy through
// every redirect that follows.
func (b *Book) Write(w http.ResponseWriter, r *http.Request, status int, name string, page any, targets ...string) {
	language := Language(r, b.c.Language)
	f := frame{Language: language, Switch: switches(r, language), Page: page}
	var out bytes.Buffer
	t := b.pages[language+"/"+name]
	if t == nil {
		http.Error(w, "500", http.StatusInternalServerError)
		b.c.Logger.ErrorContext(r.Context(), "page missing", slog.String("page", name))
		return
	}
	if err := t.Execute(&out, f); err != nil {
		http.Error(w, "500", http.StatusInternalServerError)
		b.c.Logger.ErrorContext(r.Context(), "page broken", slog.String("page", name), slog.Any("error", err))
		return
	}
	remember(w, r)
	Guard(w.Header(), targets...)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", language)
	w.WriteHeader(status)
	_, _ = out.WriteTo(w) // the browser went away
}

// Guard sets the headers every page goes out with. The referrer stays within
// the house: with "no-referrer" a browser would send "Origin: null" with the
// house's own forms.
func Guard(h http.Header, targets ...string) {
	for k, v := range map[string]string{
		"Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; frame-src 'self'; " +
			"base-uri 'none'; frame-ancestors 'none'; form-action " + strings.Join(append([]string{"'self'"}, targets...), " "),
		"Cross-Origin-Opener-Policy": "same-origin",
		"Referrer-Policy":            "same-origin",
		"X-Content-Type-Options":     "nosniff",
		"Cache-Control":              "no-store",
		"Vary":                       "Accept-Language, Cookie",
	} {
		h.Set(k, v)
	}
}

// Static serves the stylesheet and the icon under /static/.
func Static() http.Handler {
	inner := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/") {
			http.NotFound(w, r) // no listing
			return
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "max-age=300")
		inner.ServeHTTP(w, r)
	})
}
