package gateway_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"vestibule/meeting"
	"vestibule/sms"
)

// read is what a person reads of a page.
func read(a answer) string {
	return html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(a.body, ""))
}

// TestCodeBySMSAtTheDoor is the way of a guest whom the host gave a number: the
// page says where the code goes without saying the number, and the host reads
// that a telephone was proved and nothing else.
func TestCodeBySMSAtTheDoor(t *testing.T) {
	const number = "+33612345642"
	s := open(t)
	host := s.host(doctor())
	m := host.meet(url.Values{"invitees": {"Jeanne +33 6 12 34 56 42\nPaul <paul@patient.example> +44 20 7946 0958\n"}})
	guest := s.visit()
	page := guest.get(m.links["Jeanne"])
	if text := read(page); !strings.Contains(text, "Text me a code at ••\u00a0••\u00a0••\u00a042") || strings.Contains(text, "345642") || strings.Contains(text, "Send me a code at") {
		t.Errorf("the page does not offer a masked number alone:\n%s", text)
	}
	guest.want(guest.post(m.links["Jeanne"]+"/code", url.Values{"by": {"sms"}}), http.StatusSeeOther, "asking for a code")
	page = guest.get(m.links["Jeanne"] + "/code")
	if !strings.Contains(read(page), "by SMS to ••\u00a0••\u00a0••\u00a042") {
		t.Errorf("the page of the code does not say where it went:\n%s", read(page))
	}
	for _, want := range []string{`autocomplete="one-time-code"`, "data-otp"} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the page of the code lacks %q", want)
		}
	}
	guest.want(guest.post(m.links["Jeanne"]+"/verify", url.Values{"code": {s.box.texted(number)}}), http.StatusSeeOther, "typing the code")
	admission := guest.knockAs(m, "Jeanne", "Jeanne")
	a, _ := m.snapshot().Admission(admission)
	if a.Person.Evidence.Method != meeting.Telephone || a.Person.Phone != number || a.Person.Evidence.EmailVerified {
		t.Errorf("proved %+v, want the telephone", a.Person)
	}
	console := read(host.get(m.path("")))
	if !strings.Contains(console, "Proved the telephone +33\u00a0…\u00a042") {
		t.Errorf("the host does not read how it was proved:\n%s", console)
	}
	// Who has both chooses, and may change their mind.
	other := s.visit()
	other.get(m.links["Paul"])
	other.want(other.post(m.links["Paul"]+"/code", url.Values{"by": {"mail"}}), http.StatusSeeOther, "asking for a code")
	page = other.get(m.links["Paul"] + "/code")
	if !strings.Contains(page.body, `value="sms"`) || s.box.code("paul@patient.example") == "" {
		t.Errorf("a mailed code does not leave the choice of an SMS:\n%s", page.body)
	}
	s.box.fail(&sms.Fault{Status: http.StatusBadGateway})
	third := s.host(doctor()).meet(url.Values{"invitees": {"Zoé +33 6 12 34 56 43"}})
	zoe := s.visit()
	zoe.get(third.links["Zoé"])
	page = zoe.want(zoe.post(third.links["Zoé"]+"/code", url.Values{"by": {"sms"}}), http.StatusServiceUnavailable, "asking for a code")
	if !strings.Contains(page.body, "our SMS service does not answer") {
		t.Errorf("a code that cannot leave is not told:\n%s", page.body)
	}
}

// What a host types of an invitee is understood, or told.
func TestInviteesWithNumbers(t *testing.T) {
	s := open(t)
	host := s.host(doctor())
	m := host.meet(url.Values{"invitees": {strings.Join([]string{
		"J. D. <jeanne+rdv@exemple.fr>, +33 6 12 34 56 42", "+33.6.12.34.56.43", "P. L. (+49 30/901820) paul@exemple.fr", "A. B. <+33612345644>",
	}, "\n")}})
	got := map[string][2]string{}
	for _, v := range m.snapshot().Invitations {
		got[v.Name] = [2]string{v.Email, v.Phone}
	}
	for name, want := range map[string][2]string{
		"J. D.": {"jeanne+rdv@exemple.fr", "+33612345642"}, "+33 … 43": {"", "+33612345643"},
		"P. L.": {"paul@exemple.fr", "+4930901820"}, "A. B.": {"", "+33612345644"},
	} {
		if got[name] != want {
			t.Errorf("%s = %q, want %q of %q", name, got[name], want, got)
		}
	}
	for _, line := range []string{"J. D. 06 12 34 56 42", "J. D. 0033612345642", "J. D. +33612 ext 3345645678", "J. D. 06.12.34.56.42 <j@exemple.fr>", "J. D. <j@exemple.fr> 06 12 34 56 42", "J. D. j@exemple.fr 0612345642"} {
		a := host.post("/meetings", url.Values{
			"title": {"x"}, "date": {"2026-01-01"}, "start": {"10:00"}, "duration": {"60"}, "zone": {"UTC"}, "lang": {"en"}, "invitees": {line},
		})
		if a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "Write the number with its country code") {
			t.Errorf("%q is answered %d, want it told", line, a.status)
		}
	}
}
