package gateway_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// upload sends the form of a new meeting with a list, as a browser does.
func (v *visitor) upload(origin, typed, list string) answer {
	v.t.Helper()
	if v.csrf == "" {
		v.get("/meetings/new")
	}
	starts := time.Now().UTC().Add(time.Hour)
	r := v.parts("/meetings", url.Values{
		"title": {"Staff"}, "date": {starts.Format(time.DateOnly)}, "start": {starts.Format("15:04")}, "duration": {"30"},
		"zone": {"UTC"}, "lang": {"en"}, "invitees": {typed}, "csrf": {v.csrf}, "attempt": {"one"},
	}, list)
	r.Header.Set("Origin", origin)
	return v.send(r)
}

// A list comes back to be looked at with what was typed: its good lines, its bad
// ones with their faults, and nobody is written to yet.
func TestListIsShownBeforeItIsSent(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	got := h.upload(doorOrigin, "Jane <jane@example.org>", "nom;courriel;r\xf4le\nJos\xe9;jose@example.org;\nEve;a@b@c;\nHugo;hugo@example.org;h\xf4te\nJane;jane@example.org;\n")
	numbers := h.upload(doorOrigin, "", "Name;mail;role;phone\nLise;lise@example.org;;06 12 34 56 42\n")
	if !strings.Contains(read(numbers), "Write the number with its country code") || strings.Contains(read(numbers), "The address is not complete") {
		t.Errorf("a number without its country is answered\n%s", read(numbers))
	}
	if got.status != http.StatusUnprocessableEntity {
		t.Errorf("status %d, want 422", got.status)
	}
	for _, want := range []string{
		"Jane &lt;jane@example.org&gt;", "José &lt;jose@example.org&gt;", "Eve &lt;a@b@c&gt;", "Hugo &lt;hugo@example.org&gt;",
		"Line 3: The address is not complete.", "Line 4: This address is there already.",
	} {
		if !strings.Contains(strings.ReplaceAll(got.body, "\u00a0", " "), want) {
			t.Errorf("the form that comes back lacks %q", want)
		}
	}
	good := h.upload(doorOrigin, "Jane <jane@example.org>", "Lise;lise@example.org\n")
	if good.status != http.StatusOK || !strings.Contains(good.body, "Lise &lt;lise@example.org&gt;") {
		t.Errorf("status %d, want the form with the line to look at", good.status)
	}
	if bad := h.upload(doorOrigin, "Jane", "\x89PNG\x00\x00"); bad.status != http.StatusUnprocessableEntity || !strings.Contains(bad.body, "list-fault") {
		t.Errorf("a picture: status %d, want 422 beside the field", bad.status)
	}
	if large := h.upload(doorOrigin, "Jane", strings.Repeat("x;y@example.org\n", 40000)); large.status != http.StatusRequestEntityTooLarge {
		t.Errorf("an endless list: status %d, want 413", large.status)
	}
	if foreign := h.upload("https://evil.example", "Jane", "Lise;lise@example.org\n"); foreign.status != http.StatusForbidden {
		t.Errorf("from another site: status %d, want 403", foreign.status)
	}
	if n := len(s.box.invites); n != 0 {
		t.Errorf("%d mails before the host has looked, want 0", n)
	}
}
