package gateway

import (
	"bytes"
	"errors"
	"iter"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/web"
)

// hostAction is something a host does to a meeting of theirs.
type hostAction func(w http.ResponseWriter, r *http.Request, id meeting.ID, me *meeting.Person) error

// hostOnly lets only a host of the meeting act, and shows the console after.
func (s *Server) hostOnly(act hostAction) handler { return s.hostBy(s.host, act) }

// hostBy is hostOnly with another way to know who asks.
func (s *Server) hostBy(who func(*http.Request) (*session, error), act hostAction) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		ses, err := who(r)
		if err != nil {
			return err
		}
		// The lobby asks again, in the same transaction that acts: this page
		// may be older than the host's right. A stranger is told the same
		// whether the meeting exists or not (T10).
		id := r.PathValue("meeting")
		admission, invitation := r.PostForm.Get("admission"), r.PostForm.Get("invitation")
		if !minted(id, 32) || admission != "" && !minted(admission, 32) || invitation != "" && !minted(invitation, 16) {
			return meeting.Refuse(meeting.NotFound)
		}
		err = act(w, r, meeting.ID(id), ses.Person)
		var no *meeting.Refusal
		if errors.As(err, &no) && no.Reason == meeting.NotHost {
			return meeting.Refuse(meeting.NotFound)
		}
		return err
	}
}

// minted reports whether an id may be one of ours. Nothing else may become part
// of a key in the store.
func minted(id string, digits int) bool {
	return len(id) == digits && strings.Trim(id, "0123456789abcdef") == ""
}

func consoleAgain(w http.ResponseWriter, r *http.Request, id meeting.ID, err error) error {
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/m/"+string(id), http.StatusSeeOther)
	return nil
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, id meeting.ID, me *meeting.Person) error {
	f := r.PostForm
	a := meeting.Answer{Name: f.Get("name"), Why: meeting.Why(f.Get("why")), Farewell: f.Get("message")}
	switch f.Get("answer") {
	case "admit":
		a.Admit = true
	case "refuse":
	default:
		return meeting.Refuse(meeting.Invalid)
	}
	err := s.c.Lobby.Answer(r.Context(), id, me.Key(), f.Get("admission"), a, s.attempt(w, r))
	return s.again(w, r, "/m/"+string(id), err)
}

// reconsider lets somebody wait again who was refused.
func (s *Server) reconsider(w http.ResponseWriter, r *http.Request, id meeting.ID, me *meeting.Person) error {
	return consoleAgain(w, r, id, s.c.Lobby.Reconsider(r.Context(), id, me.Key(), r.PostForm.Get("admission"), s.attempt(w, r)))
}

func (s *Server) admitVerified(w http.ResponseWriter, r *http.Request, id meeting.ID, me *meeting.Person) error {
	// Those whose card the host saw, and nobody who knocked since.
	_, err := s.c.Lobby.AdmitSure(r.Context(), id, me.Key(), r.PostForm["seen"], s.attempt(w, r))
	return consoleAgain(w, r, id, err)
}

func (s *Server) expel(w http.ResponseWriter, r *http.Request, id meeting.ID, me *meeting.Person) error {
	admission := r.PostForm.Get("admission")
	put := s.c.Lobby.Expel
	if r.PostForm.Has("report") {
		put = s.c.Lobby.Report
	}
	cuts, err := put(r.Context(), id, me.Key(), admission, s.attempt(w, r))
	if err == nil {
		s.cuts.keep(admission, cuts)
		s.hub.poke(id)
	}
	return consoleAgain(w, r, id, err)
}

func (s *Server) lock(w http.ResponseWriter, r *http.Request, id meeting.ID, me *meeting.Person) error {
	return consoleAgain(w, r, id, s.c.Lobby.Lock(r.Context(), id, me.Key(), true))
}

func (s *Server) unlock(w http.ResponseWriter, r *http.Request, id meeting.ID, me *meeting.Person) error {
	return consoleAgain(w, r, id, s.c.Lobby.Lock(r.Context(), id, me.Key(), false))
}

func (s *Server) end(w http.ResponseWriter, r *http.Request, id meeting.ID, me *meeting.Person) error {
	return consoleAgain(w, r, id, s.c.Lobby.End(r.Context(), id, me.Key(), false))
}

func (s *Server) cancel(w http.ResponseWriter, r *http.Request, id meeting.ID, me *meeting.Person) error {
	return consoleAgain(w, r, id, s.c.Lobby.End(r.Context(), id, me.Key(), true))
}

