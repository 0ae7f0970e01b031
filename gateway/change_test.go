package gateway_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"vestibule/lobby"
	"vestibule/mail"
	"vestibule/meeting"
)

// fields reads what a form holds, as a browser without scripts would send it.
func fields(page string) url.Values {
	f := url.Values{}
	for _, m := range regexp.MustCompile(`<input[^>]*>`).FindAllString(page, -1) {
		name, value := attribute(m, "name"), attribute(m, "value")
		if name == "" || name == "list" || strings.Contains(m, `type="checkbox"`) && !strings.Contains(m, " checked") {
			continue
		}
		f.Set(name, value)
	}
	for _, m := range regexp.MustCompile(`(?s)<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>`).FindAllStringSubmatch(page, -1) {
		options := regexp.MustCompile(`<option[^>]*>`).FindAllString(m[2], -1)
		f.Set(m[1], attribute(options[0], "value"))
		for _, o := range options {
			if strings.Contains(o, " selected") {
				f.Set(m[1], attribute(o, "value"))
			}
		}
	}
	for _, m := range regexp.MustCompile(`(?s)<textarea[^>]*name="([^"]+)"[^>]*>\n?(.*?)</textarea>`).FindAllStringSubmatch(page, -1) {
		f.Set(m[1], unescape.Replace(m[2]))
	}
	return f
}

var unescape = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&#43;", "+", "&amp;", "&", "&#34;", `"`)

func attribute(tag, name string) string {
	_, v, ok := strings.Cut(tag, " "+name+`="`)
	if !ok {
		return ""
	}
	v, _, _ = strings.Cut(v, `"`)
	return unescape.Replace(v)
}

// mailed answers the newest invitation mail to an address, and how many went.
func (b *box) mailed(to string) (last mail.Invite, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.invites {
		if m.To == to {
			last, n = m, n+1
		}
	}
	return last, n
}

// A host moves a meeting and invites one more by its form; those invited before
// are told under the same calendar entry, and nobody twice.
func TestChangeTellsInvitees(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	m := h.meet(url.Values{"early": {"30"}, "remind": {"1440,30"}, "guest_chat": {"1"}}, "Jane Doe")
	jane := m.mails["Jane Doe"]
	eventually(t, "Jane is invited", func() bool { _, n := s.box.mailed(jane); return n == 1 })
	first, _ := s.box.mailed(jane)
	form := fields(h.get(m.path("/change")).body)
	if form.Get("title") != "Consultation" || form.Get("early") != "30" || form.Get("remind") != "1440,30" || form.Get("guest_chat") != "1" || form.Get("invitees") != "" {
		t.Errorf("the form holds %v", form)
	}
	// Sent as it is, it changes nothing and tells nobody.
	h.want(h.post(m.path("/change"), form), http.StatusSeeOther, "sending the form untouched")
	if got := m.snapshot().Meeting; got.Sequence != 0 {
		t.Errorf("an untouched form makes a change of which all are told")
	}
	// What the form cannot use is told in one go, and kept.
	bad := fields(h.get(m.path("/change")).body)
	bad.Set("start", "25:00")
	bad.Set("invitees", "New One <new@patient.example>\nJane <"+strings.ToUpper(jane)+">\nx@")
	bad.Set("early", "-1")
	page := h.want(h.post(m.path("/change"), bad), http.StatusUnprocessableEntity, "a form with faults").body
	for _, want := range []string{"Change the meeting", "Line 2:", "already", "Line 3:", "new@patient.example", "early-fault", "start-fault"} {
		if !strings.Contains(page, want) {
			t.Errorf("the faults do not show %q", want)
		}
	}
	form = fields(h.get(m.path("/change")).body)
	was := m.snapshot().Meeting
	day := was.Starts.UTC().Add(48 * time.Hour)
	form.Set("date", day.Format(time.DateOnly))
	form.Set("invitees", "New One <new@patient.example>")
	form.Set("early", "60")
	form.Set("remind", "")
	form.Del("guest_chat")
	h.want(h.post(m.path("/change"), form), http.StatusSeeOther, "moving the meeting")
	eventually(t, "both are told", func() bool {
		_, n := s.box.mailed(jane)
		_, k := s.box.mailed("new@patient.example")
		return n == 2 && k == 1
	})
	again, _ := s.box.mailed(jane)
	if again.UID != first.UID || again.Sequence <= first.Sequence || !again.Starts.Equal(was.Starts.Add(48*time.Hour)) {
		t.Errorf("the second mail: same entry %v, sequence %d after %d, start %v", again.UID == first.UID, again.Sequence, first.Sequence, again.Starts)
	}
	want := meeting.Settings{Early: time.Hour, Grace: was.Settings.Grace}
	if got := m.snapshot().Meeting.Settings; got != want {
		t.Errorf("settings = %+v, want %+v", got, want)
	}
	// A form that is older than the meeting changes nothing, and keeps what was typed.
	form.Set("title", "Typed meanwhile")
	form.Set("invitees", "")
	page = h.want(h.post(m.path("/change"), form), http.StatusConflict, "an old form").body
	if m.snapshot().Meeting.Title != "Consultation" || !strings.Contains(page, "changed meanwhile") || fields(page).Get("title") != "Typed meanwhile" {
		t.Error("an old form undoes what another host did, or loses what was typed")
	}
	h.want(h.post(m.path("/change"), fields(page)), http.StatusSeeOther, "saving again")
	if got := m.snapshot().Meeting.Title; got != "Typed meanwhile" {
		t.Errorf("title = %q", got)
	}
}

