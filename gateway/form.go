package gateway

import (
	"cmp"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/web"
)

// readForm reads a meeting as typed, where what the form does not ask stays as in
// was: what was typed is kept, and every fault is told at once.
func readForm(v url.Values, was meeting.Settings, now time.Time) (web.Form, lobby.Draft, []web.FieldFault) {
	f := web.Form{
		Title: v.Get("title"), Date: v.Get("date"), Start: v.Get("start"), Zone: v.Get("zone"), Lang: v.Get("lang"),
		Invitees: v.Get("invitees"), CoHosts: v.Get("cohosts"), Members: meeting.Welcome(v.Get("members")),
		Remind: v.Get("remind"), Chime: v.Get("chime") != "",
		JoinBeforeHost: v.Get("join_before_host") != "", GuestScreen: v.Get("guest_screen") != "", GuestChat: v.Get("guest_chat") != "",
	}
	f.Duration, _ = strconv.Atoi(v.Get("duration")) // 0 is told below
	set, faults := readSettings(v, &f, was)
	d := lobby.Draft{
		Title: lobby.CleanText(f.Title, lobby.MaxTitle+1), Zone: f.Zone, Lang: f.Lang, Settings: set,
	}
	fault := func(bad bool, field string, what web.What) {
		if bad {
			faults = append(faults, web.FieldFault{Field: field, What: what})
		}
	}
	fault(d.Title == "", "title", web.Missing)
	fault(utf8.RuneCountInString(d.Title) > lobby.MaxTitle, "title", web.TooLong)
	fault(f.Lang != "fr" && f.Lang != "en", "lang", web.Unreadable)
	loc, err := time.LoadLocation(f.Zone)
	fault(err != nil || f.Zone == "" || f.Zone == "Local", "zone", web.Unreadable)
	if loc == nil {
		loc = time.UTC
	}
	day, err := time.ParseInLocation(time.DateOnly, f.Date, loc)
	fault(err != nil, "date", web.Unreadable)
	clock, cerr := time.Parse("15:04", f.Start)
	fault(cerr != nil, "start", web.Unreadable)
	fault(f.Duration < 5 || f.Duration > int(lobby.MaxLength.Minutes()), "duration", web.Unreadable)
	if err == nil && cerr == nil {
		d.Starts = time.Date(day.Year(), day.Month(), day.Day(), clock.Hour(), clock.Minute(), 0, 0, loc)
		d.Ends = d.Starts.Add(time.Duration(f.Duration) * time.Minute)
		fault(d.Ends.Before(now), "date", web.InThePast)
		fault(d.Starts.After(now.Add(lobby.MaxAhead)), "date", web.Unreadable)
	}
	return f, d, faults
}

// readPeople adds who is typed into the form to the draft. Seen are those who
// are invited already, by their keys.
func (s *Server) readPeople(f *web.Form, d *lobby.Draft, seen map[string]bool) []web.FieldFault {
	there := len(seen)
	guests, faults := s.readInvitees(f.Invitees, "invitees", meeting.Guest, seen)
	hosts, bad := s.readInvitees(f.CoHosts, "cohosts", meeting.Host, seen)
	d.Invitees = append(guests, hosts...)
	if there+len(d.Invitees) > lobby.MaxInvitees {
		bad = append(bad, web.FieldFault{Field: "invitees", What: web.TooManyLines})
	}
	return append(faults, bad...)
}

// readSettings reads the options. What the form does not offer on this site, or
// an older page did not, stays as it was.
func readSettings(v url.Values, f *web.Form, was meeting.Settings) (meeting.Settings, []web.FieldFault) {
	s := was
	s.JoinBeforeHost, s.GuestScreen, s.GuestChat = f.JoinBeforeHost, f.GuestScreen, f.GuestChat
	var faults []web.FieldFault
	fault := func(bad bool, field string) {
		if bad {
			faults = append(faults, web.FieldFault{Field: field, What: web.Unreadable})
		}
	}
	if v.Has("members") {
		s.Members = f.Members
		fault(!s.Members.Known(), "members")
	}
	if v.Has("telephones") {
		s.Chime = f.Chime
	}
	if v.Has("early") {
		n, err := strconv.Atoi(v.Get("early"))
		f.Early, s.Early = n, time.Duration(n)*time.Minute
		fault(err != nil || n < 0 || n > 24*60, "early")
	}
	if v.Has("remind") {
		var ok bool
		s.Remind, ok = readReminders(f.Remind)
		fault(!ok, "remind")
	}
	return s, faults
}

