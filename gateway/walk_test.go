package gateway_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"vestibule/auth/authtest"
	"vestibule/conference/conferencetest"
	"vestibule/lobby"
	"vestibule/meeting"
)

// signIn goes through the provider as one person, from the form at the path,
// and answers what the callback said.
func (v *visitor) signIn(path string, who authtest.Claims) answer {
	v.t.Helper()
	a := v.post(path, url.Values{"provider": {"hospital"}})
	v.want(a, http.StatusOK, "POST "+path)
	back := v.authorize(a.to(), who)
	defer v.s.id.mu.Unlock()
	return v.get("/oidc/callback/hospital?" + back.Encode())
}

// authorize is the browser at the provider. The provider stays this person's
// until the caller unlocks it.
func (v *visitor) authorize(to string, who authtest.Claims) url.Values {
	v.t.Helper()
	v.s.id.mu.Lock()
	v.s.id.Person = who
	sid := who["sid"]
	v.s.id.IDToken = func(c authtest.Claims) { c["sid"] = sid }
	back, err := v.s.id.Authorize(to)
	if err != nil {
		v.s.id.mu.Unlock()
		v.t.Fatal(err)
	}
	v.s.seen.hide("authorization code", back.Get("code"))
	return back
}

// host signs in and stands before the list of meetings.
func (s *site) host(who authtest.Claims) *visitor {
	s.t.Helper()
	v := s.visit()
	a := v.signIn("/signin", who)
	if v.want(a, http.StatusSeeOther, "callback").to() != "/meetings" {
		s.t.Fatalf("callback leads to %q, want /meetings", a.to())
	}
	v.get("/meetings")
	return v
}

// held is a meeting with its personal links by name.
type held struct {
	s     *site
	id    meeting.ID
	links map[string]string // path
	mails map[string]string
}

// meet makes a meeting through the form. An invitee is a bare name; the
// address is made from it.
func (v *visitor) meet(extra url.Values, names ...string) *held {
	v.t.Helper()
	m := &held{s: v.s, links: map[string]string{}, mails: map[string]string{}}
	var lines strings.Builder
	for _, n := range names {
		m.mails[n] = strings.ToLower(strings.ReplaceAll(n, " ", ".")) + "." + strings.ToLower(rand.Text()[:6]) + "@patient.example"
		fmt.Fprintf(&lines, "%s <%s>\n", n, m.mails[n])
	}
	now := time.Now().UTC().Add(time.Minute)
	form := url.Values{
		"title": {"Consultation"}, "date": {now.Format(time.DateOnly)}, "start": {now.Format("15:04")}, "duration": {"60"},
		"zone": {"UTC"}, "lang": {"en"}, "invitees": {lines.String()},
	}
	for k, x := range extra {
		form[k] = x
	}
	v.want(v.get("/meetings/new"), http.StatusOK, "the form of a new meeting")
	a := v.want(v.post("/meetings", form), http.StatusSeeOther, "POST /meetings")
	m.id = meeting.ID(strings.TrimSuffix(strings.TrimPrefix(a.to(), "/m/"), "/created"))
	m.refresh()
	return m
}

// refresh reads the links.
func (m *held) refresh() {
	m.s.t.Helper()
	for _, i := range m.snapshot().Invitations {
		link := m.s.Lobby.Link(m.id, &i)
		m.links[i.Name] = "/i/" + link
		m.s.seen.hide("link", link)
	}
}

func (m *held) snapshot() *lobby.Snapshot {
	m.s.t.Helper()
	snap, err := m.s.Lobby.Snapshot(m.s.t.Context(), m.id)
	if err != nil {
		m.s.t.Fatal(err)
	}
	return snap
}

// settles waits until every invitation is mailed: each writes once more what
// became of its mail, whenever that is known.
func (m *held) settles() {
	m.s.t.Helper()
	eventually(m.s.t, "the invitations are mailed, and the queue forgets them", func() bool {
		waiting, err := m.s.valve.Owned(m.s.t.Context(), "mail", time.Time{}, 10)
		if err != nil || len(waiting) > 0 {
			return false
		}
		all := slices.Collect(maps.Values(m.snapshot().Invitations))
		return !slices.ContainsFunc(all, func(v meeting.Invitation) bool { return v.Mail.State != meeting.Mailed })
	})
}

// state answers where an admission stands.
func (m *held) state(admission string) meeting.State {
	m.s.t.Helper()
	a, _ := m.snapshot().Admission(admission)
	return a.State
}

func (m *held) path(action string) string { return "/m/" + string(m.id) + action }

// prove proves the mailbox of an invitation.
func (v *visitor) prove(m *held, name string) {
	v.t.Helper()
	link := m.links[name]
	v.get(link)
	v.want(v.post(link+"/code", nil), http.StatusSeeOther, "asking for a code")
	code := v.s.box.code(m.mails[name])
	v.s.seen.hide("code", code)
	v.want(v.post(link+"/verify", url.Values{"code": {code}}), http.StatusSeeOther, "typing the code")
}

// knock proves the mailbox and knocks; it answers the admission.
func (v *visitor) knock(m *held, name string) string {
	v.t.Helper()
	v.prove(m, name)
	return v.knockAs(m, name, name)
}

func (v *visitor) knockAs(m *held, name, shown string) string {
	v.t.Helper()
	v.get(m.links[name] + "/name")
	a := v.want(v.post(m.links[name]+"/knock", url.Values{"name": {shown}, "consent": {"1"}}), http.StatusSeeOther, "knocking")
	return strings.TrimPrefix(a.to(), "/a/")
}

