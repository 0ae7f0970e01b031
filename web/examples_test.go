package web_test

import (
	"fmt"
	"time"

	"vestibule/meeting"
	"vestibule/web"
)

// example is a page as somebody meets it.
type example struct {
	name string
	page web.Page
}

// examples are every page in every state that reads differently.
func examples() []example {
	all := guestExamples()
	all = append(all, endExamples()...)
	all = append(all, hostExamples()...)
	return append(all, consoleExamples()...)
}

func frame(path string) web.Frame {
	return web.Frame{
		Path: path, CSRF: "csrf-of-this-reader", Attempt: "attempt-1",
		Site: web.Site{Name: "Hôpital Saint-Jean", Contact: "05 61 00 00 00", NoticeURL: "/notice"},
	}
}

func hostFrame(path string) web.Frame {
	f := frame(path)
	f.SignedIn = "Dr Hélène Martin"
	return f
}

func times() web.Times {
	starts := time.Date(2026, 11, 24, 13, 0, 0, 0, time.UTC)
	return web.Times{Starts: starts, Ends: starts.Add(45 * time.Minute), Zone: "Europe/Paris"}
}

func providers() []web.Way {
	return []web.Way{{ID: "hospital", Name: "Hôpital Saint-Jean"}, {ID: "proconnect", Name: "ProConnect"}}
}

func guestExamples() []example {
	inv := web.Invitation{
		Frame: frame("/i/k3y"), Link: "k3y", HostName: "Dr Hélène Martin", Title: "Consultation J. M.",
		Times: times(), Standing: web.Ready, Providers: providers(), Mailbox: "j•••@exemple.fr", KeptDays: 365,
	}
	early, here, elsewhere, mailOnly, noWay, both := inv, inv, inv, inv, inv, inv
	both.Phone = meeting.MaskPhone("+33612345642")
	early.Standing, early.Opens, early.Wait = web.NotYet, times().Starts.Add(-15*time.Minute), 90*time.Second
	here.Standing, here.Admission = web.Here, "ad01"
	elsewhere.Standing = web.Elsewhere
	mailOnly.Providers, mailOnly.KeptDays = nil, 0
	noWay.Providers, noWay.Mailbox, noWay.KeptDays = nil, "", 1

	code := web.Code{Frame: frame("/i/k3y/code"), Link: "k3y", Mailbox: "j•••@exemple.fr", ResendIn: 27 * time.Second, ResendsLeft: 4}
	wrong, last, spent, expired, unsent, many := code, code, code, code, code, code
	wrong.Trouble, wrong.Left, wrong.ResendIn = web.CodeWrong, 3, 0
	last.Trouble, last.Left, last.ResendsLeft = web.CodeWrong, 1, 1
	spent.Trouble, expired.Trouble, unsent.Trouble, many.Trouble = web.CodeSpent, web.CodeExpired, web.CodeUnsent, web.CodeTooMany
	spent.ResendIn, many.ResendsLeft = 0, 0

	partial, unsentOpen, manyOpen := wrong, unsent, many
	partial.Trouble = web.CodePartial
	unsentOpen.Open, manyOpen.Open = true, true

	texted := code
	texted.Phone, texted.SMS, texted.ResendIn = meeting.MaskPhone("+33612345642"), true, 0
	unsentSMS := texted
	unsentSMS.Trouble, unsentSMS.Mailbox = web.CodeUnsent, ""

	name := web.Name{
		Frame: frame("/i/k3y/name"), Link: "k3y", HostName: "Dr Hélène Martin", Suggested: "Jeanne Moreau", Initials: "J. M.", KeptDays: 365,
		Proof: web.Proof{Method: meeting.OIDC, Provider: "ProConnect", Name: "Jeanne Moreau", Organisation: "Mairie de Toulouse"},
	}
	faulty := name
	faulty.NameFault, faulty.ConsentFault, faulty.Suggested, faulty.Initials = true, true, "", ""
	faulty.Proof = web.Proof{Method: meeting.Mailbox, Mailbox: "j•••@exemple.fr"}
	fixed := name
	fixed.Fixed, fixed.Suggested, fixed.Initials = true, "J. M.", ""
	either := code
	either.Phone = texted.Phone
	phoned := name
	phoned.Proof = web.Proof{Method: meeting.Telephone, Phone: meeting.CountryPhone("+33612345642")}
	members := mailOnly
	members.Members, members.Mailbox, members.Phone, members.Providers = true, "", "", providers()
	return append([]example{
		{"invitation-members", members},
		{"name-fixed", fixed},
		{"invitation-sms", both},
		{"code-sms", texted},
		{"code-either", either},
		{"code-unsent-sms", unsentSMS},
		{"name-phone", phoned},
		{"home", web.Home{Frame: frame("/"), Providers: providers()}},
		{"leaving", web.Leaving{Frame: frame("/"), Provider: "ProConnect", To: "https://id.example/authorize?state=s"}},
		{"leaving-out", web.Leaving{Frame: frame("/"), Provider: "ProConnect", To: "https://id.example/logout?state=s", Out: true}},
		{"leaving-out-post", web.Leaving{
			Frame: frame("/"), Provider: "ProConnect", To: "https://id.example/logout", Out: true, Fields: map[string][]string{"state": {"s"}, "client_id": {"door"}},
		}},
		{"home-signed-in", web.Home{Frame: hostFrame("/")}},
		{"invitation", inv},
		{"invitation-early", early},
		{"invitation-here", here},
		{"invitation-elsewhere", elsewhere},
		{"invitation-mail-only", mailOnly},
		{"invitation-no-way", noWay},
		{"code", code},
		{"code-wrong", wrong},
		{"code-wrong-last", last},
		{"code-spent", spent},
		{"code-expired", expired},
		{"code-unsent", unsent},
		{"code-many", many},
		{"code-partial", partial},
		{"code-unsent-open", unsentOpen},
		{"code-many-open", manyOpen},
		{"name", name},
		{"name-faulty", faulty},
	}, waitingExamples()...)
}

