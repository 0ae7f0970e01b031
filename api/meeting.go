package api

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"vestibule/lobby"
	"vestibule/meeting"
)

// lockView is what a key that may not read meetings is told of one.
type lockView struct {
	ID     string `json:"id"`
	State  string `json:"state"`
	Locked bool   `json:"locked"`
}

// meetingView is a meeting as programs read it.
type meetingView struct {
	ID       string       `json:"id"`
	Title    string       `json:"title"`
	Starts   time.Time    `json:"starts"`
	Ends     time.Time    `json:"ends"`
	Zone     string       `json:"zone"`
	Lang     string       `json:"lang"`
	State    string       `json:"state"`
	Locked   bool         `json:"locked"`
	Settings settingsView `json:"settings"`
	Owner    string       `json:"owner"`
	Created  time.Time    `json:"created"`
	// Console is where a host sees who waits.
	Console string `json:"console"`
}

type settingsView struct {
	JoinBeforeHost bool `json:"join_before_host"`
	GuestScreen    bool `json:"guest_screen"`
	GuestChat      bool `json:"guest_chat"`
	// Members is how members come without an invitation: "none", "wait", "admit".
	Members       string `json:"members"`
	RemindMinutes []int  `json:"remind_minutes"`
	Chime         bool   `json:"chime"`
	EarlyMinutes  int    `json:"early_minutes"`
	GraceMinutes  int    `json:"grace_minutes"`
}

