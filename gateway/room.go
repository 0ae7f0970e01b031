package gateway

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/web/room"
)

func (s *Server) roomRoutes() http.Handler {
	m := http.NewServeMux()
	m.Handle(redeemRoute, s.do(s.redeem))
	m.Handle("GET /-/room", s.inside(s.roomPage))
	m.Handle("GET /-/assets/", s.inside(s.roomAssets))
	m.Handle("GET /-/pass", s.inside(s.pass))
	m.Handle("GET /-/events", s.inside(s.roomEvents))
	m.Handle("POST /-/leave", s.inside(s.roomLeave))
	m.Handle("/", s.inside(s.forward))
	return exact(m)
}

// exact keeps ServeMux from cleaning paths: what is not canonical is refused,
// not redirected, so that the door and the server behind it can never read one
// path in two ways (T27).
func exact(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !canonical(r.URL) {
			http.Error(w, "bad path", http.StatusBadRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// seated is a request of somebody who is admitted right now.
type seated struct {
	*http.Request
	seat *lobby.Seat
	info lobby.Info
}

// inside lets through only who holds the cookie of a live admission.
func (s *Server) inside(h func(http.ResponseWriter, seated) error) http.Handler {
	return s.do(func(w http.ResponseWriter, r *http.Request) error {
		c, err := r.Cookie(roomCookie)
		if err != nil {
			return meeting.Refuse(meeting.SignIn)
		}
		seat, info, err := s.c.Lobby.Live(r.Context(), c.Value)
		if err != nil {
			return err
		}
		return h(w, seated{r, seat, info})
	})
}

// refuseInRoom answers a refusal on the room origin: a person's navigation is
// sent to the door, which has the words; a script gets a status.
func (s *Server) refuseInRoom(w http.ResponseWriter, r *http.Request, no *meeting.Refusal) {
	code, after := status(no.Reason), s.after(r)
	switch {
	case navigates(r) && code == http.StatusServiceUnavailable:
		http.Redirect(w, r, after+busyQuery, http.StatusSeeOther)
	case navigates(r):
		http.Redirect(w, r, after, http.StatusSeeOther)
	case code == http.StatusServiceUnavailable:
		answerJSON(w, code, map[string]string{"state": "busy"})
	case code == http.StatusUnauthorized:
		answerJSON(w, code, map[string]string{"state": stateOf(no.Reason), "after": after})
	default:
		answerJSON(w, http.StatusForbidden, map[string]string{"state": stateOf(no.Reason), "after": after})
	}
}

// busyQuery tells the waiting room that the way in failed, so that it does not
// try at once again.
const busyQuery = "?busy=1"

// after is the page of the door where somebody on the room origin belongs.
func (s *Server) after(r *http.Request) string {
	carried := []string{r.PostForm.Get("ticket")}
	if c, err := r.Cookie(roomCookie); err == nil {
		carried = append(carried, c.Value)
	}
	for _, c := range carried {
		if a, ok := lobby.AdmissionOf(c); ok {
			return s.c.Door + "/a/" + a
		}
	}
	return s.c.Door + "/"
}

// navigates reports whether a person looks at the answer.
func navigates(r *http.Request) bool {
	if r.Method == http.MethodPost {
		return r.Pattern == redeemRoute
	}
	mode := r.Header.Get("Sec-Fetch-Mode")
	return r.Method == http.MethodGet && (mode == "navigate" || mode == "" && strings.Contains(r.Header.Get("Accept"), "text/html"))
}

// redeemRoute is the one form of the room origin.
const redeemRoute = "POST /-/enter"

// redeem turns a ticket into the room cookie. It is the one request that comes
// from the door's origin to the room's.
func (s *Server) redeem(w http.ResponseWriter, r *http.Request) error {
	if r.Header.Get("Origin") != s.c.Door {
		return foreign{}
	}
	if err := s.parse(w, r); err != nil {
		return err
	}
	ticket := r.PostForm.Get("ticket")
	admission, before := s.devices(ticket)
	pass, err := s.c.Lobby.Redeem(r.Context(), ticket)
	if err != nil {
		return err
	}
	s.replaces(r, admission, before)
	setCookie(w, roomCookie, pass, 0)
	http.Redirect(w, r, "/-/room", http.StatusSeeOther)
	return nil
}

func (s *Server) roomPage(w http.ResponseWriter, r seated) error {
	if _, err := room.Page(); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	return room.Write(w, room.View{Lang: s.c.Pages.Lang(r.Request), Title: r.info.Title, Base: "/-/assets/", Pass: "/-/pass"})
}

func (s *Server) roomAssets(w http.ResponseWriter, r seated) error {
	http.StripPrefix("/-/assets/", room.Handler()).ServeHTTP(w, r.Request)
	return nil
}

// settings are what the page offers; the conference token says the same.
type settings struct {
	Microphone bool `json:"microphone"`
	Camera     bool `json:"camera"`
	Screen     bool `json:"screen"`
	Chat       bool `json:"chat"`
	Recording  bool `json:"recording"`
}

func settingsOf(i *lobby.Info) settings {
	host := i.Role == meeting.Host
	return settings{
		Microphone: true, Camera: true,
		Screen: host || i.Settings.GuestScreen, Chat: host || i.Settings.GuestChat,
	}
}

func role(r meeting.Role) string {
	if r == meeting.Host {
		return "host"
	}
	return "guest"
}

// pass tells the room page who it is. It holds no conference token and no
// relay secret: the door adds them on the inside.
func (s *Server) pass(w http.ResponseWriter, r seated) error {
	answerJSON(w, http.StatusOK, map[string]any{
		"server": "wss://" + s.room.Host, "title": r.info.Title, "name": r.info.Name,
		"lang": s.c.Pages.Lang(r.Request), "role": role(r.info.Role), "settings": settingsOf(&r.info),
		"locked": r.info.Locked, "leave": "/-/leave", "after": s.c.Door + "/a/" + r.seat.Admission,
		"events": "/-/events", "ready": true,
		"elsewhere": s.registry.turned(r.seat.Admission, s.looksOf(r.Request, r.seat.Meeting), time.Now().Add(-s.silence)),
	})
	return nil
}

// roomEvents tells the room page what the host changed.
func (s *Server) roomEvents(w http.ResponseWriter, r seated) error {
	bye := &farewell{wake: func() { s.hub.poke(r.seat.Meeting) }, out: http.NewResponseController(w)}
	done, ok := s.registry.add(r.seat.Admission, bye.end)
	if !ok {
		return meeting.Refuse(meeting.Busy)
	}
	defer done()
	defer bye.over()
	// A seat that is not watched is forgotten in time, and judged no more: the
	// stream would go on saying what was.
	defer r.seat.Watch()()
	after := s.c.Door + "/a/" + r.seat.Admission
	return s.hub.serve(w, r.Request, r.seat.Meeting, telling{who: "room:" + r.seat.Admission, say: func(*lobby.Snapshot) ([]byte, bool) {
		info, err := r.seat.May()
		v := map[string]any{
			"state": "admitted", "locked": info.Locked, "name": info.Name, "title": info.Title,
			"settings": settingsOf(&info), "recording": false,
		}
		var no *meeting.Refusal
		if errors.As(err, &no) {
			v = map[string]any{"state": stateOf(no.Reason), "after": after}
		}
		b, err := json.Marshal(v)
		if err != nil {
			return nil, true
		}
		return append(append([]byte("event: state\ndata: "), b...), "\n\n"...), no != nil || bye.due.Load()
	}})
}

// farewell ends a stream: it is woken for its last words, and where nobody
// takes them it ends without.
type farewell struct {
	wake func()
	due  atomic.Bool // what is said next is the last

	mu  sync.Mutex
	out *http.ResponseController // guarded by mu; nil once the stream is over
}

// lastWords is how long a stream that is cut may take over its last words.
const lastWords = time.Second

func (f *farewell) end() {
	f.due.Store(true)
	f.wake()
	time.AfterFunc(lastWords, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.out != nil {
			_ = f.out.SetWriteDeadline(time.Now().Add(-time.Second)) // a test's writer has none
		}
	})
}

func (f *farewell) over() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.out = nil
}

// stateOf is the word by which the room page knows why it has to go.
func stateOf(r meeting.Reason) string {
	switch r {
	case meeting.Removed:
		return "expelled"
	case meeting.Over, meeting.CalledOff:
		return "ended"
	case meeting.Stale:
		return "left"
	default:
		return "refused"
	}
}

func (s *Server) roomLeave(w http.ResponseWriter, r seated) error {
	if o := r.Header.Get("Origin"); o != s.c.Room {
		return foreign{}
	}
	if err := s.c.Lobby.Leave(r.Context(), r.seat.Meeting, r.seat.Admission); err != nil {
		return err
	}
	setCookie(w, roomCookie, "", -1)
	answerJSON(w, http.StatusOK, map[string]string{"after": s.c.Door + "/a/" + r.seat.Admission})
	return nil
}

// canonical reports whether a path reads the same to everybody who parses it:
// no dot segment, no empty one, nothing escaped that need not be, none of the
// characters that some server takes for a separator.
func canonical(u *url.URL) bool {
	p := u.EscapedPath()
	if p == "" || p[0] != '/' || u.Opaque != "" {
		return false
	}
	for seg := range strings.SplitSeq(p[1:], "/") {
		if seg == "." || seg == ".." || seg == "" && p != "/" && !strings.HasSuffix(p, "/") {
			return false
		}
	}
	return !strings.Contains(p, "//") && !strings.ContainsAny(p, "%;\\#") && u.Path == p
}
