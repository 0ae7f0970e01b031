package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vestibule/api"
	"vestibule/lobby"
	"vestibule/meeting"
)

// TestEveryOperation walks an institution's program through everything that
// the document offers, each answer checked against it.
func TestEveryOperation(t *testing.T) {
	s := openWith(t, nil, nil, vouch)
	s.must(200, "", "GET", "/openapi.json", "")
	made := s.must(201, "all", "POST", "/meetings", form("Jeanne", "Paul"))
	m := of(made.text("id"))
	if made.header.Get("Location") != api.Prefix+m {
		t.Errorf("Location = %q", made.header.Get("Location"))
	}
	if list := s.must(200, "all", "GET", "/meetings", ""); list.text("items.0.id") != made.text("id") || list.at("more") != false {
		t.Errorf("list = %s", list.raw)
	}
	read := s.must(200, "all", "GET", m, "")
	if read.header.Get("ETag") != made.header.Get("ETag") {
		t.Error("an unchanged meeting has another ETag")
	}
	until(t, "mails sent", func() bool { n, _ := s.box.count(); return n == 2 })
	moved := s.must(200, "all", "PATCH", m, `{"title":"Consultation","settings":{"guest_chat":true}}`, "If-Match: "+read.header.Get("ETag"))
	if moved.text("title") != "Consultation" || moved.at("settings.guest_chat") != true || moved.text("starts") != made.text("starts") {
		t.Errorf("altered = %s", moved.raw)
	}
	until(t, "changes mailed", func() bool { n, _ := s.box.count(); return n == 4 })
	added := s.must(201, "all", "POST", m+"/invitations", `{"invitations":[{"email":"rita@exemple.fr","role":"host"},{"name":"Sign-in","phone":"+33 6 12 34 56 42","match":{"claim":"rpps","value":"x"}}]}`)
	if added.text("items.0.name") != "rita" || added.text("items.1.match.value") != "x" || added.text("items.1.match.provider") != "a" || added.text("items.1.phone") != "+33612345642" {
		t.Errorf("invited = %s", added.raw)
	}
	var list reply
	until(t, "mail state sent", func() bool {
		list = s.must(200, "all", "GET", m+"/invitations", "")
		return list.text("items.0.mail.state") == "sent" && list.text("items.2.mail.state") == "sent"
	})
	if got := []string{list.text("items.0.name"), list.text("items.1.name"), list.text("items.2.name"), list.text("items.3.mail.state")}; !slices.Equal(got, []string{"Jeanne", "Paul", "rita", "none"}) {
		t.Errorf("invitations = %v", got)
	}
	s.decide(m, list)
	s.relink(m, list)
	s.must(200, "all", "POST", m+"/end", "")
	s.must(200, "all", "POST", m+"/cancel", "") // over already: nothing more happens
	events := s.must(200, "all", "GET", m+"/events?limit=3", "")
	if events.text("items.0.type") != "created" || events.at("more") != true {
		t.Errorf("events = %s", events.raw)
	}
	s.doc.each(func(method, path string, _, op map[string]any) {
		if !s.done[word(op["operationId"])] {
			t.Errorf("%s %s was not exercised", method, path)
		}
	})
}

