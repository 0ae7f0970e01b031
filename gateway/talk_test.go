package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/store"
	"vestibule/web"
)

// A host asks somebody to hold on and puts a question; the guest is told by the
// stream, answers by a plain form, and the host reads it. None of it stands in
// the trail.
func TestHostAndGuestTalkAtTheDoor(t *testing.T) {
	s := open(t)
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe", "Paul Roe")
	g, p := s.visit(), s.visit()
	a, b := g.knock(m, "Jane Doe"), p.knock(m, "Paul Roe")
	mine, others := g.listen(doorOrigin+"/a/"+a+"/events"), p.listen(doorOrigin+"/a/"+b+"/events")
	before := mine.until(t, `"state":"waiting"`)
	h.want(h.post(m.path("/hold"), url.Values{"admission": {a}, "message": {"Five <b>minutes</b>"}}), http.StatusSeeOther, "holding")
	h.want(h.post(m.path("/ask"), url.Values{"admission": {a}, "message": {"Who is your doctor?"}}), http.StatusSeeOther, "asking")
	mine.until(t, `"rev":"1.`)
	if !strings.Contains(before, `"rev":"0.`) {
		t.Errorf("the page is told no revision: %s", before)
	}
	page := g.get("/a/" + a).body
	for _, want := range []string{"Five &lt;b&gt;minutes&lt;/b&gt;", "Who is your doctor?", `action="/a/` + a + `/reply"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the waiting page lacks %q", want)
		}
	}
	if strings.Contains(page, `http-equiv="refresh"`) {
		t.Error("without a script the page takes away what is being typed")
	}
	if !strings.Contains(p.get("/a/"+b).body, `http-equiv="refresh"`) {
		t.Error("without a script the other's page stands still")
	}
	g.want(g.post("/a/"+a+"/reply", url.Values{"to": {"1"}, "reply": {"Dr Benali"}}), http.StatusSeeOther, "answering")
	g.want(g.post("/a/"+a+"/reply", url.Values{"to": {"1"}, "reply": {"Somebody else"}}), http.StatusSeeOther, "answering twice")
	console := bare(h.get(m.path("")))
	for _, want := range []string{"Dr Benali", "Five &lt;b&gt;minutes", "Jane Doe answered", "You asked Jane Doe a question", "You asked Jane Doe to wait"} {
		if !strings.Contains(console, want) {
			t.Errorf("the console lacks %q", want)
		}
	}
	if strings.Contains(console, "Somebody else") {
		t.Error("an answer was changed after it was given")
	}
	h.want(h.post(m.path("/answer"), url.Values{"admission": {a}, "answer": {"refuse"}, "why": {"later"}, "message": {"We call you."}}), http.StatusSeeOther, "refusing")
	mine.until(t, `"state":"refused"`)
	if page := g.get("/a/" + a).body; !strings.Contains(page, "not possible just now") || !strings.Contains(page, "We call you.") {
		t.Error("the guest is not told what the host gave to read")
	}
	others.cancel()
	others.over(t)
	for len(others.lines) > 0 {
		if l := <-others.lines; strings.Contains(l, `"rev":"1.`) {
			t.Errorf("another guest is told of it: %s", l)
		}
	}
	for _, said := range []string{"minutes", "your doctor", "Benali", "We call"} {
		if strings.Contains(s.trail(m), said) || strings.Contains(s.log.String(), said) {
			t.Errorf("%q stands in the trail or the log", said)
		}
	}
}

// Whoever goes back to a page and says something else there is heard: the page
// still carries the id of what was said first. The same said twice counts once.
func TestGoingBackToSaySomethingElse(t *testing.T) {
	s := open(t)
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe")
	g := s.visit()
	a := g.knock(m, "Jane Doe")
	h.get(m.path(""))
	again := func(v *visitor, to string, f url.Values) {
		t.Helper()
		f.Set("csrf", v.csrf)
		f.Set("attempt", "the same")
		v.want(v.send(v.form(to, f)), http.StatusSeeOther, to)
	}
	for _, q := range []string{"Who are you?", "Whom do you come to see?", "Whom do you come to see?"} {
		again(h, m.path("/ask"), url.Values{"admission": {a}, "message": {q}})
	}
	page := g.get("/a/" + a).body
	if !strings.Contains(page, "Whom do you come to see?") || !strings.Contains(page, `name="to" value="2"`) {
		t.Errorf("the guest does not read the second of two questions")
	}
	g.get(m.links["Jane Doe"] + "/name")
	for _, name := range []string{"Jane", "Jane D."} {
		again(g, m.links["Jane Doe"]+"/knock", url.Values{"name": {name}, "consent": {"1"}})
	}
	if !strings.Contains(bare(h.get(m.path(""))), "Jane D.") {
		t.Error("a name corrected by going back is not the one shown")
	}
}

// bare is a page without the marks that keep names apart from the words round
// them.
func bare(a answer) string { return strings.NewReplacer("<bdi>", "", "</bdi>", "").Replace(a.body) }

