// Package locale holds the words of the door in each language it speaks.
//
// It refuses to guess: a key it does not have, a placeholder left empty and a
// language it does not speak are errors, never an English word on a French
// page.
package locale

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

//go:embed fr.json en.json
var files embed.FS

// ErrUnknown is returned for a language or a key that is not there.
var ErrUnknown = errors.New("unknown")

// Langs returns the languages of the house, the first being the one it was
// written in.
func Langs() []string { return []string{"fr", "en"} }

// Match returns the language of the house that suits an Accept-Language
// header (RFC 9110 §12.5.4) best, or fallback where none does.
func Match(accept, fallback string) string {
	wanted, _, err := language.ParseAcceptLanguage(accept)
	if err != nil || len(wanted) == 0 {
		return fallback
	}
	langs := Langs()
	spoken := make([]language.Tag, len(langs))
	for i, l := range langs {
		spoken[i] = language.Make(l)
	}
	_, i, confidence := language.NewMatcher(spoken).Match(wanted...)
	if confidence == language.No {
		return fallback
	}
	return langs[i]
}

// Catalogue is every text of the door in one language. It is safe for
// concurrent use.
type Catalogue struct {
	lang  string
	tag   language.Tag
	texts map[string]text
}

// text is one message; most have only the form called other.
type text struct{ one, other string }

// UnmarshalJSON takes "words" or {"one": "word", "other": "words"}.
func (t *text) UnmarshalJSON(b []byte) error {
	if err := json.Unmarshal(b, &t.other); err == nil {
		return nil
	}
	var forms struct{ One, Other string }
	if err := json.Unmarshal(b, &forms); err != nil {
		return fmt.Errorf("reading a text: %w", err)
	}
	t.one, t.other = forms.One, forms.Other
	return nil
}

// Open returns the catalogue of a language.
func Open(lang string) (*Catalogue, error) {
	if !slices.Contains(Langs(), lang) {
		return nil, fmt.Errorf("language %q: %w", lang, ErrUnknown)
	}
	b, err := files.ReadFile(lang + ".json")
	if err != nil {
		return nil, fmt.Errorf("reading catalogue %s: %w", lang, err)
	}
	c := &Catalogue{lang: lang, tag: language.Make(lang)}
	if err := json.Unmarshal(b, &c.texts); err != nil {
		return nil, fmt.Errorf("reading catalogue %s: %w", lang, err)
	}
	return c, nil
}

// Lang returns the language of the catalogue.
func (c *Catalogue) Lang() string { return c.lang }

// Keys returns every key, sorted.
func (c *Catalogue) Keys() []string { return slices.Sorted(maps.Keys(c.texts)) }

// Has reports whether there is a text for key.
func (c *Catalogue) Has(key string) bool {
	_, ok := c.texts[key]
	return ok
}

// Text returns the text for key as plain text, with each {name} replaced by
// the value that follows that name in args. A text in several forms chooses by
// the number called "n". Values that are strings were written by somebody else
// and are isolated, so that their direction cannot turn ours (Unicode UAX 9,
// T21).
func (c *Catalogue) Text(key string, args ...any) (string, error) {
	return c.fill(key, args, func(s string) string { return s }, isolate)
}

// HTML is Text for a page: everything is escaped and each string stands in a
// <bdi> element.
func (c *Catalogue) HTML(key string, args ...any) (template.HTML, error) {
	s, err := c.fill(key, args, template.HTMLEscapeString, func(v any) string {
		if s, ok := v.(string); ok {
			return "<bdi>" + template.HTMLEscapeString(s) + "</bdi>"
		}
		return template.HTMLEscapeString(fmt.Sprint(v))
	})
	return template.HTML(s), err //nolint:gosec // every part was escaped above.
}

// isolate puts a string between FIRST STRONG ISOLATE and POP DIRECTIONAL
// ISOLATE where it holds anything but ASCII; numbers need none.
func isolate(v any) string {
	s, ok := v.(string)
	if !ok || strings.IndexFunc(s, func(r rune) bool { return r >= 0x0590 }) < 0 {
		return fmt.Sprint(v)
	}
	return "\u2068" + s + "\u2069"
}

// fill walks the text once; what a value brings along is never read again.
func (c *Catalogue) fill(key string, args []any, words func(string) string, value func(any) string) (string, error) {
	t, ok := c.texts[key]
	if !ok {
		return "", fmt.Errorf("text %q in %s: %w", key, c.lang, ErrUnknown)
	}
	values, err := pairs(args)
	if err != nil {
		return "", fmt.Errorf("text %q in %s: %w", key, c.lang, err)
	}
	var b strings.Builder
	rest := c.form(t, values)
	for {
		before, after, found := strings.Cut(rest, "{")
		b.WriteString(words(before))
		if !found {
			return b.String(), nil
		}
		name, tail, _ := strings.Cut(after, "}")
		v, ok := values[name]
		if !ok {
			return "", fmt.Errorf("text %q in %s: {%s} has no value", key, c.lang, name)
		}
		b.WriteString(value(v))
		rest = tail
	}
}

// form chooses by the CLDR rules of the language: in French nought is one.
func (c *Catalogue) form(t text, values map[string]any) string {
	n, ok := values["n"].(int)
	if ok && t.one != "" && plural.Cardinal.MatchPlural(c.tag, n, 0, 0, 0, 0) == plural.One {
		return t.one
	}
	return t.other
}

func pairs(args []any) (map[string]any, error) {
	if len(args)%2 != 0 {
		return nil, errors.New("a value is missing")
	}
	values := make(map[string]any, len(args)/2)
	for i := 0; i < len(args); i += 2 {
		name, ok := args[i].(string)
		if !ok {
			return nil, fmt.Errorf("placeholder %v is no name", args[i])
		}
		values[name] = args[i+1]
	}
	return values, nil
}