func waitingPage() web.Waiting {
	return web.Waiting{
		Frame: frame("/a/ad01"), Admission: "ad01", HostName: "Dr Hélène Martin", Title: "Consultation J. M.", Times: times(),
		Name: "J. M.", Position: 1, Waited: 20 * time.Second, State: meeting.Waiting,
	}
}

func waitingExamples() []example {
	w := waitingPage()
	there, admitted, asked := w, w, w
	there.HostInside, there.Position, there.Waited = true, 3, 4*time.Minute
	there.Held, there.Message = true, "Je termine avec la personne précédente, cinq minutes."
	held, question := there, there
	held.Message, held.Position, held.Renamed, held.Name = "", 0, true, "Jeanne M."
	question.Held, question.Question, question.Asks = false, "Quel est le prénom de votre médecin traitant ?", 1
	replied := question
	replied.Reply = "Karim, je crois."
	admitted.HostInside, admitted.State, admitted.Position = true, meeting.Admitted, 0
	asked.Asked, asked.Position, asked.Waited = true, 2, 30*time.Minute
	return []example{
		{"waiting", w},
		{"waiting-there", there},
		{"waiting-held", held},
		{"waiting-question", question},
		{"waiting-replied", replied},
		{"waiting-admitted", admitted},
		{"waiting-asked", asked},
		{"entering", web.Entering{Frame: frame("/a/ad01"), Action: "https://room.exemple.fr/-/enter", Ticket: "tick3t", Title: "Consultation J. M."}},
	}
}