// decide lets one in, refuses another and puts the first out again.
func (s *site) decide(m string, invitations reply) {
	t := s.t
	jeanne := s.knock(invitations.text("items.0.link"), "Dr Claire Martin")
	paul := s.knock(invitations.text("items.1.link"), "P. L.")
	waiting := s.must(200, "all", "GET", m+"/admissions", "")
	if waiting.text("items.0.id") != jeanne || waiting.text("items.1.id") != paul {
		t.Fatalf("waiting = %s", waiting.raw)
	}
	want := map[string]any{
		"method": "mailbox", "issuer": "mailto:", "subject": "jeanne@exemple.fr", "email": "jeanne@exemple.fr", "email_verified": true, "member": false,
	}
	got := dict(waiting.at("items.0.person"))
	delete(got, "proved_at")
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("evidence (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]any{"name_differs", "name_like_host"}, waiting.at("items.0.warnings")); d != "" {
		t.Errorf("warnings (-want +got):\n%s", d)
	}
	if waiting.text("items.0.invited.name") != "Jeanne" || waiting.text("items.0.display_name") != "Dr Claire Martin" {
		t.Errorf("names = %s", waiting.raw)
	}
	a := m + "/admissions/" + jeanne
	s.talk(a)
	// A key that may decide learns by it what it did, and nobody's evidence.
	if r := s.must(200, "decisions-write", "POST", a+"/hold", ""); r.raw != `{"id":"`+jeanne+`","state":"waiting"}`+"\n" {
		t.Errorf("hold = %s", r.raw)
	}
	if r := s.must(200, "all", "POST", a+"/admit", `{"display_name":"Jeanne M."}`); r.text("state") != "admitted" || r.text("rule") != "host" {
		t.Errorf("admit = %s", r.raw)
	}
	if r := s.must(200, "all", "POST", a+"/mute", ""); r.text("state") != "admitted" {
		t.Errorf("mute = %s", r.raw)
	}
	if r := s.ask("all", "POST", m+"/admissions/"+paul+"/mute", ""); r.status != 409 {
		t.Errorf("mute of who waits = %d, want 409", r.status)
	}
	if r := s.must(200, "all", "POST", m+"/admissions/"+paul+"/refuse", `{"reason":"later","message":"We call you."}`); r.text("state") != "refused" || r.text("talk.reason") != "later" || r.text("talk.farewell") != "We call you." {
		t.Errorf("refuse = %s", r.raw)
	}
	if r := s.must(200, "all", "GET", m+"/admissions?state=admitted", ""); r.text("items.0.id") != jeanne {
		t.Errorf("admitted = %s", r.raw)
	}
	if r := s.must(200, "decisions-write", "POST", m+"/unlock", ""); r.raw != `{"id":"`+strings.TrimPrefix(m, "/meetings/")+`","state":"planned","locked":false}`+"\n" {
		t.Errorf("a key that may decide and not read meetings is told %s", r.raw)
	}
	if r := s.must(200, "all", "POST", m+"/lock", ""); r.at("locked") != true {
		t.Errorf("lock = %s", r.raw)
	}
	s.must(200, "all", "POST", m+"/unlock", "")
	r := s.must(200, "all", "POST", a+"/expel", "")
	if r.text("state") != "expelled" || r.text("cuts.0.channel") != "link" || r.at("cuts.0.confirmed") != true {
		t.Errorf("expel = %s", r.raw)
	}
	if r := s.must(200, "all", "GET", a, ""); r.text("state") != "expelled" || r.at("cuts") != nil {
		t.Errorf("read = %s", r.raw)
	}
	if r := s.ask("all", "POST", a+"/admit", ""); r.status != 409 {
		t.Errorf("admit after expulsion = %d, want 409", r.status)
	}
}

// talk asks one who waits, gives them another name and is told of every word
// that cannot be used.
func (s *site) talk(a string) {
	t := s.t
	for path, bad := range map[string][]string{
		"/hold":   {`{"message":""}`, `{"message":"` + strings.Repeat("x", 301) + `"}`, `{"words":"x"}`},
		"/ask":    {``, `{"question":7}`},
		"/rename": {`{}`, `{"display_name":"` + strings.Repeat("x", 61) + `"}`},
		"/refuse": {`{"reason":"because"}`},
	} {
		for _, body := range bad {
			if r := s.ask("all", "POST", a+path, body); r.status != 422 {
				t.Errorf("%s with %s = %d, want 422", path, body, r.status)
			}
		}
	}
	if r := s.must(200, "all", "POST", a+"/hold", `{"message":"Five minutes."}`); r.text("talk.message") != "Five minutes." || r.text("talk.held") == "" {
		t.Errorf("hold = %s", r.raw)
	}
	if r := s.must(200, "all", "POST", a+"/ask", `{"question":"Who invited you?"}`); r.text("talk.question") != "Who invited you?" {
		t.Errorf("ask = %s", r.raw)
	}
	if r := s.must(200, "all", "POST", a+"/rename", `{"display_name":"Jeanne M."}`); r.text("display_name") != "Jeanne M." || r.text("person.subject") != "jeanne@exemple.fr" {
		t.Errorf("rename = %s", r.raw)
	}
	if r := s.ask("all", "POST", a+"/admit", `{"display_name":"Dr Claire Martin"}`); r.status != 409 || r.text("type") != "urn:vestibule:problem:name_changed" {
		t.Errorf("admit under another name = %s, want name_changed", r.raw)
	}
}

