package config_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"vestibule/config"
)

func TestExampleHasNoFault(t *testing.T) {
	_, faults := config.Parse("example.yaml", config.Example)
	for _, f := range faults {
		t.Error(f)
	}
}

// TestExampleIsComplete asks for every setting in the example.
func TestExampleIsComplete(t *testing.T) {
	var walk func(reflect.Type, string)
	walk = func(s reflect.Type, path string) {
		for i := range s.NumField() {
			tag := s.Field(i).Tag.Get("yaml")
			if tag == "" {
				continue
			}
			if !regexp.MustCompile(`(?m)(^|[ {-])` + tag + `:`).Match(config.Example) {
				t.Errorf("%s%s is not in the example", path, tag)
			}
			ft := s.Field(i).Type
			if ft.Kind() == reflect.Slice {
				ft = ft.Elem()
			}
			if ft.Kind() == reflect.Struct {
				walk(ft, path+tag+".")
			}
		}
	}
	walk(reflect.TypeFor[config.File](), "")
}

// TestT72EveryMisspeltKeyIsNamed misspells and doubles each key in turn: a
// typo that is quietly ignored leaves a door open that somebody thought shut.
func TestT72EveryMisspeltKeyIsNamed(t *testing.T) {
	lines := strings.Split(string(config.Example), "\n")
	key := regexp.MustCompile(`^(\s*(?:- )?)([a-z_]+):`)
	tried := 0
	for i, line := range lines {
		m := key.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		tried++
		wrong := m[2] + "x"
		changed := append([]string{}, lines...)
		changed[i] = m[1] + wrong + line[len(m[1])+len(m[2]):]
		_, faults := config.Parse("f", []byte(strings.Join(changed, "\n")))
		want := fmt.Sprintf("f:%d:", i+1)
		found := false
		for _, f := range faults {
			found = found || strings.HasPrefix(f.Error(), want) && strings.Contains(f.Error(), wrong) && strings.Contains(f.Error(), "did you mean "+m[2])
		}
		if !found {
			t.Errorf("%s misspelt: %v, want it named at line %d with a hint", m[2], faults, i+1)
		}
	}
	if tried < 80 {
		t.Errorf("only %d keys tried", tried)
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	src := `door: http://visio.example.org
room: https://room.example.org
secret: hunter2hunter2
store: {url: redis://127.0.0.1:6379, replicas: 9}
certificates: {acme: {email: a@b.c, agree: true}}
turn: {udp: [":3478"], public: [203.0.113.7], peers: [10.0.0.1/32], peer_ports: 7882, lifetime: 5}
meetings: {early: 15m, early: 20m}
conference: {livekit: {url: "http://127.0.0.1:7880", key: k, secret: "file:/x", tiemout: 5s}}
`
	_, faults := config.Parse("f", []byte(src))
	var got []string
	for _, f := range faults {
		got = append(got, f.Error())
	}
	want := []string{"f:1:1: door: ", "f:3:9: secret", "f:4:38: store.replicas", "f:6:97: turn.lifetime", "f:7:24: meetings.early", "f:8:81: conference.livekit.tiemout"}
	all := strings.Join(got, "\n")
	for _, w := range want {
		if !strings.Contains(all, w) {
			t.Errorf("no fault %q in\n%s", w, all)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d faults, want %d:\n%s", len(got), len(want), all)
	}
	if strings.Contains(all, "hunter2") {
		t.Error("a secret written in the file is repeated")
	}
}

func TestNotYAML(t *testing.T) {
	for _, src := range []string{"", "door: [", "a: b: c", "- x", "door: &a x\nroom: *a", "\x00", "door: https://a.b\n---\nroom: x"} {
		if _, faults := config.Parse("f", []byte(src)); len(faults) == 0 {
			t.Errorf("Parse(%q) finds no fault", src)
		}
	}
}

// TestBlocksOfText reads what YAML calls literal and folded scalars: the text, not
// the sign before it.
func TestBlocksOfText(t *testing.T) {
	section := "site:\n  name: >-\n    Clinique\n    du Port\n  contact: |\n    the desk\n    01 23\n"
	src := regexp.MustCompile(`(?m)^site:\n(  .*\n)+`).ReplaceAllString(string(config.Example), section)
	f, faults := config.Parse("f", []byte(src))
	for _, fault := range faults {
		t.Error(fault)
	}
	if f.Site.Name != "Clinique du Port" || f.Site.Contact != "the desk\n01 23" {
		t.Errorf("the site is called %q, and one asks at %q", f.Site.Name, f.Site.Contact)
	}
	bad := strings.Replace(string(config.Example), "grace: 1h", "grace: |\n    an hour", 1)
	_, faults = config.Parse("f", []byte(bad))
	if len(faults) != 1 || !strings.Contains(faults[0].What, "an hour") {
		t.Errorf("a block that is no length of time has the faults %v", faults)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(config.Example)
	f.Add([]byte("door: [\n"))
	f.Fuzz(func(_ *testing.T, src []byte) { config.Parse("f", src) })
}

func TestSecret(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(p, mode); err != nil { // whatever the umask
			t.Fatal(err)
		}
		return p
	}
	good := write("good", "s3cret\n", 0o600)
	open := write("open", "s3cret\n", 0o644)
	granted := write("granted", "s3cret\n", 0o440) // as systemd gives it to a user by an ACL
	write("shared", "s3cret\n", 0o460)
	t.Setenv("VESTIBULE_TEST_SECRET", "from env")
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	cases := []struct{ in, want, fault string }{
		{"file:" + good, "s3cret", ""},
		{"file:" + open, "", "chmod 600"},
		{"file:" + filepath.Join(dir, "none"), "", "no such file"},
		{"env:VESTIBULE_TEST_SECRET", "from env", ""},
		{"env:VESTIBULE_TEST_NONE", "", "is not set"},
		{"cred:good", "s3cret", ""},
		{"cred:../good", "s3cret", ""}, // a name, never a path
		{"cred:granted", "s3cret", ""},
		{"file:" + granted, "", "chmod 600"},
		{"cred:open", "", "chmod 600"},
		{"cred:shared", "", "chmod 600"},
		{"s3cret", "", "file:PATH"},
		{"", "", ""},
	}
	for _, c := range cases {
		got, err := config.Secret(c.in).Read()
		if got != c.want || (err != nil) != (c.fault != "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("Secret(%q).Read = %q, %v; want %q, %q", c.in, got, err, c.want, c.fault)
		}
	}
	var b bytes.Buffer
	s := config.Secret("file:/etc/vestibule/secret")
	slog.New(slog.NewTextHandler(&b, nil)).InfoContext(t.Context(), "x", slog.Any("secret", s))
	fmt.Fprintf(&b, "%s %v", s, s)
	if strings.Contains(b.String(), "/etc") {
		t.Errorf("a secret prints as %s", b.String())
	}
}