// mail sends an invitation's mail again.
func (s *Server) mail(w http.ResponseWriter, r *http.Request, id meeting.ID, me *meeting.Person) error {
	err := s.c.Lobby.Remail(r.Context(), id, me.Key(), r.PostForm.Get("invitation"))
	return consoleAgain(w, r, id, err)
}

func (s *Server) revoke(w http.ResponseWriter, r *http.Request, id meeting.ID, me *meeting.Person) error {
	err := s.c.Lobby.Revoke(r.Context(), id, me.Key(), r.PostForm.Get("invitation"), s.attempt(w, r))
	return consoleAgain(w, r, id, err)
}

// reissue puts a new link in the place of an invitee's or of that for members.
// Nobody who came by the old one is put out.
func (s *Server) reissue(w http.ResponseWriter, r *http.Request, id meeting.ID, me *meeting.Person) error {
	return consoleAgain(w, r, id, s.c.Lobby.Reissue(r.Context(), id, me.Key(), r.PostForm.Get("invitation"), s.attempt(w, r)))
}

// correct gives an invitee another name, address or number, and a new link.
func (s *Server) correct(w http.ResponseWriter, r *http.Request, id meeting.ID, me *meeting.Person) error {
	f := r.PostForm
	to := lobby.Invitee{Name: f.Get("name"), Email: f.Get("email"), Phone: f.Get("phone")}
	err := s.c.Lobby.Correct(r.Context(), id, me.Key(), f.Get("invitation"), to, s.attempt(w, r))
	return s.again(w, r, "/m/"+string(id), err)
}

// share opens a code that many may dial, or a new one in its place.
func (s *Server) share(w http.ResponseWriter, r *http.Request, id meeting.ID, me *meeting.Person) error {
	return consoleAgain(w, r, id, s.c.Lobby.Share(r.Context(), id, me.Key(), s.attempt(w, r)))
}

// hostEnter takes a host into the room of their meeting, which opens it.
func (s *Server) hostEnter(w http.ResponseWriter, r *http.Request, id meeting.ID, me *meeting.Person) error {
	ses, err := s.session(r.Context(), r)
	if err != nil {
		return err
	}
	admission, err := s.c.Lobby.HostKnock(r.Context(), id, lobby.Arrival{
		Person: *me, Device: s.device(w, r), Name: me.Name, Agent: agent(r.UserAgent()), Net: s.network(r, id), Consent: true,
	}, s.attempt(w, r))
	if err != nil {
		return err
	}
	if err := s.enrol(r.Context(), ses, admission, id); err != nil {
		return err
	}
	return s.step(w, r, id, admission)
}

// cutBook remembers for the console what the last expulsions cut. It holds no
// names and forgets the oldest.
type cutBook struct {
	mu    sync.Mutex
	cuts  map[string][]web.Cut // by admission; guarded by mu
	order []string             // guarded by mu
}

// maxCuts bounds the cut book.
const maxCuts = 256

func (b *cutBook) keep(admission string, cuts []lobby.Cut) {
	list := make([]web.Cut, 0, len(cuts))
	for _, c := range cuts {
		list = append(list, web.Cut{What: cutting(c.What), Took: c.Took, OK: c.Err == nil})
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cuts == nil {
		b.cuts = map[string][]web.Cut{}
	}
	b.cuts[admission] = list
	b.order = append(b.order, admission)
	if len(b.order) > maxCuts {
		delete(b.cuts, b.order[0])
		b.order = b.order[1:]
	}
}

// cutting is the word of a channel that was cut.
func cutting(channel string) web.Cutting {
	return map[string]web.Cutting{
		"conference": web.CutConference, "signalling": web.CutSignalling, "relay": web.CutRelay, "link": web.CutLink,
		"phone": web.CutPhone, "nodes": web.CutNodes,
	}[channel]
}

// reported are the cuts of an admission as the meeting's events tell them, by
// whichever node; while the store does not know, as they were here.
func (b *cutBook) reported(recent []meeting.Entry, admission string) []web.Cut {
	i := slices.IndexFunc(recent, func(e meeting.Entry) bool { return e.What == meeting.WasCut && e.Admission == admission })
	if i < 0 {
		return b.of(admission)
	}
	list := make([]web.Cut, 0, len(recent[i].Cuts))
	for _, c := range recent[i].Cuts {
		list = append(list, web.Cut{What: cutting(c.What), Took: time.Duration(c.Milliseconds) * time.Millisecond, OK: c.Confirmed})
	}
	return list
}

func (b *cutBook) of(admission string) []web.Cut {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cuts[admission]
}

// slicesLines yields the lines of b without their ends.
func slicesLines(b []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for l := range bytes.Lines(b) {
			if !yield(bytes.TrimRight(l, "\r\n")) {
				return
			}
		}
	}
}
