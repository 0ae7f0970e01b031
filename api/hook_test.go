package api_test

import (
	"context"
	"crypto/hmac"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"vestibule/api"
	"vestibule/meeting"
	"vestibule/store"
	"vestibule/webhook"
)

// receiver is an institution's side: it checks what it is told and believes
// each delivery once, as docs/OPERATING.md asks receivers to.
type receiver struct {
	*httptest.Server
	secret []byte
	doc    *document

	mu      sync.Mutex
	took    []string        // types, in order; guarded by mu
	bodies  []string        // guarded by mu
	seen    map[string]bool // webhook ids; guarded by mu
	tries   int             // guarded by mu
	refused []string        // guarded by mu
	before  http.HandlerFunc
	raw     []delivery // guarded by mu
}

// delivery is a request as it came.
type delivery struct {
	header http.Header
	body   string
}

func listen(t *testing.T, before http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{secret: []byte(strings.Repeat("s", 32)), doc: read(t), seen: map[string]bool{}, before: before}
	r.Server = httptest.NewTLSServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	b, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	r.mu.Lock()
	r.tries++
	r.raw = append(r.raw, delivery{req.Header.Clone(), string(b)})
	r.mu.Unlock()
	if r.before != nil {
		answered := &recorded{ResponseWriter: w}
		if r.before(answered, req); answered.done {
			return
		}
	}
	if why := r.take(req.Header, string(b), time.Now()); why != "" {
		r.mu.Lock()
		r.refused = append(r.refused, why)
		r.mu.Unlock()
		http.Error(w, why, http.StatusBadRequest)
	}
}

// recorded knows whether anything was answered.
type recorded struct {
	http.ResponseWriter
	done bool
}

func (r *recorded) WriteHeader(code int) {
	r.done = true
	r.ResponseWriter.WriteHeader(code)
}

// take is all that a receiver has to do: check the signature over the bytes as
// they came, the age, and whether the id is new.
func (r *receiver) take(h http.Header, body string, now time.Time) (why string) {
	id, at := h.Get("webhook-id"), h.Get("webhook-timestamp")
	want := webhook.Sign(r.secret, id, at, []byte(body))
	if !slices.ContainsFunc(strings.Fields(h.Get("webhook-signature")), func(s string) bool { return hmac.Equal([]byte(s), []byte(want)) }) {
		return "signature"
	}
	sec, err := strconv.ParseInt(at, 10, 64)
	if age := now.Sub(time.Unix(sec, 0)); err != nil || age > 5*time.Minute || age < -5*time.Minute {
		return "age"
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen[id] {
		return "" // told before: taken, and not acted on again
	}
	r.seen[id] = true
	var v map[string]any
	if json.Unmarshal([]byte(body), &v) != nil {
		return "json"
	}
	if faults := r.doc.fits(map[string]any{"$ref": "#/components/schemas/Call"}, v, ""); len(faults) > 0 {
		return fmt.Sprint(faults)
	}
	r.took, r.bodies = append(r.took, word(v["type"])), append(r.bodies, body)
	return ""
}

func (r *receiver) types() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.took)
}

func (r *receiver) count() (tries int, refused []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tries, slices.Clone(r.refused)
}

// hook is the receiver as a door is set up for it.
func (r *receiver) hook() api.Hook {
	pool := x509.NewCertPool()
	pool.AddCert(r.Certificate())
	return api.Hook{URL: r.URL + "/hook?token=t0ken", Secret: r.secret, RootCAs: pool}
}

// telling opens a site that tells a receiver, without waiting long.
func telling(t *testing.T, hooks ...api.Hook) *site {
	t.Helper()
	return openWith(t, func(c *api.Config) { c.Hooks = hooks }, func(s *api.Server) {
		api.Hurry(s, 20*time.Second)
	})
}