// admits lets an admission in.
func (v *visitor) admits(m *held, admission string) {
	v.t.Helper()
	v.want(v.post(m.path("/answer"), url.Values{"admission": {admission}, "answer": {"admit"}}), http.StatusSeeOther, "admitting")
}

func (v *visitor) expels(m *held, admission string) {
	v.t.Helper()
	v.want(v.post(m.path("/expel"), url.Values{"admission": {admission}}), http.StatusSeeOther, "expelling")
}

// opens brings the host of a meeting into its room.
func (v *visitor) opens(m *held) *socket {
	v.t.Helper()
	v.want(v.post(m.path("/enter"), nil), http.StatusOK, "the host's way in")
	v.redeems()
	return v.joins()
}

// enters brings an admitted guest into the room, without the web socket.
func (v *visitor) enters(admission string) {
	v.t.Helper()
	v.want(v.post("/a/"+admission+"/enter", nil), http.StatusOK, "the way in")
	v.redeems()
}

// redeems spends the ticket of the last page.
func (v *visitor) redeems() {
	v.t.Helper()
	a := v.want(v.redeem(v.ticket), http.StatusSeeOther, "redeeming")
	if a.to() != "/-/room" {
		v.t.Fatalf("redeeming leads to %q", a.to())
	}
}

func (v *visitor) redeem(ticket string) answer {
	v.t.Helper()
	r := v.form(roomOrigin+"/-/enter", url.Values{"ticket": {ticket}})
	r.Header.Set("Sec-Fetch-Site", "same-site")
	return v.send(r)
}

// socket is the signalling of somebody inside.
type socket struct {
	conn *websocket.Conn
	join *livekit.JoinResponse
	pong chan struct{}
	gone chan struct{} // closed when it has ended
	last time.Time     // of the last message; after gone
}

// joins opens the signalling and fails the test if it is refused.
func (v *visitor) joins() *socket {
	v.t.Helper()
	s, status := v.dial(nil)
	if s == nil {
		v.t.Fatalf("opening the signalling = %d, want 101", status)
	}
	return s
}

const signalPath = "/rtc/v1?access_token=door&join_request="

func signalAddress() string {
	return roomOrigin + signalPath + url.QueryEscape(conferencetest.JoinRequest(&livekit.JoinRequest{
		ClientInfo: &livekit.ClientInfo{Sdk: livekit.ClientInfo_JS, Protocol: 16, Version: "2.23.0"},
	}))
}

// dial opens the signalling with further headers, or answers the status.
func (v *visitor) dial(h http.Header) (*socket, int) {
	v.t.Helper()
	header := http.Header{"Origin": {roomOrigin}, "User-Agent": {v.agent}}
	for k, x := range h {
		header[k] = x
	}
	conn, res, err := websocket.Dial(v.t.Context(), signalAddress(), &websocket.DialOptions{
		HTTPClient: v.plain, HTTPHeader: header, CompressionMode: websocket.CompressionContextTakeover,
	})
	if res != nil {
		v.s.seen.note(res)
	}
	if err != nil {
		if res == nil {
			v.t.Fatal(err)
		}
		return nil, res.StatusCode
	}
	conn.SetReadLimit(8 << 20)
	s := &socket{conn: conn, pong: make(chan struct{}, 16), gone: make(chan struct{})}
	joined := make(chan struct{})
	go s.read(joined)
	v.t.Cleanup(s.leave)
	select {
	case <-joined:
	case <-s.gone:
		return nil, 0
	case <-time.After(10 * time.Second):
		v.t.Fatal("joining took 10 s")
	}
	for _, ice := range s.join.GetIceServers() {
		v.s.seen.hide("relay credential", ice.Credential)
	}
	return s, http.StatusSwitchingProtocols
}

func (s *socket) read(joined chan struct{}) {
	defer close(s.gone)
	var once sync.Once
	for {
		_, b, err := s.conn.Read(context.Background())
		s.last = time.Now()
		if err != nil {
			return
		}
		var m livekit.SignalResponse
		if proto.Unmarshal(b, &m) != nil {
			continue
		}
		switch r := m.Message.(type) {
		case *livekit.SignalResponse_Join:
			s.join = r.Join
			once.Do(func() { close(joined) })
		case *livekit.SignalResponse_Pong, *livekit.SignalResponse_PongResp:
			select {
			case s.pong <- struct{}{}:
			default:
			}
		}
	}
}

// ping answers whether the signalling goes there and back.
func (s *socket) ping(t *testing.T) bool {
	t.Helper()
	b, err := proto.Marshal(&livekit.SignalRequest{Message: &livekit.SignalRequest_Ping{Ping: time.Now().UnixMilli()}})
	if err != nil {
		t.Fatal(err)
	}
	if s.conn.Write(t.Context(), websocket.MessageBinary, b) != nil {
		return false
	}
	select {
	case <-s.pong:
		return true
	case <-s.gone:
	case <-time.After(10 * time.Second):
	}
	return false
}

// ended waits for the end of the signalling.
func (s *socket) ended(t *testing.T) {
	t.Helper()
	select {
	case <-s.gone:
	case <-time.After(10 * time.Second):
		t.Error("the signalling is still open after 10 s")
	}
}

func (s *socket) leave() {
	_ = s.conn.CloseNow()
	<-s.gone
}
