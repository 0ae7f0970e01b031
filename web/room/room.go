// Package room is the page a participant of a LiveKit meeting looks at: the
// ready check, the faces, the words when the connection fails.
//
// It holds no secret and decides nothing: what it may do is in the pass it
// asks the door for, and the conference token never comes to the browser. The
// script is built by npm (make room) and embedded; without it every door in
// here answers ErrNotBuilt instead of half a page.
package room

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"path"
	"strings"
)

// dist holds .gitkeep on a fresh clone, so that this compiles unbuilt.
//
//go:embed all:dist
var dist embed.FS

//go:embed locale/*.json
var locale embed.FS

//go:embed room.html
var source string

var page = template.Must(template.New("room").Parse(source))

// ErrNotBuilt says that npm has not run yet.
var ErrNotBuilt = errors.New("room page not built: run make room")

// Assets are the names of the built files. Each name holds a hash of its
// content, so it can be cached for ever.
type Assets struct {
	Script string `json:"script"`
	Style  string `json:"style"`
}

// View is what the door knows when it sends the page.
type View struct {
	// Lang is the visitor's language, "fr" or "en"; anything else reads "en".
	Lang string
	// Title is shown by the browser until the pass brings the meeting's own.
	Title string
	// Base is the path under which Handler answers, with its slash at the
	// end: "/-/room/".
	Base string
	// Pass is the path the page asks for its pass: "/-/pass".
	Pass string
	// Theme is the path of a style sheet of the site's own, empty for none.
	Theme string
}

// Files holds the built page: script, style sheet, both also compressed
// (.gz), the licences of what is inside, and manifest.json. It is empty but for
// .gitkeep until the page is built.
func Files() fs.FS {
	sub, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // "dist" is a constant and valid
	}
	return sub
}

// Page tells what the built files are called.
func Page() (Assets, error) { return assets(Files()) }

// Write renders the page, which is a shell of a few lines: the script does the
// rest.
func Write(w io.Writer, v View) error {
	a, err := Page()
	if err != nil {
		return err
	}
	return write(w, v, a)
}

func assets(files fs.FS) (Assets, error) {
	raw, err := fs.ReadFile(files, "manifest.json")
	if errors.Is(err, fs.ErrNotExist) {
		return Assets{}, ErrNotBuilt
	}
	if err != nil {
		return Assets{}, fmt.Errorf("reading the room page's manifest: %w", err)
	}
	var a Assets
	if err := json.Unmarshal(raw, &a); err != nil {
		return Assets{}, fmt.Errorf("reading the room page's manifest: %w", err)
	}
	for _, name := range []string{a.Script, a.Style} {
		// A name from half a build is worse than none.
		if info, err := fs.Stat(files, path.Base(name)); err != nil || info.IsDir() {
			return Assets{}, fmt.Errorf("%w (%q is missing)", ErrNotBuilt, name)
		}
	}
	return a, nil
}

func write(w io.Writer, v View, a Assets) error {
	lang := "en"
	if strings.HasPrefix(strings.ToLower(v.Lang), "fr") {
		lang = "fr"
	}
	words, err := catalogue(lang)
	if err != nil {
		return err
	}
	v.Lang = lang
	err = page.Execute(w, struct {
		View
		Assets            Assets
		Opening, NoScript string
	}{v, a, words["page.opening"], words["page.noscript"]})
	if err != nil {
		return fmt.Errorf("writing the room page: %w", err)
	}
	return nil
}

func catalogue(lang string) (map[string]string, error) {
	raw, err := locale.ReadFile("locale/" + lang + ".json")
	if err != nil {
		return nil, fmt.Errorf("reading the room page's words: %w", err)
	}
	words := map[string]string{}
	if err := json.Unmarshal(raw, &words); err != nil {
		return nil, fmt.Errorf("reading the room page's words: %w", err)
	}
	return words, nil
}
