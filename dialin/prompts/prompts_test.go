package prompts_test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"vestibule/dialin"
	"vestibule/dialin/media"
	"vestibule/dialin/prompts"
)

var update = flag.Bool("update", false, "record every prompt again, with espeak-ng and sox")

// voices are espeak-ng's, a little slower than they speak by themselves.
var voices = map[string][]string{
	prompts.French:  {"-v", "fr", "-s", "145", "-p", "42"},
	prompts.English: {"-v", "en-gb", "-s", "145", "-p", "42"},
}

func TestEveryPromptIsRecorded(t *testing.T) {
	if *update {
		record(t)
		t.Skip("recorded; run again without -update")
	}
	v, err := prompts.Load(prompts.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range prompts.Languages() {
		for _, name := range prompts.Names() {
			text, s := prompts.Text(lang, name), v.Say(lang, name)
			if text == "" {
				t.Errorf("%s/%s has no text", lang, name)
			}
			// Ten to thirty letters a second is speech.
			letters := time.Duration(utf8.RuneCountInString(text)) * time.Second
			if d := s.Length(); d < letters/30 || d > letters/8+time.Second {
				t.Errorf("%s/%s plays for %v, its text has %d letters", lang, name, d, letters/time.Second)
			}
			if l := s.Level(); l < -26 || l > -12 {
				t.Errorf("%s/%s has a level of %.1f dB, want -26 to -12", lang, name, l)
			}
			loud := slices.Max(s)
			if loud > 32000 {
				t.Errorf("%s/%s is clipped", lang, name)
			}
			// A caller should not wait for it to begin, nor hear it cut.
			if l := s[:media.Rate/2].Level(); l < -40 {
				t.Errorf("%s/%s begins with half a second of silence", lang, name)
			}
			if l := s[len(s)-media.Rate/50:].Level(); l > -35 {
				t.Errorf("%s/%s ends in the middle of a sound (%.0f dB)", lang, name, l)
			}
		}
	}
}

// Whatever the phone door says, it has a voice for.
func TestEveryWordHasAPrompt(t *testing.T) {
	for _, n := range prompts.Names() {
		if !slices.Contains(dialin.Words(), dialin.Word(n)) {
			t.Errorf("prompt %q is never said", n)
		}
	}
	for _, w := range dialin.Words() {
		if !slices.Contains(prompts.Names(), string(w)) {
			t.Errorf("no prompt for the word %q", w)
		}
	}
}

func TestSayFallsBack(t *testing.T) {
	v, err := prompts.Load(prompts.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := v.Say("de", "bye"), v.Say("en", "bye"); !slices.Equal(got, want) {
		t.Error("in a language nobody recorded, English is not spoken")
	}
	if got := v.Say("fr", "no such word"); got.Level() < -40 {
		t.Error("an unknown word is silence")
	}
	if fr, en := v.Say("fr", "bye"), v.Say("en", "bye"); slices.Equal(fr, en) {
		t.Error("French is spoken in English")
	}
}

func TestOwnRecordings(t *testing.T) {
	dir := t.TempDir()
	put := func(name string, b []byte) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mine := media.Tone(500, 2*time.Second, -15)
	put("fr/greet.wav", media.AppendWAV(nil, mine))
	v, err := prompts.Load(prompts.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if d := v.Say("fr", "greet").Length(); d != 2*time.Second {
		t.Errorf("the site's own greeting plays for %v, want 2s", d)
	}
	if v.Say("fr", "code").Length() == 0 {
		t.Error("what the site did not record is not said")
	}

	put("fr/code.wav", []byte("not a recording"))
	put("fr/bye.wav", media.AppendWAV(nil, media.Silence(time.Second)))
	put("en/over.wav", media.AppendWAV(nil, media.Tone(500, 40*time.Second, -15)))
	put("fr/greeting.wav", media.AppendWAV(nil, mine))
	put("nl/greet.wav", media.AppendWAV(nil, mine))
	_, err = prompts.Load(prompts.Config{Dir: dir})
	if err == nil {
		t.Fatal("bad recordings were accepted")
	}
	for _, want := range []string{"code.wav", "bye.wav", "over.wav", "greeting.wav", filepath.Join("nl", "greet.wav")} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %s", err, want)
		}
	}
	if _, err := prompts.Load(prompts.Config{Dir: filepath.Join(dir, "nowhere")}); err == nil {
		t.Error("a directory that is not there was accepted")
	}
}

// record makes wav/ anew: make prompts.
func record(t *testing.T) {
	for _, lang := range prompts.Languages() {
		if err := os.MkdirAll("wav/"+lang, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, name := range prompts.Names() {
			raw, out := filepath.Join(t.TempDir(), "raw.wav"), "wav/"+lang+"/"+name+".wav"
			run(t, "espeak-ng", append(slices.Clone(voices[lang]), "-w", raw, prompts.Text(lang, name))...)
			// As much as a telephone carries, without the silence around, as
			// loud as speech on a line is.
			run(t, "sox", "-D", "-G", raw, "-r", "8000", "-c", "1", "-e", "mu-law", out,
				"highpass", "180", "rate", "-v", "8000", "silence", "1", "0.02", "0.5%", "reverse", "silence", "1", "0.02", "0.5%", "reverse",
				"compand", "0.01,0.2", "6:-40,-30,-20,-14,-6,-9", "gain", "-n", "-4", "pad", "0.06", "0.12")
		}
	}
}

func run(t *testing.T, program string, args ...string) {
	t.Helper()
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s (Debian: apt-get install espeak-ng sox)", program, err, out)
	}
}
