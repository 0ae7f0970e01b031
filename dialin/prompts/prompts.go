// Package prompts is what the phone door says to callers, in French and in
// English, as recordings that a site can replace by its own.
//
// It refuses to leave a caller with nothing: a word it has no recording of in
// some language is said in English, and one it does not know at all is a short
// tone. It refuses a site's recording that no telephone could play.
package prompts

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"vestibule/dialin/media"
)

// The recordings are made by make prompts: µ-law, 8 kHz, some 15 KB each.
//
//go:embed wav/*/*.wav
var recorded embed.FS

// Config says whose voice it is.
type Config struct {
	// Dir holds the site's own recordings as LANG/NAME.wav, 8 or 16 kHz, mono,
	// PCM, A-law or µ-law; fr/greet.wav is where a site says its name. What is
	// not there is said by the built-in voice. Empty is none.
	Dir string
}

// Voice says things.
type Voice struct {
	said map[string]media.Sound // by language and name; not changed once loaded
}

// The bounds of a site's own recording, and what makes it one at all.
const (
	longest  = 30 * time.Second
	faintest = -45.0
)

// Load reads every recording, or tells all that is wrong with them.
func Load(c Config) (*Voice, error) {
	v := &Voice{said: map[string]media.Sound{}}
	var faults []error
	for _, lang := range Languages() {
		for _, name := range Names() {
			key := lang + "/" + name
			s, err := read(recorded, "wav/"+key+".wav")
			faults = append(faults, err)
			if c.Dir != "" {
				own, err := ownRecording(filepath.Join(c.Dir, lang, name+".wav"))
				faults = append(faults, err)
				if own != nil {
					s = own
				}
			}
			v.said[key] = s
		}
	}
	if c.Dir != "" {
		faults = append(faults, misnamed(c.Dir))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return v, nil
}

func read(from fs.FS, name string) (media.Sound, error) {
	b, err := fs.ReadFile(from, name)
	if err != nil {
		return nil, fmt.Errorf("reading a prompt: %w", err)
	}
	s, err := media.ReadWAV(b)
	if err != nil {
		return nil, fmt.Errorf("reading prompt %s: %w", name, err)
	}
	return s, nil
}

// ownRecording reads one file of the site; nil where there is none.
func ownRecording(path string) (media.Sound, error) {
	s, err := read(os.DirFS(filepath.Dir(path)), filepath.Base(path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case len(s) == 0 || s.Length() > longest:
		return nil, fmt.Errorf("prompt %s plays for %v, want up to %v", path, s.Length(), longest)
	case s.Level() < faintest:
		return nil, fmt.Errorf("prompt %s is as good as silent (%.0f dB)", path, s.Level())
	}
	return s, nil
}

// misnamed finds recordings that nothing would ever play: a typing error in a
// name would else go unnoticed until somebody calls.
func misnamed(dir string) error {
	var faults []error
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.wav"))
	if err != nil {
		return fmt.Errorf("looking into %s: %w", dir, err)
	}
	if _, err := os.Stat(dir); err != nil {
		return fmt.Errorf("looking for prompts: %w", err)
	}
	for _, f := range files {
		lang, name := filepath.Base(filepath.Dir(f)), filepath.Base(f)
		if !slices.Contains(Languages(), lang) || !slices.Contains(Names(), name[:len(name)-len(".wav")]) {
			faults = append(faults, fmt.Errorf("prompt %s has no known language and name", f))
		}
	}
	return errors.Join(faults...)
}

// Say returns what is played for a name in a language.
func (v *Voice) Say(lang, name string) media.Sound {
	for _, l := range []string{lang, English} {
		if s := v.said[l+"/"+name]; len(s) > 0 {
			return s
		}
	}
	return media.Tone(440, 300*time.Millisecond, -20)
}