// relink withdraws a link and gives a new one.
func (s *site) relink(m string, invitations reply) {
	t := s.t
	i := m + "/invitations/" + invitations.text("items.2.id")
	if r := s.must(200, "all", "POST", i+"/revoke", ""); r.at("revoked") != true || r.text("link") != "" {
		t.Errorf("revoke = %s", r.raw)
	}
	before, _ := s.box.count()
	headers := []string{"Idempotency-Key: new-link"}
	r := s.must(200, "all", "POST", i+"/reissue", "", headers...)
	if r.at("revoked") != false || r.text("link") == invitations.text("items.2.link") {
		t.Errorf("reissue = %s", r.raw)
	}
	until(t, "the new link is mailed", func() bool { n, _ := s.box.count(); return n == before+1 })
	if again := s.must(200, "all", "POST", i+"/reissue", "", headers...); again.text("link") != r.text("link") {
		t.Error("the same attempt makes another link")
	}
	s.must(200, "all", "GET", i, "")
}

// A name, a slash or a link of somebody else's opens nothing, and a stranger
// learns nothing of what there is (T10).
func TestT10StrangersLearnNothing(t *testing.T) {
	s := open(t, nil)
	m := s.must(201, "all", "POST", "/meetings", form("Jeanne")).text("id")
	list := s.must(200, "all", "GET", of(m)+"/invitations", "")
	a := s.knock(list.text("items.0.link"), "J.")
	v := list.text("items.0.id")
	for _, served := range api.Served(s.Server) {
		method, path, _ := strings.Cut(served, " ")
		path, _, _ = strings.Cut(path, " ")
		if !strings.Contains(path, "{") {
			continue
		}
		body := ""
		switch {
		case method == "PATCH":
			body = `{"title":"x"}`
		case strings.HasSuffix(path, "/invitations") && method == "POST":
			body = `{"invitations":[{"name":"x"}]}`
		}
		known := strings.NewReplacer("{meeting}", m, "{invitation}", v, "{admission}", a).Replace(path)
		none := strings.NewReplacer("{meeting}", string(meeting.NewID()), "{invitation}", meeting.NewInvitationID(), "{admission}", meeting.NewAdmissionID()).Replace(path)
		odd := strings.NewReplacer("{meeting}", "%7Bm%7D", "{invitation}", "a%20b", "{admission}", "..%2f").Replace(path)
		there, nowhere := s.ask("other", method, known, body, "If-Match: *"), s.ask("other", method, none, body, "If-Match: *")
		if there.status != 404 || there.raw != nowhere.raw {
			t.Errorf("%s %s: %d %s for a stranger, %d %s where there is nothing", method, path, there.status, there.raw, nowhere.status, nowhere.raw)
		}
		if r := s.ask("all", method, odd, body, "If-Match: *"); r.status != 404 {
			t.Errorf("%s %s = %d, want 404", method, odd, r.status)
		}
	}
	if r := s.must(200, "other", "GET", "/meetings", ""); r.at("items.0") != nil {
		t.Errorf("a stranger's list = %s", r.raw)
	}
	if r := s.must(200, "all", "GET", of(m)+"/admissions", ""); r.text("items.0.state") != "waiting" {
		t.Errorf("the strangers changed something: %s", r.raw)
	}
}

