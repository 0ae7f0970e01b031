package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"time"

	"vestibule/lobby"
	"vestibule/meeting"
)

// Check asks what every proxied request is asked, and nothing else.
func Check(s *Server, r *http.Request) error {
	c, err := r.Cookie(roomCookie)
	if err != nil {
		return err
	}
	_, _, err = s.c.Lobby.Live(r.Context(), c.Value)
	return err
}

// Stream is a waiting person's event stream that tells of the lock.
func Stream(s *Server, w http.ResponseWriter, r *http.Request, id meeting.ID, who string) error {
	return s.hub.serve(w, r, id, telling{who: who, say: func(snap *lobby.Snapshot) ([]byte, bool) {
		return []byte("event: state\ndata: {\"locked\":" + strconv.FormatBool(snap.Meeting.Locked) + "}\n\n"), false
	}})
}

// Hurry gives a form less time than people have.
func Hurry(s *Server, d time.Duration) { s.formTime = d }

// Silent has a web socket that says nothing be taken for dead after d.
func Silent(s *Server, d time.Duration) { s.silence = d }

// Attend keeps the relay of whoever holds pass for as long as the web socket
// that carries their signalling would, until stop.
func Attend(ctx context.Context, s *Server, pass string, relay Relay, end func()) (stop func(), err error) {
	seat, _, err := s.c.Lobby.Live(ctx, pass)
	if err != nil {
		return nil, err
	}
	s.c.Relay = relay
	return s.attend(ctx, seat, end), nil
}

// Kept is what the store holds of a session.
func Kept(ctx context.Context, s *Server, cookie string) ([]byte, error) {
	ses, err := s.stored(ctx, s.mac("session", cookie))
	if err != nil || ses == nil {
		return nil, err
	}
	return ses.raw, nil
}

// Age makes a session older, but used just now.
func Age(ctx context.Context, s *Server, cookie string, by time.Duration) error {
	ses, err := s.stored(ctx, s.mac("session", cookie))
	if err != nil || ses == nil {
		return cmp.Or(err, errors.New("no session"))
	}
	ses.Created, ses.Began = ses.Created.Add(-by), ses.Began.Add(-by)
	_, err = s.keep(ctx, ses)
	return err
}

// Rest has a session be used by ago for the last time.
func Rest(ctx context.Context, s *Server, cookie string, by time.Duration) error {
	ses, err := s.stored(ctx, s.mac("session", cookie))
	if err != nil || ses == nil {
		return cmp.Or(err, errors.New("no session"))
	}
	ses.Seen = ses.Seen.Add(-by)
	b, err := json.Marshal(ses)
	if err != nil {
		return err
	}
	_, err = s.c.Shelf.Swap(ctx, "session", ses.key, ses.raw, b, time.Hour)
	return err
}

// Canonical reports whether a path reads the same to everybody.
func Canonical(u *url.URL) bool { return canonical(u) }

// Buffers are those of the proxy.
func Buffers() httputil.BufferPool { return newBuffers() }

// Browser is the cookie of a browser that made an admission and nothing else.
func Browser(ctx context.Context, s *Server, id meeting.ID, admission string) (cookie string, err error) {
	cookie = random()
	_, err = s.keep(ctx, &session{key: s.mac("session", cookie), Created: time.Now(), Admissions: map[string]meeting.ID{admission: id}})
	return cookie, err
}
