package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vestibule/api"
	"vestibule/lobby"
	"vestibule/store"
)

// rooms is a conference server with nobody in it.
type rooms struct{}

func (rooms) Open(context.Context, string) error           { return nil }
func (rooms) Remove(context.Context, string, string) error { return nil }
func (rooms) Close(context.Context, string) error          { return nil }

// site is a door's API on a real listener, and what the command needs of it.
type site struct {
	url, ca, key string
	lost         atomic.Int64 // answers still to be lost
	asked        atomic.Int64
}

// run runs the command line and answers what it printed.
func run(t *testing.T, args ...string) (out, errs string, err error) {
	t.Helper()
	c := command()
	var o, e bytes.Buffer
	c.SetArgs(args)
	c.SetOut(&o)
	c.SetErr(&e)
	err = c.ExecuteContext(t.Context())
	return o.String(), e.String(), err
}

func open(t *testing.T) *site {
	t.Helper()
	s := &site{}
	key, notes, err := run(t, "apikey", "--id", "agenda", "--owner", "Accueil")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(notes, `hash: "`)
	hash, _, _ := strings.Cut(rest, `"`)
	kept := store.NewMemory()
	l, err := lobby.New(lobby.Config{Documents: kept, Shelf: kept, Backend: rooms{}, Secret: bytes.Repeat([]byte("k"), 32), Door: "https://door.example"})
	if err != nil {
		t.Fatal(err)
	}
	a, err := api.New(api.Config{
		Door: "https://door.example", Lobby: l, Shelf: kept, Streams: kept, Secret: bytes.Repeat([]byte("a"), 32),
		Keys: []api.Key{{ID: "agenda", Hash: hash, Scopes: []string{"meetings:read", "meetings:write", "invitations:write"}, Owner: api.Owner{Name: "Accueil"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		if s.lost.Add(-1) >= 0 { // done, but nobody is told
			a.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		a.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	dir := t.TempDir()
	s.url, s.ca, s.key = srv.URL, filepath.Join(dir, "ca.pem"), filepath.Join(dir, "key")
	for path, text := range map[string][]byte{
		s.ca:  pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}),
		s.key: []byte(key),
	} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *site) invite(t *testing.T, more ...string) (string, error) {
	t.Helper()
	out, _, err := run(t, append([]string{"invite", "--server", s.url, "--ca", s.ca, "--key", "file:" + s.key}, more...)...)
	return out, err
}

// meetings counts what was made.
func (s *site) meetings(t *testing.T) int {
	t.Helper()
	d, err := newDoor(s.url, "file:"+s.key, s.ca)
	if err != nil {
		t.Fatal(err)
	}
	defer d.client.CloseIdleConnections()
	var leaf struct{ Items []json.RawMessage }
	if err := d.ask(t.Context(), http.MethodGet, "/meetings", nil, "", &leaf); err != nil {
		t.Fatal(err)
	}
	return len(leaf.Items)
}

func TestInvitePrintsLinks(t *testing.T) {
	s := open(t)
	out, err := s.invite(t, "--title", "Consultation", "--guest", "J. D. <jeanne@exemple.fr>", "--guest", "marc@exemple.fr +33 6 12 34 56 42", "--guest", "Mme L.", "--host", "Dr M. <martin@exemple.fr>")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Consultation\nhttps://door.example/m/", "J. D. <jeanne@exemple.fr>\n  https://door.example/i/", "marc <marc@exemple.fr> +33612345642\n", "Mme L.\n  https://", "Dr M. <martin@exemple.fr>\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	// A day half a year on, as somebody types it: winter or summer time.
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	day := time.Now().In(paris).AddDate(0, 6, 0)
	at := time.Date(day.Year(), day.Month(), day.Day(), 14, 0, 0, 0, paris)
	out, err = s.invite(t, "--json", "--title", "x", "--start", at.Format("2006-01-02 15:04"), "--zone", "Europe/Paris", "--guest", "A")
	var m struct {
		Meeting     struct{ Starts time.Time }
		Invitations []invited
	}
	if err != nil || json.Unmarshal([]byte(out), &m) != nil || len(m.Invitations) != 1 || !m.Meeting.Starts.Equal(at) {
		t.Errorf("json = %s, %v; want it at %v", out, err, at)
	}
}

func TestInviteManyReadsEveryLeaf(t *testing.T) {
	s := open(t)
	args := []string{"--title", "Lecture"}
	for range 230 {
		args = append(args, "--guest", "Student")
	}
	out, err := s.invite(t, args...)
	if n := strings.Count(out, "/i/"); err != nil || n != 230 {
		t.Errorf("%d links, %v; want 230", n, err)
	}
}

// The door did it, the answer was lost: the meeting is made once (T07).
func TestT07InviteAsksAgain(t *testing.T) {
	s := open(t)
	s.lost.Store(2)
	out, err := s.invite(t, "--title", "x", "--guest", "A")
	if err != nil || strings.Count(out, "/i/") != 1 || s.asked.Load() != 4 {
		t.Errorf("invite = %q, %v after %d requests; want one link after 4", out, err, s.asked.Load())
	}
	if n := s.meetings(t); n != 1 {
		t.Errorf("%d meetings, want 1", n)
	}
}

func TestInviteTellsEveryFault(t *testing.T) {
	s := open(t)
	_, err := s.invite(t, "--guest", "Jeanne <jeanne", "--guest", "Paul 06 12 34 56 42", "--start", "tomorrow", "--zone", "Mars", "--duration", "1s")
	for _, want := range []string{"--title", "--guest: want", "--guest: a number is written with its country code", "--zone", "--duration"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no fault %s in %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "jeanne") || strings.Contains(err.Error(), "56 42") {
		t.Error("a person stands in the error")
	}
	_, err = s.invite(t, "--title", strings.Repeat("x", 200), "--guest", "a@b")
	if err == nil || !strings.Contains(err.Error(), "/title: too_long") || !strings.Contains(err.Error(), "/invitations/0/email: address") {
		t.Errorf("faults of the door = %v", err)
	}
	if err := os.WriteFile(s.key, []byte("vestibule_agenda_WRONG"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err = s.invite(t, "--title", "x", "--guest", "A"); err == nil || !strings.Contains(err.Error(), "401") || strings.Contains(err.Error(), "WRONG") {
		t.Errorf("with a wrong key = %v", err)
	}
	if _, _, err := run(t, "invite", "--server", "http://door.example", "--key", "file:"+s.key, "--title", "x", "--guest", "A"); err == nil || !strings.Contains(err.Error(), "https") {
		t.Errorf("without TLS = %v", err)
	}
	if _, _, err := run(t, "invite", "--server", s.url, "--key", "vestibule_agenda_INLINE", "--title", "x", "--guest", "A"); err == nil || strings.Contains(err.Error(), "INLINE") {
		t.Errorf("a key on the command line = %v", err)
	}
}

func TestAPIKeyIsNewEachTime(t *testing.T) {
	one, _, err := run(t, "apikey", "--id", "agenda")
	two, notes, err2 := run(t, "apikey", "--id", "agenda")
	if err != nil || err2 != nil || one == two || !strings.HasPrefix(one, "vestibule_agenda_") {
		t.Errorf("keys %q and %q, %v, %v", one, two, err, err2)
	}
	if _, secret, _ := strings.Cut(strings.TrimSpace(two), "agenda_"); strings.Contains(notes, secret) {
		t.Error("the notes hold the key itself")
	}
	if _, _, err := run(t, "apikey", "--id", "Agenda Book"); err == nil {
		t.Error("an odd id is taken")
	}
	if _, _, err := run(t, "apikey", "--id", "x", "--scope", "everything"); err == nil {
		t.Error("an unknown scope is taken")
	}
}