func TestHookTellsEverythingInOrder(t *testing.T) {
	r := listen(t, nil)
	s := telling(t, r.hook())
	m := of(s.must(201, "all", "POST", "/meetings", form()).text("id"))
	s.must(200, "all", "POST", m+"/lock", "")
	s.must(200, "all", "POST", m+"/unlock", "")
	s.must(200, "all", "POST", m+"/cancel", "")
	want := []string{"created", "locked", "unlocked", "cancelled"}
	until(t, "four deliveries", func() bool { return len(r.types()) >= 4 })
	if got := r.types(); !slices.Equal(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
	// What is listed and what is told has one id.
	for i, item := range list(s.must(200, "all", "GET", m+"/events", "").at("items")) {
		if id := word(dict(item)["id"]); !r.seen[id] || !strings.Contains(r.bodies[i], id) {
			t.Errorf("event %d of the list was told under another id", i)
		}
	}
	if _, refused := r.count(); refused != nil {
		t.Errorf("the receiver refused %v", refused)
	}
	if log := s.log.String(); strings.Contains(log, "t0ken") {
		t.Error("the log holds the address of a hook")
	}
}

// Whoever kept a delivery, or makes one up, is not believed.
func TestReceiverRefusesReplays(t *testing.T) {
	r := listen(t, nil)
	s := telling(t, r.hook())
	s.must(201, "all", "POST", "/meetings", form())
	until(t, "a delivery", func() bool { return len(r.types()) == 1 })
	d := r.raw[0]
	with := func(name, value string) http.Header {
		h := d.header.Clone()
		h.Set(name, value)
		return h
	}
	cases := []struct {
		name string
		h    http.Header
		body string
		now  time.Time
		want string
	}{
		{"an hour later", d.header, d.body, time.Now().Add(time.Hour), "age"},
		{"with a new time", with("webhook-timestamp", fmt.Sprint(time.Now().Add(time.Minute).Unix())), d.body, time.Now(), "signature"},
		{"with a new id", with("webhook-id", "evt_x"), d.body, time.Now(), "signature"},
		{"with another body", d.header, strings.Replace(d.body, "created", "admitted", 1), time.Now(), "signature"},
		{"without a signature", with("webhook-signature", ""), d.body, time.Now(), "signature"},
	}
	for _, c := range cases {
		if got := r.take(c.h, c.body, c.now); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if why := r.take(d.header, d.body, time.Now()); why != "" || len(r.types()) != 1 {
		t.Errorf("the same again at once: %q and %d events, want it taken and not acted on", why, len(r.types()))
	}
}

func TestHookFailsAndComesBack(t *testing.T) {
	elsewhere := 0
	var mu sync.Mutex
	n := 0
	r := listen(t, func(w http.ResponseWriter, req *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if req.URL.Path == "/elsewhere" {
			elsewhere++
			w.WriteHeader(http.StatusOK)
			return
		}
		n++
		switch n {
		case 1:
			w.WriteHeader(http.StatusInternalServerError)
		case 2:
			http.Redirect(w, req, "/elsewhere", http.StatusTemporaryRedirect)
		case 3: // drops the connection
			c, _, err := http.NewResponseController(w.(*recorded).ResponseWriter).Hijack()
			if err == nil {
				_ = c.Close()
			}
			w.(*recorded).done = true
		}
	})
	s := telling(t, r.hook())
	s.must(201, "all", "POST", "/meetings", form())
	until(t, "a delivery", func() bool { return len(r.types()) == 1 })
	mu.Lock()
	defer mu.Unlock()
	if tries, _ := r.count(); tries < 4 || elsewhere != 0 {
		t.Errorf("%d tries and %d of them elsewhere, want 4 and none", tries, elsewhere)
	}
	ids := map[string]bool{}
	for _, d := range r.raw {
		ids[d.header.Get("webhook-id")] = true
	}
	if len(ids) != 1 {
		t.Errorf("one event has %d ids", len(ids))
	}
}

// An event that is never taken does not hold up the others for ever.
func TestHookGivesUp(t *testing.T) {
	poison := ""
	var mu sync.Mutex
	r := listen(t, func(w http.ResponseWriter, req *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if poison == "" {
			poison = req.Header.Get("webhook-id")
		}
		if req.Header.Get("webhook-id") == poison {
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	s := telling(t, r.hook())
	m := of(s.must(201, "all", "POST", "/meetings", form()).text("id"))
	s.must(200, "all", "POST", m+"/lock", "")
	until(t, "the event behind", func() bool { return slices.Equal(r.types(), []string{"locked"}) })
	if !strings.Contains(s.log.String(), "webhook given up") {
		t.Error("nobody is told that an event was given up")
	}
}

// Names are sent only where the site asks for it, and only events it wants.
func TestHookNames(t *testing.T) {
	plain, named := listen(t, nil), listen(t, nil)
	h := named.hook()
	h.IncludeNames, h.Events = true, []string{"knocked"}
	s := telling(t, plain.hook(), h)
	m := of(s.must(201, "all", "POST", "/meetings", form("Jeanne")).text("id"))
	s.knock(s.must(200, "all", "GET", m+"/invitations", "").text("items.0.link"), "Jeanne D.")
	until(t, "the knock", func() bool { return slices.Contains(plain.types(), "knocked") && len(named.types()) > 0 })
	if got := named.types(); !slices.Equal(got, []string{"knocked"}) || !strings.Contains(named.bodies[0], `"name":"Jeanne D."`) {
		t.Errorf("told %v %v, want the knock alone, with its name", got, named.bodies)
	}
	for _, b := range plain.bodies {
		if strings.Contains(strings.ToLower(b), "jeanne") || strings.Contains(b, "Claire") {
			t.Errorf("a body holds a name: %s", b)
		}
	}
}

// Two nodes on one store tell each event once, and one goes on where another
// was stopped.
func TestHookFromTwoNodes(t *testing.T) {
	r := listen(t, nil)
	s := telling(t, r.hook())
	second := s.node(func(c *api.Config) { c.Hooks = []api.Hook{r.hook()} }, 20*time.Second)
	stop := s.start(second)
	for range 10 {
		m := of(s.must(201, "all", "POST", "/meetings", form()).text("id"))
		s.must(200, "all", "POST", m+"/lock", "")
	}
	until(t, "twenty events", func() bool { return len(r.types()) >= 20 })
	if tries, _ := r.count(); tries != 20 {
		t.Errorf("%d deliveries of 20 events", tries)
	}
	stop()
}

// What happens while a hook is not told, because its receiver or this door is
// down, is told afterwards.
func TestHookAfterARestart(t *testing.T) {
	down := true
	var mu sync.Mutex
	r := listen(t, func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if down {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	hooks := func(c *api.Config) { c.Hooks = []api.Hook{r.hook()} }
	s := open(t, nil) // serves, tells nobody
	s.open(slog.New(slog.DiscardHandler), []api.Hook{r.hook()})
	s.Server = s.node(hooks, 100*time.Millisecond)
	stop := s.start(s.Server)
	m := of(s.must(201, "all", "POST", "/meetings", form()).text("id"))
	until(t, "a try", func() bool { n, _ := r.count(); return n > 0 })
	stop()
	s.must(200, "all", "POST", m+"/lock", "") // nobody listens
	mu.Lock()
	down = false
	mu.Unlock()
	defer s.start(s.node(hooks, 100*time.Millisecond))()
	until(t, "both events", func() bool { return slices.Equal(r.types(), []string{"created", "locked"}) })
}

// What is told leaves nothing behind in the store but its place.
func TestHookListIsEmptyOnceTold(t *testing.T) {
	r := listen(t, nil)
	s := telling(t, r.hook())
	s.must(201, "all", "POST", "/meetings", form())
	until(t, "the delivery", func() bool { return len(r.types()) == 1 })
	until(t, "nothing pending", func() bool {
		pending := 0
		for _, owner := range s.shelf.owners() {
			ids, err := s.store.Owned(t.Context(), owner, time.Time{}, 10)
			if err != nil {
				t.Fatal(err)
			}
			pending += len(ids)
		}
		return pending == 0
	})
}

// Every word that the state machine writes is known here, so that a
// configuration can be checked.
func TestEventTypesAreAll(t *testing.T) {
	src, err := os.ReadFile("../meeting/apply.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^\t\w+\s+What = "(\w+)"`).FindAllStringSubmatch(string(src), -1) {
		if !slices.Contains(api.EventTypes(), m[1]) {
			t.Errorf("%s is missing", m[1])
		}
	}
}

func TestHookAddresses(t *testing.T) {
	for _, c := range []struct {
		url   string
		plain bool
		ok    bool
	}{
		{"https://receiver.example/hook", false, true},
		{"http://receiver.example/hook", false, false},
		{"http://receiver.example/hook", true, true},
		{"https://user:pw@receiver.example/", false, false},
		{"ftp://receiver.example/", true, false},
		{"/hook", false, false},
		{"https://", false, false},
	} {
		_, err := api.New(api.Config{Hooks: []api.Hook{{URL: c.url, Secret: make([]byte, 32), DangerouslyAllowPlainHTTP: c.plain}}})
		if got := !strings.Contains(err.Error(), "webhooks"); got != c.ok {
			t.Errorf("%q (plain %t): %v", c.url, c.plain, err)
		}
	}
}

// streams notes which lists are used.
type streams struct {
	*store.Memory
	mu   sync.Mutex
	used map[string]bool // guarded by mu
}

func (s *streams) Index(ctx context.Context, owner string, m meeting.ID, ends, expires time.Time) error {
	s.mu.Lock()
	s.used[owner] = true
	s.mu.Unlock()
	return s.Memory.Index(ctx, owner, m, ends, expires)
}

func (s *streams) owners() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for o := range s.used {
		list = append(list, o)
	}
	return list
}
