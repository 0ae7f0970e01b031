package api_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"vestibule/api"
	"vestibule/lobby"
	"vestibule/mail"
	"vestibule/meeting"
	"vestibule/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const door = "https://door.example"

// rooms is a conference server with nobody in it.
type rooms struct{}

func (rooms) Open(context.Context, string) error           { return nil }
func (rooms) Remove(context.Context, string, string) error { return nil }
func (rooms) Mute(context.Context, string, string) error   { return nil }
func (rooms) Close(context.Context, string) error          { return nil }

// box is a mail server that keeps what it was given.
type box struct {
	mu      sync.Mutex
	invites []mail.Invite
	cancels []mail.Invite
	code    string
}

func (b *box) Invitation(_ context.Context, m mail.Invite) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.invites = append(b.invites, m)
	return nil
}

func (b *box) Cancel(_ context.Context, m mail.Invite) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cancels = append(b.cancels, m)
	return nil
}

func (b *box) Reminder(context.Context, mail.Invite) error { return nil }

func (b *box) Code(_ context.Context, m mail.Code) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.code = m.Code
	return nil
}

func (b *box) count() (invites, cancels int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.invites), len(b.cancels)
}

// journal keeps what was logged.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// site is an API over a lobby with everything in memory.
type site struct {
	*api.Server
	t     *testing.T
	lobby *lobby.Lobby
	store *store.Memory
	shelf *streams
	box   *box
	log   *journal
	doc   *document
	keys  map[string]string // by id
	// change is what the lobby's configuration has of the test's own.
	change []func(*lobby.Config)
	// hashes are the keys'.
	hashes map[string]string
	done   map[string]bool // operations that answered well
}

// open makes a site with the keys "all" and one for each scope, and "other",
// who is another host.
func open(t *testing.T, edit func(*api.Config)) *site { return openWith(t, edit, nil) }

func openWith(t *testing.T, edit func(*api.Config), tune func(*api.Server), change ...func(*lobby.Config)) *site {
	t.Helper()
	s := &site{t: t, change: change, store: store.NewMemory(), box: &box{}, log: &journal{}, doc: read(t), keys: map[string]string{}, hashes: map[string]string{}, done: map[string]bool{}}
	s.shelf = &streams{Memory: s.store, used: map[string]bool{}}
	log := slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var c api.Config
	if edit != nil {
		edit(&c)
	}
	s.open(log, c.Hooks)
	s.Server = s.server(edit, log)
	if tune != nil {
		tune(s.Server)
	}
	s.run(s.lobby.Run, s.Run)
	t.Cleanup(s.silent)
	return s
}

// open opens the lobby, which notes changes for the hooks.
func (s *site) open(log *slog.Logger, hooks []api.Hook) {
	var err error
	c := lobby.Config{
		Documents: api.Note(s.store, s.shelf, hooks), Shelf: s.store, Backend: rooms{}, Muter: rooms{}, Mailer: s.box,
		Secret: []byte(strings.Repeat("k", 32)), Door: door, Logger: log,
		Early: 15 * time.Minute, Grace: time.Hour,
	}
	for _, f := range s.change {
		f(&c)
	}
	s.lobby, err = lobby.New(c)
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) server(edit func(*api.Config), log *slog.Logger) *api.Server {
	s.t.Helper()
	c := api.Config{
		Door: door, Lobby: s.lobby, Shelf: s.store, Streams: s.shelf, Secret: []byte(strings.Repeat("a", 32)), Logger: log,
	}
	owner := api.Owner{Name: "Dr Claire Martin", Email: "claire@hopital.example", Issuer: "https://id.example", Subject: "dr-1"}
	add := func(id string, o api.Owner, scopes ...string) {
		if s.keys[id] == "" {
			var err error
			if s.keys[id], s.hashes[id], err = api.NewKey(id); err != nil {
				s.t.Fatal(err)
			}
		}
		hash := s.hashes[id]
		c.Keys = append(c.Keys, api.Key{ID: id, Hash: hash, Scopes: scopes, Owner: o})
	}
	add("all", owner, api.Scopes()...)
	add("other", api.Owner{Name: "Dr Hugo Petit"}, api.Scopes()...)
	for _, scope := range api.Scopes() {
		add(strings.ReplaceAll(scope, ":", "-"), owner, scope)
	}
	if edit != nil {
		edit(&c)
	}
	srv, err := api.New(c)
	if err != nil {
		s.t.Fatal(err)
	}
	return srv
}

// node is another server on the same store, as hasty as the first.
func (s *site) node(edit func(*api.Config), claim time.Duration) *api.Server {
	s.t.Helper()
	n := s.server(edit, slog.New(slog.NewJSONHandler(s.log, nil)))
	api.Hurry(n, claim)
	return n
}

// start runs a node until stop is called.
func (s *site) start(n *api.Server) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			s.t.Errorf("Run = %v", err)
		}
	}
}

// run starts what runs until the test ends.
func (s *site) run(list ...func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	var wg sync.WaitGroup
	for _, f := range list {
		wg.Go(func() {
			if err := f(ctx); err != nil {
				s.t.Errorf("Run = %v", err)
			}
		})
	}
	s.t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
}

