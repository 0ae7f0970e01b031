package gateway_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"vestibule/meeting"
	"vestibule/store"
	"vestibule/store/storetest"
)

// bots are agents that open links in mails and chats before a person does.
func bots() []string {
	return []string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 BingPreview/1.0b",
		"Mozilla/5.0 (compatible; MSIE 10.0; Windows NT 6.1) SafeLinks",
		"facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
		"Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
		"Mozilla/5.0 (compatible; Proofpoint URL Defense)",
		"WhatsApp/2.23.20.0",
		"Barracuda Sentinel (EE)",
	}
}

// dump is a fingerprint of everything a redis-server holds, ends included.
func dump(t *testing.T, r *storetest.Server) string {
	t.Helper()
	keys := r.Do(t, "KEYS", "*")
	slices.Sort(keys)
	h := sha256.New()
	for _, k := range keys {
		fmt.Fprintf(h, "%q %q %q\n", k, r.Do(t, "DUMP", k), r.Do(t, "PEXPIRETIME", k))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// TestT01ScannersChangeNothing looks at a personal link as mail scanners and
// previews do, on a real redis-server.
func TestT01ScannersChangeNothing(t *testing.T) {
	t.Parallel()
	r := storetest.StartRedis(t)
	kept, err := store.Open(store.Config{URL: r.URL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = kept.Close() })
	s := openWith(t, setup{store: kept})
	m := s.host(doctor()).meet(nil, "Jane Doe")
	m.settles()
	before := dump(t, r)
	link := m.links["Jane Doe"]
	for i := range 50 {
		v := s.browser(t, i%2 == 0)
		v.agent = bots()[i%len(bots())]
		for _, path := range []string{link, link + "/code", link + "/name", link + "/verify", link + "/signin", link + "/knock"} {
			v.send(v.request([]string{http.MethodGet, http.MethodHead, http.MethodOptions}[i%3], path, nil))
		}
	}
	if got := dump(t, r); got != before {
		t.Error("looking at a link changed the store")
	}
	g := s.visit()
	if got := m.state(g.knock(m, "Jane Doe")); got != meeting.Waiting {
		t.Errorf("the person after them is %v, want Waiting", got)
	}
}

// TestT03SecondBrowserIsMarked forwards a link to somebody else.
func TestT03SecondBrowserIsMarked(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe")
	one, two := s.visit(), s.visit()
	a := one.knock(m, "Jane Doe")
	h.opens(m)
	h.admits(m, a)
	if page := two.get(m.links["Jane Doe"]).body; !strings.Contains(page, "already opened on another device") {
		t.Error("the second browser is not told that the link was used")
	}
	a2 := two.signIn(m.links["Jane Doe"]+"/signin", stranger())
	two.want(a2, http.StatusSeeOther, "signing in with another's link")
	second := two.knockAs(m, "Jane Doe", "Jane Doe")
	if got := m.state(second); got != meeting.Waiting {
		t.Errorf("the second one is %v, want Waiting", got)
	}
	console := h.get(m.path("")).body
	for _, want := range []string{"Link opened on two devices", "The name is not the invitation", "The address is not the invitation"} {
		if !strings.Contains(console, want) {
			t.Errorf("the host is not told %q", want)
		}
	}
	h.post(m.path("/admit-verified"), nil)
	if got := m.state(second); got != meeting.Waiting {
		t.Errorf("after admit-verified the second one is %v, want Waiting", got)
	}
}

// TestT08CodeWorksOnce tries a used code, an expired one and that of another
// invitation.
func TestT08CodeWorksOnce(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	m := h.meet(nil, "Used", "Late", "Here", "Other")
	other := h.meet(nil, "Elsewhere")
	v := s.visit()
	v.prove(m, "Used")
	used := s.box.code(m.mails["Used"])
	late := s.ask(v, m, "Late")
	s.expire(m, "Late")
	s.ask(v, m, "Here")
	foreign := s.ask(v, m, "Other")
	s.ask(v, other, "Elsewhere")
	var bodies []string
	for name, x := range map[string]struct {
		m    *held
		code string
	}{"Used": {m, used}, "Late": {m, late}, "Here": {m, foreign}, "Elsewhere": {other, foreign}} {
		g := s.visit()
		g.get(x.m.links[name])
		a := g.post(x.m.links[name]+"/verify", url.Values{"code": {x.code}})
		g.want(a, http.StatusUnprocessableEntity, name)
		if g.cookie(doorOrigin, "__Host-door") != "" {
			t.Errorf("%s: a session was given", name)
		}
		body := strings.ReplaceAll(a.body, x.m.links[name], "/i/LINK")
		bodies = append(bodies, masked.ReplaceAllString(plain(body), "MAILBOX"))
	}
	for _, b := range bodies[1:] {
		if b != bodies[0] {
			t.Errorf("the refusals differ:\n%s\n%s", bodies[0], b)
		}
	}
}

// wayward are other ways to write the address of a link: some are the same
// link to a server, some none at all.
func wayward(link string) []string {
	all := "/i/"
	for _, b := range []byte(strings.TrimPrefix(link, "/i/")) {
		all += fmt.Sprintf("%%%02X", b)
	}
	return []string{
		link, all, strings.ToLower(all), link[:5] + fmt.Sprintf("%%%02x", link[5]) + link[6:], "/%69/" + link[3:],
		strings.ToUpper(link), strings.ToLower(link), link + "%20", link + "=", link + ".", link + "%00", link + "%EF%BC%8F",
		"/i//" + link[3:], "/i/./" + link[3:], "/I/" + link[3:], link + "?x=1", link + "+a",
	}
}

// TestT05SpellingsOfALink guesses at one invitation by every spelling of its
// address, each twice: five guesses are looked at, whatever they were sent to.
func TestT05SpellingsOfALink(t *testing.T) {
	t.Parallel()
	s := open(t)
	m := s.host(doctor()).meet(nil, "Jane Doe", "John Roe")
	link := m.links["Jane Doe"]
	code := s.ask(s.visit(), m, "Jane Doe")
	tried := func() (n int) {
		for _, v := range m.snapshot().Invitations {
			n += v.Tried.Codes
		}
		return n
	}
	answers, used := map[int]int{}, 0
	for i := range 2 * len(wayward(link)) {
		address, query, _ := strings.Cut(wayward(link)[i/2], "?")
		v := s.visit()
		v.get(link)
		before := tried()
		answers[v.post(address+"/verify?"+query, url.Values{"code": {other(code, i)}}).status]++
		if tried() > before {
			used++
		}
	}
	if got := tried(); got != meeting.CodeTries || used != meeting.CodeTries {
		t.Errorf("%d codes were looked at in %d requests (answers %v), want %d", got, used, answers, meeting.CodeTries)
	}
	v := s.visit()
	v.get(link)
	if a := v.post(link+"/verify", url.Values{"code": {code}}); a.status == http.StatusSeeOther || v.cookie(doorOrigin, "__Host-door") != "" {
		t.Errorf("after them the right code = %d, want a refusal", a.status)
	}
	s.visit().prove(m, "John Roe") // nothing lost
}

// other is a code that is not the right one.
func other(code string, i int) string {
	n, _ := strconv.Atoi(code)
	return fmt.Sprintf("%06d", (n+1+i)%1_000_000)
}

// ask has a code sent for an invitation, and answers it.
func (s *site) ask(v *visitor, m *held, name string) string {
	s.t.Helper()
	v.get(m.links[name])
	v.want(v.post(m.links[name]+"/code", nil), http.StatusSeeOther, "asking for a code")
	return s.box.code(m.mails[name])
}

// expire makes an invitation's codes ten minutes old.
func (s *site) expire(m *held, name string) {
	s.t.Helper()
	s.rewrite(m, name, `"expires":"[^"]*"`, `"expires":"`+time.Now().Add(-time.Second).Format(time.RFC3339Nano)+`"`)
}

// rewrite changes what is stored of an invitation.
func (s *site) rewrite(m *held, name, what, with string) {
	s.t.Helper()
	docs, err := s.valve.All(s.t.Context(), m.id)
	if err != nil {
		s.t.Fatal(err)
	}
	for doc, d := range docs {
		if !strings.Contains(string(d.Value), `"name":"`+name+`"`) {
			continue
		}
		old := regexp.MustCompile(what).ReplaceAll(d.Value, []byte(with))
		_, _, err := s.valve.Commit(context.WithoutCancel(s.t.Context()), m.id, store.Commit{
			Reads: map[string]uint64{doc: d.Version}, Writes: []store.Write{{Name: doc, Value: old}},
		})
		if err != nil {
			s.t.Fatal(err)
		}
		return
	}
	s.t.Fatalf("no invitation called %s", name)
}

// plain is a page without what is new in each one.
func plain(body string) string { return guardField.ReplaceAllString(body, "") }

var (
	guardField = regexp.MustCompile(`name="(csrf|attempt)" value="[^"]*"`)
	masked     = regexp.MustCompile(`<bdi>.•••@`)
	waits      = regexp.MustCompile(`data-wait="\d+"`)
	langLink   = regexp.MustCompile(`href="[^"]*\?lang=`)
)

// forgeries are links that look like one and are none.
func forgeries(link string, n int) []string {
	var all []string
	raw, err := base64.RawURLEncoding.DecodeString(link)
	if err != nil {
		panic(err)
	}
	for i := range n {
		b := slices.Clone(raw)
		switch i % 5 {
		case 0: // another code
			_, _ = rand.Read(b[len(b)-16:])
		case 1: // another meeting
			_, _ = rand.Read(b[:16])
		case 2: // another generation, or anything else
			b[i%len(b)] ^= 1 << (i % 8)
		case 3: // another length
			b = b[:i%len(b)]
		case 4:
			_, _ = rand.Read(b)
			b = append(b, b[:i%40]...)
		}
		if x := base64.RawURLEncoding.EncodeToString(b); x != "" && x != link {
			all = append(all, x)
		}
	}
	return append(all, "x", "..", "%2e%2e", "a%20b", "%00", "%ff", "😀", link+"=", link+"A", strings.ToUpper(link), strings.ToLower(link), link[1:])
}

// TestT10NothingToBeFoundOut asks for links and meetings that exist for others
// and for those that never did.
func TestT10NothingToBeFoundOut(t *testing.T) {
	t.Parallel()
	s := open(t)
	m := s.host(doctor()).meet(nil, "Jane Doe")
	link := strings.TrimPrefix(m.links["Jane Doe"], "/i/")
	g := s.visit2()
	seen := map[string]string{}
	same := func(kind, path, id string, a answer) {
		t.Helper()
		body := strings.ReplaceAll(plain(a.body), path, "PATH")
		if u, err := url.PathUnescape(path); err == nil {
			body = strings.ReplaceAll(body, u, "PATH")
		}
		got := fmt.Sprint(a.status, " ", langLink.ReplaceAllString(body, `href="PATH?lang=`))
		if before, ok := seen[kind]; ok && before != got {
			t.Errorf("%s %q is answered differently:\n%s\nbefore:\n%s", kind, id, head(got), head(before))
		}
		seen[kind] = got
	}
	for i, f := range forgeries(link, 200) {
		if f == ".." {
			continue // the client takes it away
		}
		for _, action := range [][]string{{""}, {"", "/code", "/name"}}[min(1, i/180)] {
			path := "/i/" + f + action
			same("link"+action, path, f, g.get(path))
		}
	}
	for i, f := range forgeries(link, 40) {
		if action := []string{"/signin", "/code", "/verify", "/knock"}[i%4]; f != ".." {
			a := g.post("/i/"+f+action, url.Values{"code": {"123456"}, "provider": {"hospital"}, "name": {"x"}, "consent": {"1"}})
			same("posting to a link", "/i/"+f+action, f, a)
		}
	}
	ids := []string{string(m.id), "x", "%ff", "a%20b", "{}", strings.Repeat("a", 300), string(m.id)[1:], strings.ToUpper(string(m.id)), "%7Bm%7D"}
	for range 200 {
		ids = append(ids, string(meeting.NewID()))
	}
	x := s.host(stranger2())
	for i, id := range ids {
		same("stranger's meeting", "/m/"+id, id, x.get("/m/"+id))
		if i > 20 {
			continue
		}
		same("nobody's meeting", "/m/"+id, id, g.get("/m/"+id))
		for _, action := range []string{"/created", "/events"} {
			path := "/m/" + id + action
			same("stranger's meeting"+action, path, id, x.get(path))
			same("nobody's meeting"+action, path, id, g.get(path))
		}
	}
	for _, id := range append(ids[:12:12], strings.Repeat("f", 32)) {
		for action, form := range hostForms() {
			same("stranger's "+action, "/m/"+id+action, id, x.post("/m/"+id+action, form))
		}
	}
	for _, id := range []string{"x", meeting.NewAdmissionID(), "%ff"} {
		same("admission", "/a/"+id, id, g.get("/a/"+id))
	}
	if s.log.has(`"level":"ERROR"`) {
		t.Error("somebody's guess is a fault of ours in the log")
	}
}

// stranger2 may make meetings and hosts none of those here.
func stranger2() map[string]any {
	c := surgeon()
	c["sub"] = "dr-3"
	return c
}

// hostForms is what a host's buttons send.
func hostForms() map[string]url.Values {
	a := strings.Repeat("0", 32)
	return map[string]url.Values{
		"/answer": {"admission": {a}, "answer": {"admit"}}, "/admit-verified": {}, "/expel": {"admission": {a}}, "/lock": {}, "/unlock": {},
		"/end": {}, "/cancel": {}, "/enter": {}, "/mail": {"invitation": {a[:16]}}, "/revoke": {"invitation": {a[:16]}},
	}
}