// trail is every stored event of a meeting.
func (s *site) trail(m *held) string {
	s.t.Helper()
	ev, err := s.valve.Events(s.t.Context(), m.id, "", 200)
	if err != nil {
		s.t.Fatal(err)
	}
	var b strings.Builder
	for i := range ev {
		b.Write(ev[i].Value)
	}
	return b.String()
}

// T21: the host answers the name they saw. A guest who changes it meanwhile is
// not let in by that answer, and the card says what they were called before.
func TestT21TheHostAnswersTheNameTheySaw(t *testing.T) {
	s := open(t)
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe", "Paul Roe", "Rose Roe")
	g := s.visit()
	a := g.knock(m, "Jane Doe")
	if got := g.knockAs(m, "Jane Doe", "Dr Claire Martin"); got != a {
		t.Fatalf("changing a name made another admission, %s", got)
	}
	saw := func(name string) answer {
		return h.post(m.path("/answer"), url.Values{"admission": {a}, "answer": {"admit"}, "name": {name}})
	}
	if got := h.want(saw("Jane Doe"), http.StatusConflict, "admitting another name"); !strings.Contains(got.body, "The name changed meanwhile") {
		t.Error("the host is not told why")
	}
	if m.state(a) != meeting.Waiting {
		t.Fatal("a name that the host did not see came in")
	}
	console := bare(h.get(m.path("")))
	for _, want := range []string{"The name was changed while waiting", "The name shown resembles a host’s", "(before: Jane Doe)", "Jane Doe now shows as Dr Claire Martin"} {
		if !strings.Contains(console, want) {
			t.Errorf("the console lacks %q", want)
		}
	}
	// Who is admitted with others is on the page that the host saw, and sure.
	paul := s.visit().knock(m, "Paul Roe")
	rose := s.visit().knock(m, "Rose Roe")
	h.want(h.post(m.path("/admit-verified"), url.Values{"seen": {a, paul}}), http.StatusSeeOther, "admitting all verified")
	if m.state(a) != meeting.Waiting || m.state(paul) != meeting.Admitted || m.state(rose) != meeting.Waiting {
		t.Errorf("with a warning: %v, seen: %v, knocked since: %v", m.state(a), m.state(paul), m.state(rose))
	}
	h.want(saw("Dr Claire Martin"), http.StatusSeeOther, "admitting the name that is shown")
	if m.state(a) != meeting.Admitted {
		t.Error("the host's yes to the name shown did not count")
	}
}

// A host renames a guest who is inside: the guest is told, those inside see it
// at once, and the next connection carries it.
func TestRenamedInsideAndByTheNextToken(t *testing.T) {
	s := open(t)
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe")
	g := s.visit()
	a := g.knock(m, "Jane Doe")
	rename := func(name string) {
		t.Helper()
		h.want(h.post(m.path("/rename"), url.Values{"admission": {a}, "name": {name}}), http.StatusSeeOther, "renaming")
	}
	rename("Jane D.")
	if page := bare(g.get("/a/" + a)); !strings.Contains(page, "changed the name the others will see: Jane D.") {
		t.Error("one who waits is not told of their name")
	}
	h.opens(m)
	h.admits(m, a)
	g.enters(a)
	first := g.joins()
	room := m.snapshot().Meeting.Room
	if got := s.fake.Name(room, a); got != "Jane D." {
		t.Errorf("the others see %q", got)
	}
	told := g.listen(roomOrigin + "/-/events")
	told.until(t, `"name":"Jane D."`)
	rename("J. D.")
	told.until(t, `"name":"J. D."`)
	if got := s.fake.Name(room, a); got != "J. D." {
		t.Errorf("those inside see %q, want the new name at once", got)
	}
	first.leave()
	if ws := g.joins(); !ws.ping(t) || s.fake.Name(room, a) != "J. D." {
		t.Errorf("after a new connection the others see %q", s.fake.Name(room, a))
	}
	if p := m.snapshot().Admissions[0].Person; p.Name != "" || p.Subject != strings.ToLower(m.mails["Jane Doe"]) {
		t.Error("what was proved changed with the name")
	}
	x := s.visit()
	x.signIn("/signin", surgeon())
	x.get("/meetings")
	if got := x.post(m.path("/rename"), url.Values{"admission": {a}, "name": {"x"}}); got.status != http.StatusNotFound {
		t.Errorf("somebody who is no host renames: %d, want 404", got.status)
	}
}

