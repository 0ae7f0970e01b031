package gateway

import (
	"errors"
	"net/http"
	"strconv"

	"vestibule/meeting"
	"vestibule/web"
)

// again leads back to the page that a change came from; what was refused is
// told with the way back there.
func (s *Server) again(w http.ResponseWriter, r *http.Request, path string, err error) error {
	var no *meeting.Refusal
	if errors.As(err, &no) && (no.Reason == meeting.NameChanged || no.Reason == meeting.Invalid) {
		s.write(w, r, status(no.Reason), web.Refused{Frame: s.frame(w, r), Reason: no.Reason, Back: path})
		return nil
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, path, http.StatusSeeOther)
	return nil
}

func (s *Server) hold(w http.ResponseWriter, r *http.Request, id meeting.ID, me *meeting.Person) error {
	f := r.PostForm
	err := s.c.Lobby.Hold(r.Context(), id, me.Key(), f.Get("admission"), f.Get("message"), s.attempt(w, r))
	return s.again(w, r, "/m/"+string(id), err)
}

func (s *Server) ask(w http.ResponseWriter, r *http.Request, id meeting.ID, me *meeting.Person) error {
	f := r.PostForm
	err := s.c.Lobby.Ask(r.Context(), id, me.Key(), f.Get("admission"), f.Get("message"), s.attempt(w, r))
	return s.again(w, r, "/m/"+string(id), err)
}

func (s *Server) rename(w http.ResponseWriter, r *http.Request, id meeting.ID, me *meeting.Person) error {
	f := r.PostForm
	err := s.c.Lobby.Rename(r.Context(), id, me.Key(), f.Get("admission"), f.Get("name"), s.attempt(w, r))
	return s.again(w, r, "/m/"+string(id), err)
}

func (s *Server) mute(w http.ResponseWriter, r *http.Request, id meeting.ID, me *meeting.Person) error {
	return consoleAgain(w, r, id, s.c.Lobby.Mute(r.Context(), id, me.Key(), r.PostForm.Get("admission"), s.attempt(w, r)))
}

// reply is the guest's answer to the host's question. One that comes too late
// finds the page as it now is.
func (s *Server) reply(w http.ResponseWriter, r *http.Request) error {
	_, id, admission, err := s.guest(r)
	if err != nil {
		return err
	}
	asks, _ := strconv.Atoi(r.PostForm.Get("to")) // 0 answers nothing
	err = s.c.Lobby.Reply(r.Context(), id, admission, asks, r.PostForm.Get("reply"), s.attempt(w, r))
	var no *meeting.Refusal
	if errors.As(err, &no) && no.Reason == meeting.Stale {
		err = nil
	}
	return s.again(w, r, "/a/"+admission, err)
}

// stay answers "are you still there?".
func (s *Server) stay(w http.ResponseWriter, r *http.Request) error {
	_, id, admission, err := s.guest(r)
	if err != nil {
		return err
	}
	return s.again(w, r, "/a/"+admission, s.c.Lobby.Stay(r.Context(), id, admission))
}

// words puts on the waiting page what the host said.
func words(p *web.Waiting, a *meeting.Admission, st *standing) {
	t := &a.Talk
	p.Held, p.Message = !t.Held.IsZero(), t.Message
	p.Question, p.Asks, p.Reply = t.Question, t.Asks, t.Reply
	p.Renamed, p.Asked, p.Rev = a.Named.By != "", st.Asked, st.Rev
}

// rev changes with everything the host says to one who waits.
func rev(a *meeting.Admission, asked bool) string {
	b := strconv.AppendInt(nil, int64(a.Talk.Asks), 36)
	for _, at := range []int64{a.Talk.Held.UnixMilli(), a.Talk.Replied.UnixMilli(), a.Named.At.UnixMilli(), a.Stayed.UnixMilli()} {
		b = strconv.AppendInt(append(b, '.'), max(0, at), 36)
	}
	return string(strconv.AppendBool(append(b, '.'), asked))
}