// Each scope opens its own operations and no other.
func TestScopes(t *testing.T) {
	s := open(t, nil)
	m := s.must(201, "all", "POST", "/meetings", form("Jeanne")).text("id")
	for _, served := range api.Served(s.Server) {
		parts := strings.SplitN(served, " ", 3)
		path := strings.NewReplacer("{meeting}", m, "{invitation}", "0123456789abcdef", "{admission}", m).Replace(parts[1])
		for _, scope := range api.Scopes() {
			r := s.ask(strings.ReplaceAll(scope, ":", "-"), parts[0], path, "")
			if open := scope == parts[2] || parts[2] == ""; (r.status == 403) == open {
				t.Errorf("%s %s with %s = %d", parts[0], parts[1], scope, r.status)
			}
			if r.status == 403 && !strings.Contains(r.header.Get("WWW-Authenticate"), `scope="`+parts[2]+`"`) {
				t.Errorf("%s %s: WWW-Authenticate = %q", parts[0], path, r.header.Get("WWW-Authenticate"))
			}
		}
	}
	if r := s.ask("meetings-write", "POST", "/meetings", form("Jeanne")); r.status != 403 {
		t.Errorf("inviting without invitations:write = %d, want 403", r.status)
	}
	if r := s.must(200, "meetings-read", "GET", of(m)+"/invitations", ""); r.text("items.0.link") != "" {
		t.Error("a link is shown to who may not invite")
	}
}

func TestBadBodies(t *testing.T) {
	s := open(t, nil)
	long := strings.Repeat("x", 200)
	now := time.Now()
	at := func(d time.Duration) string { return now.Add(d).Format(time.RFC3339) }
	good := func(more string) string {
		return fmt.Sprintf(`{"title":"x","starts":%q,"ends":%q%s}`, at(0), at(time.Hour), more)
	}
	cases := []struct {
		name, body string
		status     int
		want       []string
	}{
		{"nothing", ``, 422, []string{"/title missing", "/starts missing", "/ends missing"}},
		{"everything wrong at once", `{"title":7,"starts":"tomorrow","ends":"` + at(time.Hour) + `","zone":"Mars/Olympus","lang":"de","colour":"red","settings":{"guest_chat":"yes","early_minutes":-1,"grace_minutes":307445735,"x/y~z":1},"invitations":[{"name":"` + long + `","email":"a@b@c.fr"},7,{"role":"boss"},{"name":"Host","role":"host"}]}`, 422, []string{
			"/title type", "/starts time", "/lang unknown", "/settings/guest_chat type", "/settings/early_minutes range", "/settings/grace_minutes range", "/settings/x~1y~0z unknown",
			"/invitations/0/email address", "/invitations/0/name too_long", "/invitations/1 type", "/invitations/2/name missing", "/invitations/2/role unknown",
			"/invitations/3/email missing", "/zone invalid", "/colour unknown",
		}},
		{"over before it begins", `{"title":"x","starts":"` + at(time.Hour) + `","ends":"` + at(0) + `"}`, 422, []string{"/ends invalid"}},
		{"in ten years", `{"title":"x","starts":"` + at(87600*time.Hour) + `","ends":"` + at(87601*time.Hour) + `"}`, 422, []string{"/starts invalid"}},
		{"nobody twice", good(`,"invitations":[{"email":"a@exemple.fr"},{"email":"A@exemple.fr"}]`), 422, []string{"/invitations/1/email twice"}},
		{"a number twice, and one of no country", good(`,"invitations":[{"name":"a","phone":"+33 612345642"},{"name":"b","phone":"+33612345642"},{"name":"c","phone":"0612345642"}]`), 422, []string{"/invitations/1/phone twice", "/invitations/2/phone phone"}},
		{"too many", good(`,"invitations":[` + strings.TrimSuffix(strings.Repeat(`{"name":"x"},`, 501), ",") + `]`), 422, []string{"/invitations too_many"}},
		{"a name said twice", `{"title":"x","title":"y"}`, 400, []string{" json"}},
		{"null", `{"title":null,"starts":"` + at(0) + `","ends":"` + at(time.Hour) + `"}`, 422, []string{"/title type"}},
		{"no object", `[]`, 400, []string{" json"}},
		{"two objects", `{}{}`, 400, []string{" json"}},
		{"cut short", `{"title":`, 400, []string{" json"}},
		{"deep", strings.Repeat(`{"a":`, 5000) + `1` + strings.Repeat(`}`, 5000), 400, []string{" json"}},
		{"no UTF-8", "{\"title\":\"\xff\"}", 400, []string{" json"}},
		{"huge", `{"title":"` + strings.Repeat("x", 300<<10) + `"}`, 413, nil},
	}
	for _, c := range cases {
		r := s.ask("all", "POST", "/meetings", c.body)
		if _, got := r.problem(); r.status != c.status || !cmp.Equal(got, c.want) {
			t.Errorf("%s: %d %v, want %d %v", c.name, r.status, got, c.status, c.want)
		}
	}
	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "application/merge-patch+json", ""} {
		r := s.request("POST", "/meetings", good(""))
		r.Header.Set("Authorization", "Bearer "+s.keys["all"])
		r.Header.Set("Content-Type", kind)
		if got := s.send(r); got.status != 415 {
			t.Errorf("Content-Type %q = %d, want 415", kind, got.status)
		}
	}
	if r := s.must(200, "all", "GET", "/meetings", ""); r.at("items.0") != nil {
		t.Errorf("something was made: %s", r.raw)
	}
}

