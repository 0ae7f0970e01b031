package demo

import (
	"embed"
	"fmt"
	"io"
	"text/template"
)

//go:embed tell
var texts embed.FS

// told are the texts for the person at the keyboard.
var told = template.Must(template.ParseFS(texts, "tell/*.txt"))

// tell prints what to click.
func tell(w io.Writer, language string, r ready, fingerprint string, trusted bool) {
	err := told.ExecuteTemplate(w, language+".txt", struct {
		ready

		Fingerprint string
		Trusted     bool
	}{r, fingerprint, trusted})
	if err != nil {
		_, _ = fmt.Fprintln(w, r.Door)
	}
}