// readReminders reads "1440,30", in minutes; empty: nobody is reminded.
func readReminders(text string) (r meeting.Reminders, ok bool) {
	parts := strings.Split(text, ",")
	if text == "" || len(parts) > len(r) {
		return r, text == ""
	}
	for i, p := range parts {
		n, err := strconv.Atoi(p)
		if r[i] = time.Duration(n) * time.Minute; err != nil || n < 1 || r[i] > lobby.MaxRemind {
			return r, false
		}
	}
	return r, true
}

// writeReminders is readReminders backwards.
func writeReminders(r meeting.Reminders) string {
	var parts []string
	for _, d := range r {
		if d > 0 {
			parts = append(parts, strconv.Itoa(int(d.Minutes())))
		}
	}
	return strings.Join(parts, ",")
}

// writeOptions puts settings into a form.
func writeOptions(f *web.Form, s *meeting.Settings) {
	f.JoinBeforeHost, f.GuestScreen, f.GuestChat = s.JoinBeforeHost, s.GuestScreen, s.GuestChat
	f.Members, f.Chime, f.Early, f.Remind = s.Members, s.Chime, int(s.Early.Minutes()), writeReminders(s.Remind)
}

// readInvitees reads lines of "Name <mail> +33… RPPS:1…", or less.
func (s *Server) readInvitees(text, field string, role meeting.Role, seen map[string]bool) ([]lobby.Invitee, []web.FieldFault) {
	var list []lobby.Invitee
	var faults []web.FieldFault
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		v, ok := readInvitee(line)
		var wrong string
		v.Match, wrong = s.c.Lobby.Require(v.Match)
		key := personKey(v.Email, v.Phone, lobby.WriteMatch(v.Match), v.Name)
		switch {
		case wrong == "provider":
			faults = append(faults, web.FieldFault{Field: field, What: web.NoProvider, Line: n})
		case wrong != "" || role == meeting.Host && v.Match.Claim == meeting.DomainClaim:
			faults = append(faults, web.FieldFault{Field: field, What: web.NoClaim, Line: n})
		case meeting.NearlyPhone(lobby.Besides(line)):
			faults = append(faults, web.FieldFault{Field: field, What: web.NoPhone, Line: n})
		// A co-host must be somebody the provider can name: without an
		// address or a claim nobody could meet the invitation.
		case !ok || role == meeting.Host && v.Email == "" && v.Match.Claim == "":
			faults = append(faults, web.FieldFault{Field: field, What: web.NoAddress, Line: n})
		case seen[key]:
			faults = append(faults, web.FieldFault{Field: field, What: web.Twice, Line: n})
		case utf8.RuneCountInString(v.Name) > lobby.MaxName:
			faults = append(faults, web.FieldFault{Field: field, What: web.TooLong, Line: n})
		default:
			v.Role, seen[key] = role, true
			list = append(list, v)
		}
	}
	return list, faults
}

// personKey is what makes two lines one person.
func personKey(email, phone, claim, name string) string {
	return cmp.Or(meeting.FoldAddress(email), phone, claim, "name:"+strings.ToLower(name))
}

// readInvitee takes a line apart. A name it cannot find is made of the address
// or number.
func readInvitee(line string) (v lobby.Invitee, ok bool) {
	line, v.Match = lobby.CutMatch(line)
	line, v.Phone = meeting.CutPhone(line)
	v.Name, v.Email, ok = readMailbox(line)
	if v.Name == "" && v.Email != "" {
		local, _, _ := strings.Cut(v.Email, "@")
		v.Name = lobby.CleanText(local, lobby.MaxName)
	}
	if v.Name == "" {
		v.Name = meeting.CountryPhone(v.Phone)
	}
	if v.Name == "" {
		v.Name = lobby.ClaimName(v.Match)
	}
	return v, ok && v.Name != ""
}

// readMailbox reads "Name <mail>", "Name mail", "mail" or "Name".
func readMailbox(line string) (name, address string, ok bool) {
	if name, rest, is := strings.Cut(line, "<"); is {
		address, after, closed := strings.Cut(rest, ">")
		address = strings.TrimSpace(address)
		name = lobby.CleanText(strings.Trim(strings.TrimSpace(name), `"`), lobby.MaxName+1)
		return name, address, closed && strings.TrimSpace(after) == "" && meeting.Address(address)
	}
	if strings.Contains(line, "@") {
		// "J. D. jeanne@exemple.fr": the last word is the address.
		i := strings.LastIndexAny(line, " \t,;")
		address = strings.TrimSpace(line[i+1:])
		name = lobby.CleanText(strings.TrimRight(line[:max(i, 0)], " \t,;"), lobby.MaxName+1)
		return name, address, meeting.Address(address)
	}
	return lobby.CleanText(line, lobby.MaxName+1), "", true
}