// silent fails the test when a secret or a person stands in the log (T23).
func (s *site) silent() {
	log := s.log.String()
	for id, key := range s.keys {
		if _, secret, _ := strings.Cut(key, id+"_"); strings.Contains(log, secret) {
			s.t.Errorf("the log holds the key %s", id)
		}
	}
	for _, person := range []string{"exemple.fr", "claire@", "Claire", "Jeanne", "192.0.2."} {
		if strings.Contains(log, person) {
			s.t.Errorf("the log holds %q:\n%s", person, log)
		}
	}
}

// reply is an answer, read.
type reply struct {
	status int
	header http.Header
	raw    string
	body   map[string]any
}

func (r reply) text(path string) string {
	v, _ := r.at(path).(string)
	return v
}

// at follows a path such as "items.0.id".
func (r reply) at(path string) any {
	var v any = r.body
	for step := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[step]
		case []any:
			n := 0
			for _, d := range step {
				n = 10*n + int(d-'0')
			}
			if n >= len(x) {
				return nil
			}
			v = x[n]
		default:
			return nil
		}
	}
	return v
}

// problem is the word of a refusal, and the faults as "pointer code".
func (r reply) problem() (string, []string) {
	var faults []string
	list, _ := r.at("errors").([]any)
	for i := range list {
		f, _ := list[i].(map[string]any)
		where, _ := f["pointer"].(string)
		if name, ok := f["name"].(string); ok {
			where = name
		}
		code, _ := f["code"].(string)
		faults = append(faults, where+" "+code)
	}
	return strings.TrimPrefix(r.text("type"), "urn:vestibule:problem:"), faults
}

// ask makes a request with the key of that id and checks the answer against the
// document. Further headers are "Name: value".
func (s *site) ask(key, method, path, body string, headers ...string) reply {
	s.t.Helper()
	r := s.request(method, path, body, headers...)
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+s.keys[key])
	}
	return s.send(r)
}

func (s *site) request(method, path, body string, headers ...string) *http.Request {
	r := httptest.NewRequestWithContext(s.t.Context(), method, door+api.Prefix+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	return r
}

func (s *site) send(r *http.Request) reply {
	s.t.Helper()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	res := w.Result()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	a := reply{status: res.StatusCode, header: res.Header, raw: string(raw)}
	if err := json.Unmarshal(raw, &a.body); err != nil {
		s.t.Fatalf("%s %s: %d with no JSON object: %v\n%s", r.Method, r.URL.Path, a.status, err, raw)
	}
	for _, h := range []string{"Set-Cookie", "Access-Control-Allow-Origin", "Access-Control-Allow-Headers", "Access-Control-Allow-Methods"} {
		if res.Header.Get(h) != "" {
			s.t.Errorf("%s %s answers with %s", r.Method, r.URL.Path, h)
		}
	}
	if res.Header.Get("Cache-Control") != "no-store" {
		s.t.Errorf("%s %s may be cached", r.Method, r.URL.Path)
	}
	op, faults := s.doc.checkReply(r.Method, strings.TrimPrefix(r.URL.Path, api.Prefix), a)
	for _, f := range faults {
		s.t.Errorf("%s %s = %d: %s\n%s", r.Method, r.URL.Path, a.status, f, raw)
	}
	if a.status < 300 && op != "" {
		s.done[op] = true
	}
	return a
}

// must is ask for what has to go well.
func (s *site) must(status int, key, method, path, body string, headers ...string) reply {
	s.t.Helper()
	r := s.ask(key, method, path, body, headers...)
	if r.status != status {
		s.t.Fatalf("%s %s = %d, want %d\n%s", method, path, r.status, status, r.raw)
	}
	return r
}

// form is the body of a meeting in an hour with the invitees.
func form(names ...string) string {
	type invitee map[string]string
	list := []invitee{}
	for _, n := range names {
		list = append(list, invitee{"name": n, "email": strings.ToLower(n) + "@exemple.fr"})
	}
	b, _ := json.Marshal(map[string]any{
		"title": "Consultation J. D.", "starts": time.Now().Add(time.Minute).Format(time.RFC3339),
		"ends": time.Now().Add(time.Hour).Format(time.RFC3339), "invitations": list,
	})
	return string(b)
}

// knock brings an invitee with a link to the waiting room.
func (s *site) knock(link, name string) string {
	s.t.Helper()
	link = strings.TrimPrefix(link, door+"/i/")
	if err := s.lobby.SendCode(s.t.Context(), link, meeting.Mailbox, ""); err != nil {
		s.t.Fatal(err)
	}
	s.box.mu.Lock()
	code := s.box.code
	s.box.mu.Unlock()
	p, err := s.lobby.CheckCode(s.t.Context(), link, code, "")
	if err != nil {
		s.t.Fatal(err)
	}
	_, a, err := s.lobby.Knock(s.t.Context(), link, lobby.Arrival{Person: p, Device: rand.Text(), Name: name, Agent: "Firefox", Consent: true}, "")
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// until waits for something that other goroutines bring about.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatalf("it does not come about: %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// of is the meeting's path.
func of(id string) string { return "/meetings/" + id }
