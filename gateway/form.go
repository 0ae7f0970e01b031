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

// readForm reads a new meeting as typed: what was typed is kept, and every
// fault is told at once.
func readForm(v url.Values, now time.Time) (web.Form, lobby.Draft, []web.FieldFault) {
	f := web.Form{
		Title: v.Get("title"), Date: v.Get("date"), Start: v.Get("start"), Zone: v.Get("zone"), Lang: v.Get("lang"),
		Invitees: v.Get("invitees"), CoHosts: v.Get("cohosts"), Members: meeting.Welcome(v.Get("members")),
		JoinBeforeHost: v.Get("join_before_host") != "", GuestScreen: v.Get("guest_screen") != "", GuestChat: v.Get("guest_chat") != "",
	}
	f.Duration, _ = strconv.Atoi(v.Get("duration")) // 0 is told below
	d := lobby.Draft{
		Title: lobby.CleanText(f.Title, lobby.MaxTitle+1), Zone: f.Zone, Lang: f.Lang,
		Settings: meeting.Settings{JoinBeforeHost: f.JoinBeforeHost, GuestScreen: f.GuestScreen, GuestChat: f.GuestChat, Members: f.Members},
	}
	var faults []web.FieldFault
	fault := func(bad bool, field string, what web.What) {
		if bad {
			faults = append(faults, web.FieldFault{Field: field, What: what})
		}
	}
	fault(d.Title == "", "title", web.Missing)
	fault(utf8.RuneCountInString(d.Title) > lobby.MaxTitle, "title", web.TooLong)
	fault(f.Lang != "fr" && f.Lang != "en", "lang", web.Unreadable)
	fault(!f.Members.Known(), "members", web.Unreadable)
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
	seen := map[string]bool{}
	guests, bad := readInvitees(f.Invitees, "invitees", meeting.Guest, seen)
	faults = append(faults, bad...)
	hosts, bad := readInvitees(f.CoHosts, "cohosts", meeting.Host, seen)
	faults = append(faults, bad...)
	d.Invitees = append(guests, hosts...)
	fault(len(guests) == 0 && strings.TrimSpace(f.Invitees) == "", "invitees", web.Missing)
	fault(len(d.Invitees) > lobby.MaxInvitees, "invitees", web.TooManyLines)
	return f, d, faults
}

// readInvitees reads lines of "Name <mail> +33…", or less.
func readInvitees(text, field string, role meeting.Role, seen map[string]bool) ([]lobby.Invitee, []web.FieldFault) {
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
		key := cmp.Or(meeting.FoldAddress(v.Email), v.Phone, "name:"+strings.ToLower(v.Name))
		switch {
		case meeting.NearlyPhone(v.Name):
			faults = append(faults, web.FieldFault{Field: field, What: web.NoPhone, Line: n})
		// A co-host must be somebody the provider can name: without an
		// address nobody could meet the invitation.
		case !ok || role == meeting.Host && v.Email == "":
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

// readInvitee takes a line apart. A name it cannot find is made of the address
// or number.
func readInvitee(line string) (v lobby.Invitee, ok bool) {
	line, v.Phone = meeting.CutPhone(line)
	v.Name, v.Email, ok = readMailbox(line)
	if v.Name == "" && v.Email != "" {
		local, _, _ := strings.Cut(v.Email, "@")
		v.Name = lobby.CleanText(local, lobby.MaxName)
	}
	if v.Name == "" {
		v.Name = meeting.CountryPhone(v.Phone)
	}
	return v, ok
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