// People are added to a meeting by a file, too: its lines come back to be looked
// at, and go out with the form as it then stands.
func TestChangeTakesAList(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe")
	form := fields(h.get(m.path("/change")).body)
	got := h.send(h.parts(m.path("/change"), form, "Lise;lise@patient.example\nHugo;hugo@hospital.example;host\n"))
	form = fields(h.want(got, http.StatusOK, "a list").body)
	if _, n := s.box.mailed("lise@patient.example"); n > 0 {
		t.Error("a list is mailed before the host has looked")
	}
	h.want(h.post(m.path("/change"), form), http.StatusSeeOther, "the lines looked at")
	roles := map[string]meeting.Role{}
	for _, v := range m.snapshot().Invitations {
		roles[v.Email] = v.Role
	}
	if lise, ok := roles["lise@patient.example"]; !ok || lise != meeting.Guest || roles["hugo@hospital.example"] != meeting.Host {
		t.Errorf("invited after the list: %v", roles)
	}
}

// Nobody else sees or sends the form; and nothing changes once it is over.
func TestChangeIsTheHosts(t *testing.T) {
	t.Parallel()
	s := open(t)
	h, o := s.host(doctor()), s.host(surgeon())
	m := h.meet(nil, "Jane Doe")
	form := fields(h.get(m.path("/change")).body)
	form.Del("csrf")
	form.Set("title", "Mine now")
	o.want(o.get(m.path("/change")), http.StatusNotFound, "another's form")
	o.want(o.get(m.path("/copy")), http.StatusNotFound, "another's meeting to copy")
	o.want(o.post(m.path("/change"), form), http.StatusNotFound, "changing another's meeting")
	if got := m.snapshot().Meeting.Title; got != "Consultation" {
		t.Errorf("title = %q", got)
	}
	h.want(h.post(m.path("/cancel"), nil), http.StatusSeeOther, "cancelling")
	h.want(h.get(m.path("/change")), http.StatusGone, "the form of a cancelled meeting")
	h.want(h.get(m.path("/copy")), http.StatusOK, "copying a cancelled meeting")
}

// A copy is the form of a new meeting: same people and options, a week later, new
// links.
func TestCopyOfAMeeting(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	m := h.meet(url.Values{"cohosts": {"Hugo Petit <hugo.petit@hospital.example>"}, "members": {"wait"}, "join_before_host": {"1"}}, "Jane Doe", "Paul")
	form := fields(h.get(m.path("/copy")).body)
	lines := "Jane Doe <" + m.mails["Jane Doe"] + ">\nPaul <" + m.mails["Paul"] + ">\n"
	was := m.snapshot().Meeting
	if form.Get("invitees") != lines || form.Get("cohosts") != "Hugo Petit <hugo.petit@hospital.example>\n" ||
		form.Get("members") != "wait" || form.Get("join_before_host") != "1" || form.Get("date") != was.Starts.UTC().AddDate(0, 0, 7).Format(time.DateOnly) {
		t.Errorf("the copy's form holds %v", form)
	}
	a := h.want(h.post("/meetings", form), http.StatusSeeOther, "making the copy")
	id := meeting.ID(strings.TrimSuffix(strings.TrimPrefix(a.to(), "/m/"), "/created"))
	snap, err := s.Lobby.Snapshot(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if id == m.id || len(snap.Invitations) != 4 || snap.Meeting.Settings != was.Settings {
		t.Errorf("the copy has %d invitations and settings %+v", len(snap.Invitations), snap.Meeting.Settings)
	}
	for i := range snap.Invitations {
		if _, there := m.snapshot().Invitations[i]; there {
			t.Error("a link of the old meeting is one of the new")
		}
	}
}

// Addresses that the site hides from hosts are in no form either.
func TestCopyShowsNoHiddenAddress(t *testing.T) {
	t.Parallel()
	s := openWith(t, setup{emails: lobby.EmailsMasked})
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe")
	page := h.get(m.path("/copy")).body
	if strings.Contains(page, m.mails["Jane Doe"]) || !strings.Contains(page, "One person could not be taken over") {
		t.Errorf("the copy shows a hidden address, or says nothing\n%s", head(page))
	}
}