func endExamples() []example {
	f := frame("/a/ad01")
	all := []example{
		{"done-left", web.Done{Frame: f, Kind: web.HasLeft, Title: "Consultation J. M.", Rejoin: "/a/ad01"}},
		{"done-ended", web.Done{Frame: f, Kind: web.WasEnded, Title: "Consultation J. M.", Rejoin: "/a/ad01"}},
		{"done-ended-host", web.Done{Frame: hostFrame("/m/0af1"), Kind: web.WasEnded, Title: "Consultation J. M."}},
		{"done-expelled", web.Done{Frame: f, Kind: web.WasExpelled, Title: "Consultation J. M.", Rejoin: "/a/ad01"}},
		{"done-lapsed", web.Done{Frame: f, Kind: web.Lapsed, Title: "Consultation J. M.", Rejoin: "/i/k3y/name"}},
		{"done-refused", web.Done{Frame: f, Kind: web.WasRefused, Title: "Consultation J. M."}},
		{"done-refused-another", web.Done{Frame: f, Kind: web.WasRefused, Title: "Consultation J. M.", Why: meeting.Another}},
		{"done-refused-later", web.Done{
			Frame: f, Kind: web.WasRefused, Title: "Consultation J. M.", Why: meeting.Later,
			HostName: "Dr Hélène Martin", Message: "Le secrétariat vous rappelle demain matin.",
		}},
		{"done-refused-unknown", web.Done{Frame: f, Kind: web.WasRefused, Title: "Consultation J. M.", Why: meeting.Unknown}},
		{"fault", web.Fault{Frame: f, Reference: "7F3K"}},
	}
	for r := meeting.NotFound; r <= meeting.NameChanged; r++ {
		p := web.Refused{Frame: frame("/i/k3y"), Reason: r}
		switch r {
		case meeting.TooEarly, meeting.Over:
			p.Times = times()
		case meeting.SignIn, meeting.NotHost:
			p.Providers = providers()
		case meeting.Busy, meeting.Stale, meeting.NameChanged:
			p.Back = "/i/k3y"
		}
		all = append(all, example{"refused-" + r.String(), p})
	}
	away := web.Refused{Frame: frame("/"), Reason: meeting.Busy, Away: true, Back: "/i/k3y"}
	return append(all, example{"refused-away", away})
}

func invitees() []web.Invitee {
	return []web.Invitee{
		{
			Invitation: "i1", Name: "J. M.", Mailbox: "jeanne.moreau@exemple.fr", Mails: true, State: web.IsWaiting, Link: "https://visio.exemple.fr/i/Zk3yZk3yZk3yZk3yZk3yZk3yZk3yZk3y",
			Dial: web.Dial{Number: "123456789", Code: "12345678", Addresses: []string{"sip:visio.exemple.fr", "+33 5 61 00 00 00"}, Strings: []string{"123456789.12345678@visio.exemple.fr"}},
		},
		{Invitation: "i2", Name: "Dr Karim Benali", Mailbox: "k.benali@exemple.fr", Mails: true, CoHost: true, State: web.IsInside},
		{Invitation: "i3", Name: "Infirmière de coordination", Mailbox: "coordination@exemple.fr", Mails: true, State: web.MailBounced, Why: "address"},
		{Invitation: "i4", Name: "أمينة", State: web.NotMailed, Link: "https://visio.exemple.fr/i/Qk3yQk3yQk3yQk3yQk3yQk3yQk3yQk3y"},
		{Invitation: "i5", Name: "P. L.", Mails: true, State: web.Mailed},
		{
			Invitation: "i6", Name: "S. T.", Mailbox: "s.t@exemple.fr", Mails: true, State: web.MailDeferred, Why: "deferred",
			Again: times().Starts.Add(-time.Hour), Zone: "Europe/Paris",
		},
	}
}

