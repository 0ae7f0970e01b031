package config_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vestibule/api"
	"vestibule/config"
)

// with is the example with the API and webhooks set up.
func with(section string) []byte {
	head, rest, _ := strings.Cut(string(config.Example), "\napi:\n")
	_, tail, _ := strings.Cut(rest, "\nlog:\n")
	return []byte(head + "\n" + section + "\nlog:\n" + tail)
}

func TestAPI(t *testing.T) {
	_, hash, err := api.NewKey("agenda")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, faults := config.Parse("f", with(fmt.Sprintf(`api:
  keys:
    - id: agenda
      hash: "%s"
      scopes: [meetings:read, meetings:write]
      owner: {name: Accueil, provider: hopital, subject: u-1}
  provider: hopital
  clients:
    - {id: board, scopes: [], owner: {name: Board}}
webhooks:
  - {url: "https://agenda.example.org/x", secret: "file:%s", events: [knocked]}
`, hash, secret)))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	// Whatever else of the example is not on this machine, the hook's own
	// secret is.
	if _, err := f.Build(slog.New(slog.DiscardHandler)); err != nil && strings.Contains(err.Error(), "webhooks") {
		t.Error(err)
	}
}

// The example as its comments say: a commented example that does not work is
// worse than none.
func TestExampleOfTheAPIWorksOnceUncommented(t *testing.T) {
	var lines []string
	_, hash, err := api.NewKey("agenda")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(config.Example)) {
		for _, list := range []string{"  keys: []", "  clients: []", "webhooks: []"} {
			if head, ok := strings.CutSuffix(list, " []"); ok && strings.HasPrefix(line, list) {
				line = head + "\n"
			}
		}
		if strings.HasPrefix(line, "  # ") {
			line = "  " + strings.TrimPrefix(line, "  # ")
		}
		lines = append(lines, strings.Replace(line, "sha256:…", hash, 1))
	}
	src := strings.Replace(strings.Join(lines, ""), "  provider: \"\"  ", "  provider: hopital  ", 1)
	f, faults := config.Parse("f", []byte(src))
	for _, fault := range faults {
		t.Error(fault)
	}
	if len(f.API.Keys) != 1 || len(f.API.Clients) != 1 || len(f.Webhooks) != 1 {
		t.Errorf("%d keys, %d clients, %d webhooks; want one of each\n%s", len(f.API.Keys), len(f.API.Clients), len(f.Webhooks), src)
	}
}

func TestAPIFaultsAreAllNamed(t *testing.T) {
	_, faults := config.Parse("f", with(`api:
  rate: 5000
  keys:
    - id: Agenda Book
      hash: vestibule_agenda_PLAINKEY
      scopes: [meetings:all]
      owner: {name: "", email: x, provider: elsewhere, subject: ""}
    - id: twice
      hash: "sha256:0000000000000000000000000000000000000000000000000000000000000000"
      scopes: [events:read]
      owner: {name: X}
    - id: twice
      hash: "sha256:0000000000000000000000000000000000000000000000000000000000000000"
      scopes: [events:read]
      owner: {name: X}
  clients:
    - {id: "", scopes: [], owner: {name: X}}
webhooks:
  - url: http://agenda.example.org/x
    events: [knokced]
`))
	var all []string
	for _, f := range faults {
		all = append(all, f.Error())
	}
	text := strings.Join(all, "\n")
	for _, want := range []string{
		"api.rate:", "api.keys[0].id:", "api.keys[0].hash:", "api.keys[0].scopes:", "api.keys[0].owner.name:", "api.keys[0].owner.email:",
		"api.keys[0].owner.provider:", "api.keys[2].id:", "api.clients[0].id:", "api.provider:", "webhooks[0].url:", "webhooks[0].secret:", "webhooks[0].events:",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no fault %s in\n%s", want, text)
		}
	}
	if strings.Contains(text, "PLAINKEY") {
		t.Error("a key written in the place of its hash is repeated")
	}
}
