package e2e_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	built "vestibule/house"
)

// TestBadLinks opens links that lead nowhere: one and the same page for all
// that a stranger must not tell apart, and no more than that page for what
// hangs below.
func TestBadLinks(t *testing.T) {
	t.Parallel()
	i := openInside(t)
	i.now(t)
	good := strings.TrimPrefix(i.link(t, "J. D."), i.Door+"/i/")
	flip := func(at int) string {
		b := []byte(good)
		b[at] = map[bool]byte{true: 'A', false: 'B'}[b[at] != 'A']
		return string(b)
	}
	links := map[string]string{
		"a word":          "hello",
		"cut short":       good[:len(good)-1],
		"doubled":         good + good,
		"another meeting": flip(0),
		"another guest":   flip(24),
		"another end":     flip(len(good) - 4),
		"lower case":      strings.ToLower(good),
		"a quote":         url.PathEscape(`"><script>alert(1)</script>`),
		"not UTF-8":       "%ff%fe",
		"zeros":           strings.Repeat("A", len(good)),
		"very long":       strings.Repeat("A", 8000),
	}
	i.visitor(t).open(i.Door+"/i/"+good).want(http.StatusOK, "Ada Martin")
	seen := map[string]string{}
	for name, link := range links {
		for _, below := range []string{"", "/code", "/name"} {
			v := i.visitor(t)
			v.open(i.Door + "/i/" + link + below)
			v.want(http.StatusNotFound, "Ce lien ne mène nulle part")
			seen[v.words()] = name
		}
	}
	if len(seen) != 1 {
		t.Errorf("bad links have %d different pages, want one: %v", len(seen), seen)
	}
	if strings.Contains(i.log.String(), good) {
		t.Error("a link stands in the log")
	}
}

// TestLinkOfAnotherMeeting takes what one meeting gave and shows it to another.
func TestLinkOfAnotherMeeting(t *testing.T) {
	t.Parallel()
	i := openInside(t)
	i.now(t)
	first, firstMeeting := i.link(t, "J. D."), i.Meeting
	i.now(t)
	second := i.link(t, "J. D.")

	v := i.proves(i.visitor(t), first, jeanne)
	v.want(http.StatusOK, "j•••@exemple.example")
	knock := v.form("/knock")
	knock.Action = second + "/knock"
	knock.Values.Set("consent", "1")
	v.post(knock)
	if v.at.String() != second {
		t.Errorf("proved for one meeting, the other one's knock led to %s", short(v.at.String()))
	}
	v.want(http.StatusOK, "Ada Martin")
	if v.open(second + "/name"); v.at.String() != second {
		t.Errorf("proved for one meeting, the other one's name page led to %s", short(v.at.String()))
	}

	// Their waiting room, from another browser and under another meeting.
	v.open(first + "/name").knocks("J. D.")
	id := v.admission()
	i.visitor(t).open(i.Door+"/a/"+id).want(http.StatusNotFound, "")
	host := i.console(t)
	answer := host.form("/lock")
	answer.Action = i.Door + "/m/" + i.Meeting + "/answer"
	answer.Values.Set("admission", id)
	answer.Values.Set("answer", "admit")
	if host.post(answer); host.code < 400 {
		t.Errorf("the host of one meeting admits in another: %d", host.code)
	}
	if host.open(i.Door + "/m/" + firstMeeting); !strings.Contains(host.words(), "En attente (1)") {
		t.Errorf("the guest of the first meeting waits no more:\n%s", host.words())
	}
}

// TestCodeOfAnotherInvitation types one guest's code at another's link.
func TestCodeOfAnotherInvitation(t *testing.T) {
	t.Parallel()
	i := openInside(t)
	i.now(t)
	first, two := i.visitor(t), i.visitor(t)
	first.open(i.link(t, "J. D.")).submit("/code", nil)
	two.open(i.link(t, "M. L.")).submit("/code", nil)
	theirs, mine := i.code(t, jeanne), i.code(t, marc)
	if theirs == mine {
		t.Fatal("two codes are the same, one time in a million: run it again")
	}
	two.submit("/verify", one("code", theirs)).want(http.StatusUnprocessableEntity, "4")
	for _, garbage := range []string{"", "12345", "1234567", "abcdef", "０１２３４５", strings.Repeat("1", 5000)} {
		two.submit("/verify", one("code", garbage))
		if two.code != http.StatusUnprocessableEntity {
			t.Errorf("%.10q as a code answers %d, want 422", garbage, two.code)
		}
	}
	// The tries are not spent: the right one still works.
	if two.submit("/verify", one("code", mine)); !strings.HasSuffix(two.at.Path, "/name") {
		t.Errorf("the right code leads to %s: %s", short(two.at.String()), two.words())
	}
}

// TestLinkBeforeAndAfter opens a link too early, and one of a meeting that ends
// while somebody waits.
func TestLinkBeforeAndAfter(t *testing.T) {
	t.Parallel()
	i := openInside(t, func(c *built.Config) { c.Grace = time.Nanosecond })
	now := time.Now()
	i.meet(t, now.Add(2*time.Hour), now.Add(3*time.Hour), "J. D. <"+jeanne+">")
	early := i.visitor(t)
	early.open(i.link(t, "J. D.")).want(http.StatusOK, "Votre lien sera actif")
	for _, f := range early.forms {
		if strings.Contains(f.Action, "/i/") {
			t.Errorf("the page that is too early offers %s", short(f.Action))
		}
	}

	i.meet(t, now.Add(-time.Minute), time.Now().Add(2*time.Second), "J. D. <"+jeanne+">", "M. L. <"+marc+">")
	v := i.guest(t, "J. D.", jeanne)
	waiting := v.at.String()
	link := i.link(t, "M. L.")
	late := i.visitor(t)
	eventually(t, "the meeting is over", func() bool { return late.open(link).code == http.StatusGone })
	late.want(http.StatusGone, "La réunion est terminée")
	late.open(link+"/code").want(http.StatusGone, "La réunion est terminée")
	v.open(waiting).want(http.StatusOK, "La réunion est terminée")
	if _, err := i.product.Lobby.Look(t.Context(), strings.TrimPrefix(link, i.Door+"/i/")); err == nil {
		t.Error("the lobby still lets look")
	}

	// Ended by the host, and called off.
	i.now(t)
	console := i.Door + "/m/" + i.Meeting
	host := i.console(t)
	host.submit("/enter", nil).submit("/-/enter", nil)
	host.open(console).submit("/end", nil)
	i.visitor(t).open(i.link(t, "J. D.")).want(http.StatusGone, "La réunion est terminée")
	i.now(t)
	i.console(t).submit("/cancel", nil)
	i.visitor(t).open(i.link(t, "J. D.")).want(http.StatusGone, "La réunion est annulée")
}