// vouch has two providers, of which one keeps a claim.
func vouch(c *lobby.Config) {
	c.Vouchers = []lobby.Voucher{{ID: "a", Keep: []string{"rpps"}}, {ID: "b"}}
}

func matched(match string) string { return `{"invitations":[{"name":"K","match":` + match + `}]}` }

func TestBadRequests(t *testing.T) {
	s := openWith(t, nil, nil, vouch)
	m := of(s.must(201, "all", "POST", "/meetings", form("Jeanne")).text("id"))
	other := of(s.must(201, "all", "POST", "/meetings", form("Jeanne")).text("id"))
	next := s.must(200, "all", "GET", m+"/events?limit=1", "").text("next")
	cases := []struct {
		method, path, body string
		status             int
		want               []string
	}{
		{"GET", "/meetings?limit=0&cursor=x", "", 422, []string{"limit range", "cursor unknown"}},
		{"GET", "/meetings?limit=101", "", 422, []string{"limit range"}},
		{"GET", "/meetings?ends_after=now", "", 422, []string{"ends_after time"}},
		{"GET", other + "/events?cursor=" + next, "", 422, []string{"cursor unknown"}},
		{"GET", m + "/admissions?state=dead", "", 422, []string{"state unknown"}},
		{"POST", m + "/lock", `{"x":1}`, 422, []string{"/x unknown"}},
		{"POST", m + "/invitations", `{"invitations":[]}`, 422, []string{"/invitations empty"}},
		{"POST", m + "/invitations", ``, 422, []string{"/invitations missing"}},
		{"POST", m + "/invitations", matched(`{"claim":"nobody","value":"1"}`), 422, []string{"/invitations/0/match/claim unknown"}},
		{"POST", m + "/invitations", matched(`{"claim":"sub","value":"1"}`), 422, []string{"/invitations/0/match/provider missing"}},
		{"POST", m + "/invitations", matched(`{"claim":"rpps","value":"1","provider":"b"}`), 422, []string{"/invitations/0/match/claim unknown"}},
		{"POST", m + "/invitations", matched(`{"claim":"rpps","value":"1","provider":"c"}`), 422, []string{"/invitations/0/match/provider unknown"}},
		{"POST", m + "/invitations", matched(`{"claim":"domain","value":"corp"}`), 422, []string{"/invitations/0/match/value unknown"}},
		{"PATCH", m, `{"title":"x"}`, 428, nil},
		{"PUT", m, `{}`, 405, nil},
		{"DELETE", "/meetings", ``, 405, nil},
		{"OPTIONS", "/meetings", ``, 405, nil},
		{"GET", "/", ``, 404, nil},
		{"GET", "/people", ``, 404, nil},
	}
	for _, c := range cases {
		r := s.ask("all", c.method, c.path, c.body)
		if _, got := r.problem(); r.status != c.status || !cmp.Equal(got, c.want) {
			t.Errorf("%s %s: %d %v, want %d %v", c.method, c.path, r.status, got, c.status, c.want)
		}
	}
	if r := s.ask("all", "PUT", m, ""); r.header.Get("Allow") != "GET, PATCH" {
		t.Errorf("Allow = %q", r.header.Get("Allow"))
	}
}

