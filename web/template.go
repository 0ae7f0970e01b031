package web

import (
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"vestibule/web/locale"
)

//go:embed templates
var templateFiles embed.FS

// shared are the templates that every page may use.
func shared() []string { return []string{"templates/layout.html", "templates/parts.html"} }

// compile returns every page in one language. Each page has a set of its own,
// because each defines its own "title" and "main".
func compile(lang string, st *static) (map[string]*template.Template, error) {
	return compileWith(lang, st, func(template.FuncMap) {})
}

// compileWith lets a test listen to the functions.
func compileWith(lang string, st *static, listen func(template.FuncMap)) (map[string]*template.Template, error) {
	words, err := locale.Open(lang)
	if err != nil {
		return nil, fmt.Errorf("compiling pages: %w", err)
	}
	calls := functions(words, st)
	listen(calls)
	base, err := template.New("pages").Option("missingkey=error").
		Funcs(calls).ParseFS(templateFiles, shared()...)
	if err != nil {
		return nil, fmt.Errorf("compiling pages: %w", err)
	}
	files, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("compiling pages: %w", err)
	}
	set := map[string]*template.Template{}
	for _, f := range files {
		if slices.Contains(shared(), f) {
			continue
		}
		name := strings.TrimSuffix(path.Base(f), ".html")
		t, err := base.Clone()
		if err == nil {
			t, err = t.ParseFS(templateFiles, f)
		}
		if err != nil {
			return nil, fmt.Errorf("compiling page %s: %w", name, err)
		}
		set[name] = t
	}
	return set, nil
}

// functions are what a template may call. t is a text for the page, ts the
// same for an attribute or a title.
func functions(words *locale.Catalogue, st *static) template.FuncMap {
	lang := words.Lang()
	return template.FuncMap{
		"t":    words.HTML,
		"ts":   words.Text,
		"lang": func() string { return lang },
		"asset": func(name string) (string, error) {
			h, ok := st.named[name]
			if !ok {
				return "", fmt.Errorf("static file %s: %w", name, locale.ErrUnknown)
			}
			return h, nil
		},
		"themed": func() string { return st.named["theme.css"] },
		"logo":   st.logo,
		"span":   func(t Times) string { return locale.Span(t.Starts, t.Ends, t.Zone, lang) },
		"day":    func(t Times) string { return locale.Day(t.Starts, t.Zone, lang) },
		"clock":  func(at time.Time, zone string) string { return locale.Clock(at, zone, lang) },
		"long":   func(at time.Time, zone string) string { return locale.Long(at, zone, lang) },
		"length": func(t Times) string { return locale.Length(t.Ends.Sub(t.Starts), lang) },
		"lasts":  func(m int) string { return locale.Length(time.Duration(m)*time.Minute, lang) },
		"place":  func(zone string) string { return locale.Place(zone, lang) },
		// decimal writes seconds as people of that language do: 0,08.
		"decimal": func(s float64) string {
			d := fmt.Sprintf("%.2f", s)
			if lang == "fr" {
				d = strings.Replace(d, ".", ",", 1)
			}
			return d
		},
	}
}