// unmailed are invitees of whom each has another fate of their mail.
func unmailed() []web.Invitee {
	var list []web.Invitee
	for i, why := range []string{"address", "full", "policy", "mailbox", "away", "bounced"} {
		list = append(list, web.Invitee{Invitation: fmt.Sprint("b", i), Name: "A. B.", Mailbox: "a.b@exemple.fr", State: web.MailBounced, Why: why})
	}
	list = append(list, web.Invitee{Invitation: "d", Name: "B. C.", Mailbox: "b•••@exemple.fr", InPart: true, State: web.Mailed, Why: "delayed"})
	list = append(list, web.Invitee{Invitation: "w0", Name: "G. H.", Mailbox: "g.h@exemple.fr", Mails: true, State: web.HasGone, Dead: true})
	for i, why := range []string{"down", "too_many", "failed", "late"} {
		list = append(list, web.Invitee{Invitation: fmt.Sprint("f", i), Name: "C. D.", Mailbox: "c.d@exemple.fr", State: web.MailFailed, Why: why})
	}
	return list
}

func hostExamples() []example {
	row := web.Row{Meeting: "0af1", Title: "Consultation J. M.", Times: times(), Phase: meeting.Open, Waiting: 2, Invitees: invitees()}
	later, gone, off := row, row, row
	later.Times.Starts, later.Times.Ends = row.Times.Starts.AddDate(0, 0, 2), row.Times.Starts.AddDate(0, 0, 2).Add(90*time.Minute)
	later.Title, later.Phase, later.Waiting = "Réunion de service", meeting.Planned, 0
	later.Invitees = []web.Invitee{{Name: "A. B.", State: web.Mailing}, {Name: "C. D.", State: web.Opened}}
	gone.Phase, gone.Waiting, off.Phase, off.Waiting = meeting.Ended, 0, meeting.Cancelled, 0
	gone.Invitees = []web.Invitee{{Name: "A. B.", State: web.HasGone}, {Name: "C. D.", State: web.TurnedAway}, {Name: "E. F.", State: web.PutOut, Incident: "K7M2-Q4XD"}, {Name: "G. H.", State: web.Withdrawn, Dead: true}, {Name: "I. J.", State: web.IsAdmitted}}
	off.Invitees = nil

	blank := web.NewMeeting{Frame: hostFrame("/meetings/new"), MayWelcome: true, Telephones: true, Early: 15, Remind: "1440", Form: web.Form{Date: "2026-11-24", Start: "14:00", Zone: "Europe/Paris", Early: 15, Remind: "1440"}, Zones: []string{"Europe/Paris", "Indian/Reunion"}}
	again := blank
	again.Form.Title, again.Form.Invitees, again.Form.Chime, again.Left = "Consultation J. M.", "J. M. <jeanne@exemple.fr>\n", true, 1
	several := again
	several.Left = 3
	change := blank
	change.Frame, change.Meeting, change.Version = hostFrame("/m/0af1/change"), "0af1", "00aa11"
	change.Form.Title, change.Form.Duration, change.Form.Early, change.Form.Remind, change.Form.Members = "Consultation J. M.", 45, 240, "1440,30", meeting.Enters
	stale := change
	stale.Stale, stale.Remind, stale.Form.Remind = true, "", "120"
	faulty := blank
	faulty.Form = web.Form{
		Title: "Consultation J. M.", Date: "2025-11-24", Start: "14:00", Duration: 25, Zone: "Europe/Pari", Lang: "en",
		Invitees: "J. M. <jeanne@exemple.fr>\nP. L. <p.l@>", CoHosts: "K. B. <k@exemple.fr>", GuestScreen: true, Members: meeting.Knocks,
	}
	faulty.Faults = []web.FieldFault{
		{Field: "date", What: web.InThePast},
		{Field: "invitees", What: web.NoAddress, Line: 2},
		{Field: "zone", What: web.Unreadable},
		{Field: "early", What: web.Unreadable},
		{Field: "remind", What: web.Unreadable},
		{Field: "members", What: web.Unreadable},
	}
	empty := blank
	empty.Form = web.Form{}
	empty.Faults = []web.FieldFault{{Field: "title", What: web.Missing}}
	number := blank
	number.Form.Title, number.Form.Invitees = "Consultation S. B.", "S. B. 06 12 34 56 42"
	number.Faults = []web.FieldFault{{Field: "invitees", What: web.NoPhone, Line: 1}}
	many := blank
	many.Form.Title = "Un titre vraiment trop long"
	many.Faults = []web.FieldFault{
		{Field: "title", What: web.TooLong},
		{Field: "start", What: web.Missing},
		{Field: "duration", What: web.Unreadable},
		{Field: "invitees", What: web.TooManyLines},
		{Field: "cohosts", What: web.Twice, Line: 1},
		{Field: "cohosts", What: web.NoClaim, Line: 2},
		{Field: "cohosts", What: web.NoProvider, Line: 3},
	}
	seen := times().Starts
	signIns := web.SignIns{Frame: hostFrame("/sign-ins"), Zone: "Europe/Paris", List: []web.SignIn{
		{ID: "s1", Agent: "Firefox, Linux", Began: seen.Add(-time.Hour), Seen: seen, Here: true},
		{ID: "s2", Agent: "Safari, iPhone", Began: seen.Add(-3 * time.Hour), Seen: seen.Add(-2 * time.Hour)},
		{ID: "s3", Began: seen.Add(-5 * time.Hour), Seen: seen.Add(-4 * time.Hour)},
	}}
	alone := signIns
	alone.List = signIns.List[:1]
	return []example{
		{"sign-ins", signIns},
		{"sign-ins-alone", alone},
		{"meetings", web.Meetings{Frame: hostFrame("/meetings"), Today: []web.Row{row}, Later: []web.Row{later}, Earlier: []web.Row{gone, off}}},
		{"meetings-none-today", web.Meetings{Frame: hostFrame("/meetings"), Later: []web.Row{later}}},
		{"meetings-further", web.Meetings{Frame: hostFrame("/meetings"), Later: []web.Row{later}, After: "0af2", Further: true}},
		{"meetings-none", web.Meetings{Frame: hostFrame("/meetings")}},
		{"new", blank},
		{"new-copy", again},
		{"new-copy-many", several},
		{"change", change},
		{"change-stale", stale},
		{"new-faulty", faulty},
		{"new-empty", empty},
		{"new-many", many},
		{"new-number", number},
		{"console-mails", web.Console{Frame: hostFrame("/m/0af1"), Meeting: "0af1", Title: "Consultation J. M.", Times: times(), Invitees: unmailed()}},
		{"created", web.Created{Frame: hostFrame("/m/0af1/created"), Meeting: "0af1", Title: "Consultation J. M.", Times: times(), Invitees: invitees()}},
		{"created-members", web.Created{
			Frame: hostFrame("/m/0af1/created"), Meeting: "0af1", Title: "Consultation J. M.", Times: times(), Invitees: invitees()[:1],
			Members: web.MemberLink{On: true, Admits: true, Invitation: "8899aabbccddeeff", Link: "https://visio.exemple.fr/i/Mk3yMk3yMk3yMk3yMk3yMk3yMk3yMk3y"},
		}},
	}
}

