package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/store/storetest"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"vestibule": main}) }

// TestIncidents runs the command line on a redis-server in which a host has
// reported somebody.
func TestIncidents(t *testing.T) {
	redis := storetest.Redis(t)
	testscript.Run(t, testscript.Params{
		Files: []string{"testdata/incidents.txtar"},
		Setup: func(e *testscript.Env) error {
			path := filepath.Join(e.WorkDir, "vestibule.yaml")
			for path, url := range map[string]string{path: redis, filepath.Join(e.WorkDir, "nowhere.yaml"): "redis://127.0.0.1:1"} {
				if err := writeConfig(e.WorkDir, path, url); err != nil {
					return err
				}
			}
			return withLobby(path, func(l *lobby.Lobby) error {
				id, reference, err := reported(l)
				e.Setenv("MEETING", string(id))
				e.Setenv("REF", reference)
				e.Setenv("SPOKEN", strings.ToLower(strings.ReplaceAll(reference, "-", "")))
				return err
			})
		},
	})
}

// writeConfig writes all that must be there to read the store.
func writeConfig(dir, path, redis string) error {
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte(strings.Repeat("s", 48)), 0o600); err != nil {
		return err
	}
	return os.WriteFile(path, fmt.Appendf(nil, `
door: https://visio.test
room: https://room.visio.test
secret: file:%[1]s
site: {name: Hôpital}
store: {url: %[2]q}
certificates: {acme: {email: dsi@hopital.test, agree: true}, storage: %[3]q}
conference: {livekit: {url: "http://127.0.0.1:1", key: key, secret: "file:%[1]s", timeout: 1s}}
turn: {udp: ["127.0.0.1:0"], public: [127.0.0.1], peers: [127.0.0.1/32], peer_ports: 7882}
`, secret, redis, filepath.Join(dir, "certs")), 0o600)
}

// reported has a host report a guest who waited, under a name that would
// colour a terminal.
func reported(l *lobby.Lobby) (meeting.ID, string, error) {
	ctx := context.Background()
	host := meeting.Person{
		Issuer: "https://id.test", Subject: "doctor", Name: "Dr Claire Martin", Email: "claire@hopital.test",
		Evidence: meeting.Evidence{Method: meeting.OIDC, EmailVerified: true, Member: true},
	}
	id, err := l.Create(ctx, host, lobby.Draft{
		Title: "Consultation", Starts: time.Now(), Ends: time.Now().Add(time.Hour), Zone: "Europe/Paris", Lang: "fr",
		Invitees: []lobby.Invitee{{Name: "J. D.", Email: "jeanne@exemple.test"}},
	}, "")
	if err != nil {
		return "", "", err
	}
	s, err := l.Snapshot(ctx, id)
	if err != nil {
		return "", "", err
	}
	for _, v := range s.Invitations {
		_, admission, err := l.Knock(ctx, l.Link(id, &v), lobby.Arrival{
			Person: meeting.MailboxPerson("jeanne@exemple.test", time.Now()), Name: "Eve\x1b[31m", Device: "device", Consent: true,
		}, "")
		if err != nil {
			return "", "", err
		}
		if err := l.Answer(ctx, id, host.Key(), admission, meeting.Answer{Admit: true}, ""); err != nil {
			return "", "", err
		}
		if _, err := l.Report(ctx, id, host.Key(), admission, ""); err != nil {
			return "", "", err
		}
		if s, err = l.Snapshot(ctx, id); err != nil {
			return "", "", err
		}
		a, _ := s.Admission(admission)
		return id, a.Incident, nil
	}
	return id, "", nil
}