// Two programs change one meeting: the second is told that it read an old one.
func TestChangesAreNotLost(t *testing.T) {
	s := open(t, nil)
	made := s.must(201, "all", "POST", "/meetings", form("Jeanne"))
	m, tag := of(made.text("id")), made.header.Get("ETag")
	// Who was never told that there is a meeting is not told that it is off.
	until(t, "the invitation is mailed", func() bool { n, _ := s.box.count(); return n > 0 })
	first := s.must(200, "all", "PATCH", m, `{"title":"One"}`, "If-Match: "+tag, "Idempotency-Key: 1")
	if r := s.ask("all", "PATCH", m, `{"title":"Two"}`, "If-Match: "+tag); r.status != 412 {
		t.Errorf("a change of an old version = %d, want 412", r.status)
	}
	// The first one's reply was lost (T07).
	if r := s.must(200, "all", "PATCH", m, `{"title":"One"}`, "If-Match: "+tag, "Idempotency-Key: 1"); r.raw != first.raw {
		t.Errorf("the same attempt again = %s, want %s", r.raw, first.raw)
	}
	s.must(200, "all", "POST", m+"/lock", "")
	if r := s.ask("all", "PATCH", m, `{"title":"Two"}`, "If-Match: "+first.header.Get("ETag")); r.status != 412 {
		t.Errorf("a change of a meeting locked since = %d, want 412", r.status)
	}
	s.must(200, "all", "PATCH", m, `{"title":"Three"}`, "If-Match: *", "Content-Type: application/merge-patch+json")
	until(t, "the invitation is mailed", func() bool { n, _ := s.box.count(); return n > 0 }) // else there is nothing to take back
	s.must(200, "all", "POST", m+"/cancel", "")
	if r := s.ask("all", "PATCH", m, `{"title":"Four"}`, "If-Match: *"); r.status != 409 {
		t.Errorf("a change of a cancelled meeting = %d, want 409", r.status)
	}
	until(t, "the cancellation is mailed", func() bool { _, n := s.box.count(); return n == 1 })
}

// The same request with the same key happens once, however often it is sent.
func TestT07SameAttemptHappensOnce(t *testing.T) {
	s := open(t, nil)
	body := form("Jeanne")
	first := s.must(201, "all", "POST", "/meetings", body, "Idempotency-Key: a")
	for range 5 {
		if r := s.must(201, "all", "POST", "/meetings", body, "Idempotency-Key: a"); r.text("id") != first.text("id") {
			t.Fatal("another meeting")
		}
	}
	if r := s.ask("all", "POST", "/meetings", form("Paul"), "Idempotency-Key: a"); r.status != 422 {
		t.Errorf("another request with the key = %d, want 422", r.status)
	} else if w, _ := r.problem(); w != "reused" {
		t.Errorf("problem %s, want reused", w)
	}
	// The key is the caller's own.
	if r := s.must(201, "other", "POST", "/meetings", body, "Idempotency-Key: a"); r.text("id") == first.text("id") {
		t.Error("a key of somebody else's answers with their meeting")
	}
	m := of(first.text("id"))
	more := `{"invitations":[{"name":"Rita"}]}`
	one := s.must(201, "all", "POST", m+"/invitations", more, "Idempotency-Key: a")
	two := s.must(201, "all", "POST", m+"/invitations", more, "Idempotency-Key: a")
	if one.text("items.0.id") != two.text("items.0.id") {
		t.Error("invited twice")
	}
	if r := s.must(200, "all", "GET", m+"/invitations", ""); len(list(r.at("items"))) != 2 {
		t.Errorf("invitations = %s", r.raw)
	}
}