func cards() []web.Card {
	return []web.Card{
		{
			Admission: "ad01", Invited: "J. M.", Name: "Jeanne Moreau", Sure: true, Waited: 3 * time.Minute, Agent: "Firefox, Android",
			Proof: web.Proof{Method: meeting.OIDC, Provider: "ProConnect", Name: "Jeanne Moreau", Organisation: "Mairie de Toulouse", Level: web.Word{Key: "substantial"}, Means: []web.Word{{Key: "pwd"}, {Key: "otp"}}},
		},
		{
			Admission: "ad02", Invited: "P. L.", Name: "P. L.", Waited: 10 * time.Second, Agent: "Safari, iPhone",
			Proof: web.Proof{Method: meeting.Mailbox, Mailbox: "p.l@exemple.fr", MailVerified: true}, Sure: true,
			Talk: web.CardTalk{Question: "Quel est votre prénom ?", Reply: "Paul"}, Net: web.Network{Kind: meeting.IPv4, Known: true, Yours: true},
			Zone: "Europe/Paris", Link: web.Trace{By: "Dr Hélène Martin", Mailbox: "p.l@exemple.fr", Used: times().Starts},
		},
		{
			Admission: "ad03", Invited: "A. R.", Name: "Dr Hélene Martin", Waited: time.Minute, Agent: "Chrome, Windows",
			Proof:    web.Proof{Method: meeting.OIDC, Provider: "ProConnect", Name: "Alain Roux", Mailbox: "alain@ailleurs.fr"},
			Warnings: []web.Warning{"link_used_elsewhere", "name_differs", "address_differs", "name_like_host", "name_mixes_scripts", "name_changed"},
			Was:      "A. R.", Zone: "Europe/Paris", Net: web.Network{Kind: meeting.IPv6, Known: true},
			Talk: web.CardTalk{Held: true, Message: "Un instant, je termine.", Question: "Qui vous a invité ?"},
			Link: web.Trace{By: "Dr Hélène Martin", Mailbox: "a.roux@exemple.fr", Used: times().Starts, Codes: 2, Knocks: 1, Last: times().Starts.Add(5 * time.Minute)},
			Others: []web.Use{
				{Name: "A. R.", Proof: web.Proof{Method: meeting.Mailbox}, Agent: "Firefox, Android", At: times().Starts, SameNet: true, State: web.IsInside},
				{Name: "Alain", Proof: web.Proof{Method: meeting.OIDC}, Agent: "Edge, Windows", At: times().Starts, State: web.HasGone},
			},
		},
		{Admission: "ad04", Invited: "Salle 12", Waited: time.Minute, CoHost: true, Proof: web.Proof{Method: meeting.DialCode}, Line: web.Line{Kind: "SIP", Claims: "Salle 12", Address: "192.0.2.7"}, Warnings: []web.Warning{"address_unproved", "not_encrypted"}, Talk: web.CardTalk{Held: true}, Net: web.Network{Kind: meeting.IPv4}},
		{Admission: "ad05", Invited: "T. V.", Name: "T. V.", Waited: time.Minute, Line: web.Line{Kind: "SIP", Address: "192.0.2.8"}, Warnings: []web.Warning{"nothing_proved"}, Net: web.Network{Kind: meeting.Private}},
	}
}