// After half an hour the page asks, without a script too; an answer keeps the
// place, and none gives it up with the way back shown.
func TestStillThere(t *testing.T) {
	s := open(t)
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe")
	g := s.visit()
	a := g.knock(m, "Jane Doe")
	s.since(m, a, meeting.Patience+time.Minute)
	if page := g.get("/a/" + a).body; !strings.Contains(page, "Are you still there?") {
		t.Fatal("the page does not ask")
	}
	g.want(g.post("/a/"+a+"/stay", nil), http.StatusSeeOther, "saying so")
	if page := g.get("/a/" + a).body; strings.Contains(page, "Are you still there?") {
		t.Error("the page asks again at once")
	}
	s.since(m, a, meeting.Patience+meeting.Unanswered+time.Minute)
	page := g.get("/a/" + a).body
	if !strings.Contains(page, "You gave up your place") || !strings.Contains(page, m.links["Jane Doe"]+"/name") {
		t.Error("the page does not say that the place is gone, or how to come back")
	}
	if b := g.knockAs(m, "Jane Doe", "Jane Doe"); m.state(b) != meeting.Waiting {
		t.Error("who comes back does not wait")
	}
}

// since makes an admission's knock and last answer that old.
func (s *site) since(m *held, admission string, age time.Duration) {
	s.t.Helper()
	docs, err := s.valve.Read(s.t.Context(), m.id, "a:"+admission)
	if err != nil {
		s.t.Fatal(err)
	}
	d := docs["a:"+admission]
	at := `":"` + time.Now().Add(-age).Format(time.RFC3339Nano) + `"`
	old := regexp.MustCompile(`"(knocked|stayed)":"[^"]*"`).ReplaceAll(d.Value, []byte(`"$1`+at))
	if _, _, err := s.valve.Commit(context.WithoutCancel(s.t.Context()), m.id, store.Commit{
		Reads: map[string]uint64{"a:" + admission: d.Version}, Writes: []store.Write{{Name: "a:" + admission, Value: old}},
	}); err != nil {
		s.t.Fatal(err)
	}
}

// The card tells where a link came from and what became of it, with addresses
// as the site lets hosts see them, and without anybody's network address.
func TestEvidenceCard(t *testing.T) {
	for rule, want := range map[lobby.Emails]string{lobby.EmailsFull: "whole", lobby.EmailsMasked: "masked", lobby.EmailsHidden: "none"} {
		s := openWith(t, setup{emails: rule})
		h := s.host(doctor())
		m := h.meet(nil, "Jane Doe")
		g := s.visit()
		code := s.ask(g, m, "Jane Doe")
		wrong := "000000"
		if code == wrong {
			wrong = "111111"
		}
		g.post(m.links["Jane Doe"]+"/verify", url.Values{"code": {wrong}})
		g.want(g.post(m.links["Jane Doe"]+"/verify", url.Values{"code": {code}}), http.StatusSeeOther, "typing the code")
		a := g.knockAs(m, "Jane Doe", "Jane Doe")
		other := s.visit()
		other.agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
		s.later(m, "Jane Doe")
		b := other.knock(m, "Jane Doe")
		console := bare(h.get(m.path("")))
		for _, w := range []string{"Invited by", "Dr Claire Martin", "1 wrong code", "First used", "Same link:", "Firefox, Linux", "your network", "Link opened on two devices"} {
			if !strings.Contains(console, w) {
				t.Errorf("%s: the card lacks %q", rule, w)
			}
		}
		got := "none"
		for _, page := range []string{console, h.get("/meetings").body, h.get(m.path("/created")).body} {
			if strings.Contains(page, m.mails["Jane Doe"]) {
				got = "whole"
			} else if strings.Contains(page, "j•••@patient.example") && got == "none" {
				got = "masked"
			}
		}
		if got != want {
			t.Errorf("%s: the host sees the address %s, want %s", rule, got, want)
		}
		for _, id := range []string{a, b} {
			x, _ := m.snapshot().Admission(id)
			doc, err := json.Marshal(x)
			if err != nil || strings.Contains(string(doc), "127.0.0.") || x.Net.Mark == "" {
				t.Errorf("kept of the network: %s, %v", doc, err)
			}
		}
	}
}

// later lets another code be sent at once.
func (s *site) later(m *held, name string) {
	s.t.Helper()
	docs, err := s.valve.All(s.t.Context(), m.id)
	if err != nil {
		s.t.Fatal(err)
	}
	for doc, d := range docs {
		if strings.HasPrefix(doc, "i:") && strings.Contains(string(d.Value), fmt.Sprintf("%q", name)) {
			old := regexp.MustCompile(`"sent":\[[^\]]*\]`).ReplaceAll(d.Value, []byte(`"sent":[]`))
			if _, _, err := s.valve.Commit(s.t.Context(), m.id, store.Commit{
				Reads: map[string]uint64{doc: d.Version}, Writes: []store.Write{{Name: doc, Value: old}},
			}); err != nil {
				s.t.Fatal(err)
			}
		}
	}
}

// Every warning of the lobby has words in every language.
func TestWarningsHaveWords(t *testing.T) {
	pages, err := web.New(web.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range []string{"fr", "en"} {
		for _, w := range lobby.Warnings() {
			c := web.Console{Waiting: []web.Card{{Admission: "a", Warnings: []web.Warning{web.Warning(w)}}}}
			if _, err := pages.Fragment(lang, c.Live()); err != nil {
				t.Errorf("%s in %s: %v", w, lang, err)
			}
		}
	}
}