func second(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

func (s *Server) view(m *meeting.Meeting, now time.Time) meetingView {
	state := [...]string{"planned", "open", "ended", "cancelled"}[min(m.Phase, meeting.Cancelled)]
	if m.Over(now) && m.Phase != meeting.Cancelled {
		state = "ended"
	}
	remind := []int{}
	for _, d := range m.Settings.Remind {
		if d > 0 {
			remind = append(remind, int(d.Minutes()))
		}
	}
	return meetingView{
		ID: string(m.ID), Title: m.Title, Starts: second(m.Starts), Ends: second(m.Ends), Zone: m.Zone, Lang: m.Lang,
		State: state, Locked: m.Locked, Owner: m.Owner.Name, Created: second(m.Created),
		Console: s.c.Door + "/m/" + string(m.ID),
		Settings: settingsView{
			JoinBeforeHost: m.Settings.JoinBeforeHost, GuestScreen: m.Settings.GuestScreen, GuestChat: m.Settings.GuestChat,
			Members:       welcomeWord(m.Settings.Members),
			RemindMinutes: remind, Chime: m.Settings.Chime,
			EarlyMinutes: int(m.Settings.Early.Minutes()), GraceMinutes: int(m.Settings.Grace.Minutes()),
		},
	}
}

func welcomeWord(w meeting.Welcome) string {
	if w == meeting.ByName {
		return "none"
	}
	return string(w)
}

func welcome(word string) meeting.Welcome {
	if word == "none" {
		return meeting.ByName
	}
	return meeting.Welcome(word)
}

// tag is the entity tag of a meeting (RFC 9110 §8.8.3): a fingerprint of what
// is shown of it.
func tag(v *meetingView) string {
	b, _ := json.Marshal(v) // a view is always written
	sum := sha256.Sum256(b)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
}

// id reads an id out of the path. What cannot be one is not there.
func id(r *http.Request, name string, digits int) (string, error) {
	v := r.PathValue(name)
	if len(v) != digits || strings.Trim(v, "0123456789abcdef") != "" {
		return "", meeting.Refuse(meeting.NotFound)
	}
	return v, nil
}

// hosted answers the meeting of the path for the caller who hosts it.
func (s *Server) hosted(r *http.Request, c *caller) (*meeting.Meeting, error) {
	v, err := id(r, "meeting", 32)
	if err != nil {
		return nil, err
	}
	m, err := s.c.Lobby.Hosts(r.Context(), meeting.ID(v), c.host())
	if err != nil {
		return nil, err
	}
	return &m, nil
}

func (s *Server) listMeetings(w http.ResponseWriter, r *http.Request, c *caller) error {
	limit, at, err := s.leaf(r, c)
	if err != nil {
		return err
	}
	var from time.Time
	if v := r.URL.Query().Get("ends_after"); v != "" {
		if from, err = time.Parse(time.RFC3339, v); err != nil {
			return refuse(http.StatusUnprocessableEntity, "invalid", fault{Name: "ends_after", Code: "time"})
		}
	}
	ms, after, _ := strings.Cut(at, " ")
	if n, err := strconv.ParseInt(ms, 10, 64); err == nil {
		from = time.UnixMilli(n)
	}
	list, more, err := s.c.Lobby.Hosted(r.Context(), c.host(), from, meeting.ID(after), limit)
	if err != nil {
		return err
	}
	p := page[meetingView]{Items: []meetingView{}, More: more}
	for i := range list {
		p.Items = append(p.Items, s.view(&list[i], time.Now()))
	}
	if more {
		last := &list[len(list)-1]
		p.Next = s.cursor(r, c, strconv.FormatInt(last.Ends.UnixMilli(), 10)+" "+string(last.ID))
	}
	return answer(w, http.StatusOK, p)
}

func (s *Server) readMeeting(w http.ResponseWriter, r *http.Request, c *caller) error {
	m, err := s.hosted(r, c)
	if err != nil {
		return err
	}
	return s.tell(w, http.StatusOK, m)
}

func (s *Server) tell(w http.ResponseWriter, status int, m *meeting.Meeting) error {
	v := s.view(m, time.Now())
	w.Header().Set("ETag", tag(&v))
	return answer(w, status, v)
}

// again answers a meeting as it is after a change.
func (s *Server) again(ctx context.Context, w http.ResponseWriter, id meeting.ID) error {
	m, err := s.c.Lobby.Header(ctx, id)
	if err != nil {
		return err
	}
	return s.tell(w, http.StatusOK, &m)
}

// draft reads what a program asks a meeting to be; what it does not say stays
// as in was.
func draft(o *object, was lobby.Draft) lobby.Draft {
	d := lobby.Draft{
		Title:  o.text("title", was.Title, lobby.MaxTitle),
		Starts: o.time("starts", was.Starts),
		Ends:   o.time("ends", was.Ends),
		Zone:   field(o, "zone", was.Zone),
		Lang:   o.word("lang", was.Lang, "fr", "en"),
	}
	in := o.inside("settings")
	d.Settings = meeting.Settings{
		JoinBeforeHost: field(in, "join_before_host", was.Settings.JoinBeforeHost),
		GuestScreen:    field(in, "guest_screen", was.Settings.GuestScreen),
		GuestChat:      field(in, "guest_chat", was.Settings.GuestChat),
		Members:        welcome(in.word("members", welcomeWord(was.Settings.Members), "none", "wait", "admit")),
		Remind:         in.reminders("remind_minutes", was.Settings.Remind),
		Chime:          field(in, "chime", was.Settings.Chime),
		Early:          in.minutes("early_minutes", was.Settings.Early, 0, 24*time.Hour),
		Grace:          in.minutes("grace_minutes", was.Settings.Grace, 0, 12*time.Hour),
	}
	in.rest()
	return d
}

// judge adds what the lobby finds wrong with a draft to what was found in
// reading it.
func (o *object) judge(d *lobby.Draft, now time.Time) error {
	for _, no := range d.Faults(now) {
		at := pointer(no.Field)
		name, _, _ := strings.Cut(at[1:], "/")
		// What follows from a fault that is told is not told again.
		if !o.told(name) && (name != "ends" || !o.told("starts")) {
			*o.faults = append(*o.faults, fault{Pointer: at, Code: "invalid"})
		}
	}
	return o.done()
}

// pointer says where the lobby's name of a field stands in a body.
func pointer(name string) string {
	head, line, ok := strings.Cut(name, ".")
	names := map[string]string{"start": "starts", "end": "ends", "invitees": "invitations"}
	at := "/" + or(names[head], head)
	if n, err := strconv.Atoi(line); ok && err == nil {
		at += "/" + strconv.Itoa(n-1)
	}
	return at
}

func (s *Server) createMeeting(w http.ResponseWriter, r *http.Request, c *caller) error {
	o, raw, err := read(r)
	if err != nil {
		return err
	}
	o.need("title", "starts", "ends")
	d := draft(o, lobby.Draft{Zone: s.c.Zone, Lang: s.c.Lang, Settings: s.c.Lobby.Defaults()})
	d.Invitees = s.invitees(o)
	if err := o.judge(&d, time.Now()); err != nil {
		return err
	}
	if len(d.Invitees) > 0 && !c.may("invitations:write") {
		return refuse(http.StatusForbidden, "scope")
	}
	attempt, err := s.attempt(r, c, raw)
	if err != nil {
		return err
	}
	made, err := s.c.Lobby.Create(r.Context(), c.owner, d, attempt)
	if err != nil {
		return err
	}
	m, err := s.c.Lobby.Header(r.Context(), made)
	if err != nil {
		return err
	}
	w.Header().Set("Location", Prefix+"/meetings/"+string(made))
	return s.tell(w, http.StatusCreated, &m)
}

func (s *Server) alterMeeting(w http.ResponseWriter, r *http.Request, c *caller) error {
	m, err := s.hosted(r, c)
	if err != nil {
		return err
	}
	match := r.Header.Get("If-Match")
	if match == "" { // RFC 6585 §3: else one program undoes what another did.
		return refuse(http.StatusPreconditionRequired, "unguarded")
	}
	o, raw, err := read(r)
	if err != nil {
		return err
	}
	d := draft(o, lobby.Draft{Title: m.Title, Starts: m.Starts, Ends: m.Ends, Zone: m.Zone, Lang: m.Lang, Settings: m.Settings})
	if err := o.judge(&d, time.Now()); err != nil {
		return err
	}
	attempt, err := s.attempt(r, c, raw)
	if err != nil {
		return err
	}
	fit := func(m *meeting.Meeting) bool {
		v := s.view(m, time.Now())
		return match == "*" || match == tag(&v)
	}
	err = s.c.Lobby.Alter(r.Context(), m.ID, c.host(), d, fit, attempt)
	var no *meeting.Refusal
	if errors.As(err, &no) && no.Reason == meeting.Stale {
		return refuse(http.StatusPreconditionFailed, "precondition")
	}
	if err != nil {
		return err
	}
	return s.again(r.Context(), w, m.ID)
}

// deed is a change that takes nothing but the path, and can be asked for twice.
func (s *Server) deed(w http.ResponseWriter, r *http.Request, c *caller, do func(ctx context.Context, id meeting.ID) error) error {
	m, err := s.hosted(r, c)
	if err != nil {
		return err
	}
	if err := bare(r); err != nil {
		return err
	}
	if err := do(r.Context(), m.ID); err != nil {
		return err
	}
	if c.may("meetings:read") || c.may("meetings:write") {
		return s.again(r.Context(), w, m.ID)
	}
	// A key that may decide and not read is told what its decision did.
	after, err := s.c.Lobby.Header(r.Context(), m.ID)
	if err != nil {
		return err
	}
	v := s.view(&after, time.Now())
	return answer(w, http.StatusOK, lockView{v.ID, v.State, v.Locked})
}

// bare refuses a body that says anything.
func bare(r *http.Request) error {
	o, _, err := read(r)
	if err != nil {
		return err
	}
	return o.done()
}

func (s *Server) cancelMeeting(w http.ResponseWriter, r *http.Request, c *caller) error {
	return s.deed(w, r, c, func(ctx context.Context, id meeting.ID) error { return s.c.Lobby.End(ctx, id, c.host(), true) })
}

func (s *Server) endMeeting(w http.ResponseWriter, r *http.Request, c *caller) error {
	return s.deed(w, r, c, func(ctx context.Context, id meeting.ID) error { return s.c.Lobby.End(ctx, id, c.host(), false) })
}

func (s *Server) lock(w http.ResponseWriter, r *http.Request, c *caller) error {
	return s.deed(w, r, c, func(ctx context.Context, id meeting.ID) error { return s.c.Lobby.Lock(ctx, id, c.host(), true) })
}

func (s *Server) unlock(w http.ResponseWriter, r *http.Request, c *caller) error {
	return s.deed(w, r, c, func(ctx context.Context, id meeting.ID) error { return s.c.Lobby.Lock(ctx, id, c.host(), false) })
}