func consolePage() web.Console {
	at := times().Starts
	return web.Console{
		Frame: hostFrame("/m/0af1"), Meeting: "0af1", Title: "Consultation J. M.", Times: times(), Phase: meeting.Open, MayEnter: true,
		Waiting: cards(),
		Inside: []web.Participant{
			{Admission: "ad10", Name: "Dr Hélène Martin", Role: meeting.Host, You: true},
			{Admission: "ad11", Name: "Dr Karim Benali", Invited: "Dr Karim Benali", Role: meeting.Host, Mutable: true, Proof: web.Proof{Method: meeting.OIDC, Provider: "Hôpital Saint-Jean", Name: "Karim Benali"}},
			{Admission: "ad12", Name: "Jo", Invited: "S. T.", Away: true, Doubled: true, Proof: web.Proof{Method: meeting.Mailbox}},
		},
		Refused: []web.Turned{
			{Admission: "ad20", Name: "Q. R.", At: at.Add(16 * time.Minute), Proof: web.Proof{Method: meeting.Mailbox, Mailbox: "q.r@exemple.fr", MailVerified: true}},
			{Admission: "ad21", Name: "Salle 9", At: at.Add(17 * time.Minute), Phone: true, Proof: web.Proof{Method: meeting.DialCode}},
		},
		Invitees: invitees(),
		Log: []web.Entry{
			{At: at.Add(21 * time.Minute), Deed: web.Guessed},
			{At: at.Add(20 * time.Minute), Deed: web.DidExpel, Name: "X. Y.", Incident: "K7M2-Q4XD", Cuts: []web.Cut{
				{What: web.CutConference, Took: 80 * time.Millisecond, OK: true},
				{What: web.CutSignalling, Took: 10 * time.Millisecond, OK: true},
				{What: web.CutRelay, Took: 12 * time.Millisecond, OK: true},
				{What: web.CutLink, Took: 9 * time.Millisecond, OK: true},
				{What: web.CutPhone},
				{What: web.CutNodes, Took: 30 * time.Millisecond, OK: true},
			}},
			{At: at.Add(15 * time.Minute), Deed: web.DidAdmit, Name: "S. T.", By: "Dr Karim Benali"},
			{At: at.Add(14 * time.Minute), Deed: web.Knocked, Name: "S. T."},
		},
	}
}