func TestLists(t *testing.T) {
	s := open(t, nil)
	names := make([]string, 7)
	for i := range names {
		names[i] = fmt.Sprint("N", i)
	}
	m := of(s.must(201, "all", "POST", "/meetings", form(names...)).text("id"))
	for range 6 {
		s.must(201, "all", "POST", "/meetings", form())
	}
	all := s.must(200, "all", "GET", m+"/invitations", "")
	for i := range names {
		s.knock(all.text(fmt.Sprintf("items.%d.link", i)), names[i])
	}
	for _, path := range []string{"/meetings", m + "/invitations", m + "/admissions", m + "/events"} {
		seen, leaves := map[string]bool{}, 0
		for cursor, more := "", true; more; leaves++ {
			r := s.must(200, "all", "GET", path+"?limit=3&cursor="+cursor, "")
			for _, item := range list(r.at("items")) {
				id := word(dict(item)["id"])
				if seen[id] {
					t.Errorf("%s: %s comes twice", path, id)
				}
				seen[id] = true
			}
			cursor, more = r.text("next"), r.at("more") == true
		}
		if n := len(seen); n < 7 || leaves != (n+2)/3 {
			t.Errorf("%s: %d items in %d leaves", path, n, leaves)
		}
	}
	// The end of the events goes on where it stopped.
	r := s.must(200, "all", "GET", m+"/events", "")
	s.must(200, "all", "POST", m+"/lock", "")
	if r = s.must(200, "all", "GET", m+"/events?cursor="+r.text("next"), ""); r.text("items.0.type") != "locked" || r.text("items.0.by") != "host" || len(list(r.at("items"))) != 1 {
		t.Errorf("news = %s", r.raw)
	}
}

// Events and their bodies hold no names.
func TestEventsNameNobody(t *testing.T) {
	s := open(t, nil)
	m := of(s.must(201, "all", "POST", "/meetings", form("Jeanne")).text("id"))
	s.knock(s.must(200, "all", "GET", m+"/invitations", "").text("items.0.link"), "Jeanne D.")
	r := s.must(200, "all", "GET", m+"/events", "")
	if !strings.Contains(r.raw, `"knocked"`) || strings.Contains(strings.ToLower(r.raw), "jeanne") || strings.Contains(r.raw, "Claire") {
		t.Errorf("events = %s", r.raw)
	}
}

func TestNewNamesEveryFault(t *testing.T) {
	_, err := api.New(api.Config{
		Door: "http://x", Rate: 5000,
		Keys:    []api.Key{{ID: "Ä", Hash: "plain", Scopes: []string{"all"}}, {ID: "x"}},
		Clients: []api.Client{{}},
		Hooks:   []api.Hook{{URL: "http://x", Secret: []byte("short"), Events: []string{"knokced"}}},
	})
	for _, want := range []string{
		"Lobby", "Shelf", "Streams", "https", "32 bytes", "Rate", "Provider", "keys[0]: id", "hash: want", `"all"`, "owner.name", "scopes: none",
		"clients[0]: id", "webhooks[0]: url: want https", "24 to 64", `"knokced"`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no fault %q in\n%v", want, err)
		}
	}
}

func TestHeadAnswersLikeGet(t *testing.T) {
	s := open(t, nil)
	r := s.request("HEAD", "/openapi.json", "")
	if got := s.send(r); got.status != http.StatusOK {
		t.Errorf("HEAD = %d", got.status)
	}
}

func FuzzBodies(f *testing.F) {
	f.Add(form("Jeanne"))
	f.Add(`{"settings":{"early_minutes":1e9}}`)
	f.Add(`{"invitations":[{"match":{"claim":"","value":[]}}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		s := open(t, func(c *api.Config) { c.Rate = 1000 })
		r := s.ask("all", "POST", "/meetings", body)
		if r.status >= 500 || r.status < 300 && !json.Valid([]byte(body)) {
			t.Errorf("%q = %d", body, r.status)
		}
	})
}