func consoleExamples() []example {
	open, at := consolePage(), times().Starts
	first, quiet, over, logs, unsure := open, open, open, open, open
	first.Phase, first.Waiting, first.Inside, first.Log = meeting.Planned, nil, nil, nil
	quiet.Waiting, quiet.Locked, quiet.MayEnter = nil, true, false
	over.Refused = nil
	over.Phase, over.Waiting, over.Inside, over.MayEnter = meeting.Ended, nil, nil, false
	first.Shared = web.Shared{May: true}
	shared := open
	shared.Waiting, shared.Log = []web.Card{{
		Admission: "ad06", Invited: "Salle 1", Name: "Salle 1", Line: web.Line{Kind: "SIP", Claims: "Salle 1", Address: "192.0.2.9"},
		Warnings: []web.Warning{"nothing_proved", "not_encrypted"},
	}}, nil
	shared.Shared = web.Shared{May: true, Invitation: "0011223344556677", Dial: web.Dial{Number: "123456789", Code: "87654321", Addresses: []string{"sip:visio.exemple.fr"}, Strings: []string{"123456789.87654321@visio.exemple.fr"}}}
	logs.Waiting, logs.Log = cards()[:1], nil
	for d := web.Knocked; d <= web.DidReconsider; d++ {
		logs.Log = append(logs.Log, web.Entry{At: at, Deed: d, Name: "S. T.", Was: "Sophie"}, web.Entry{At: at, Deed: d, Name: "S. T.", Was: "Sophie", By: "Dr Karim Benali"})
	}
	texted := open
	texted.Waiting = []web.Card{{
		Admission: "ad09", Invited: "S. B.", Name: "S. B.", Waited: 20 * time.Second, Agent: "Chrome, Android",
		Proof: web.Proof{Method: meeting.Telephone, Phone: meeting.CountryPhone("+33612345642")},
	}}
	byLink, link := open, web.MemberLink{On: true, Invitation: "8899aabbccddeeff", Link: "https://visio.exemple.fr/i/Mk3yMk3yMk3yMk3yMk3yMk3yMk3yMk3y"}
	byLink.Members, byLink.Log = link, nil
	byLink.Waiting = []web.Card{{
		Admission: "ad07", Invited: "Karim Benali", Name: "Karim Benali", Member: true, Sure: true, Waited: time.Minute, Agent: "Firefox, Linux",
		Proof: web.Proof{Method: meeting.OIDC, Provider: "Hôpital Saint-Jean", Name: "Karim Benali"},
	}}
	closed := first
	closed.Members = web.MemberLink{On: true, Admits: true, Invitation: "8899aabbccddeeff"}
	sure := open
	sure.Waiting, sure.Inside, sure.Log = assured(), nil, nil
	calm := open
	calm.Calm = true
	unsure.Waiting = nil
	unsure.Log = []web.Entry{{At: at, Deed: web.DidEnd}}
	for c := web.CutConference; c <= web.CutNodes; c++ {
		unsure.Log[0].Cuts = append(unsure.Log[0].Cuts, web.Cut{What: c}, web.Cut{What: c, OK: true, Took: time.Second})
	}
	return []example{
		{"console", open},
		{"console-first", first},
		{"console-phone", texted},
		{"console-locked", quiet},
		{"console-shared", shared},
		{"console-members", byLink},
		{"console-members-closed", closed},
		{"console-over", over},
		{"console-log", logs},
		{"console-cuts", unsure},
		{"console-calm", calm},
		{"console-assurance", sure},
	}
}
