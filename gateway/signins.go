package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"vestibule/meeting"
	"vestibule/web"
)

// maxSignIns bounds in how many browsers one person is signed in; the oldest
// sign-in gives way. None may live on that no list shows.
const maxSignIns = 32

func (s *Server) signInsKey(k meeting.Key) string { return s.mac("sign-ins", string(k)) }

// listSignIn notes a session among those of whoever signed in, in the place of
// the one it was before, so that they find and end it from another browser (ASVS
// 7.4.3). The list holds keys alone and is kept for SessionLife.
func (s *Server) listSignIn(ctx context.Context, ses *session, was string) error {
	if ses.Person == nil {
		return nil // a proved mailbox has no list: it opens one invitation
	}
	key := s.signInsKey(ses.Person.Key())
	for range maxRevise {
		old, keys, err := s.signInKeys(ctx, key)
		if err != nil {
			return err
		}
		keys = append(slices.DeleteFunc(keys, func(k string) bool { return k == was || k == ses.key }), ses.key)
		over := max(0, len(keys)-maxSignIns)
		b, err := json.Marshal(keys[over:])
		if err != nil {
			return fmt.Errorf("encoding sign-ins: %w", err)
		}
		ok, err := s.c.Shelf.Swap(ctx, "sign-ins", key, old, b, s.c.SessionLife)
		if err != nil {
			return fmt.Errorf("storing sign-ins: %w", err)
		}
		if ok {
			return s.giveWay(ctx, keys[:over])
		}
	}
	return meeting.Refuse(meeting.Busy)
}

// giveWay ends the sessions that a list has no place for.
func (s *Server) giveWay(ctx context.Context, keys []string) error {
	for _, key := range keys {
		s.recall.forget(key)
		if err := s.c.Shelf.Delete(ctx, "session", key); err != nil {
			return fmt.Errorf("ending session: %w", err)
		}
	}
	return nil
}

func (s *Server) signInKeys(ctx context.Context, key string) (raw []byte, keys []string, err error) {
	raw, err = s.c.Shelf.Get(ctx, "sign-ins", key)
	if err != nil {
		return nil, nil, fmt.Errorf("reading sign-ins: %w", err)
	}
	if raw != nil && json.Unmarshal(raw, &keys) != nil {
		keys = nil
	}
	return raw, keys, nil
}

// live answers the sessions in which somebody is signed in now.
func (s *Server) live(ctx context.Context, p *meeting.Person) ([]*session, error) {
	_, keys, err := s.signInKeys(ctx, s.signInsKey(p.Key()))
	if err != nil {
		return nil, err
	}
	var list []*session
	now := time.Now()
	for _, key := range keys {
		ses, err := s.stored(ctx, key)
		if err != nil {
			return nil, err
		}
		if ses == nil || ses.Person == nil || ses.Person.Key() != p.Key() ||
			now.Sub(ses.Created) > s.c.SessionLife || now.Sub(ses.Seen) > s.c.SessionIdle {
			continue
		}
		over, err := s.ended(ctx, ses.Login, ses.Began)
		if err != nil {
			return nil, err
		}
		if !over {
			list = append(list, ses)
		}
	}
	return list, nil
}

// signIns shows somebody where they are signed in.
func (s *Server) signIns(w http.ResponseWriter, r *http.Request) error {
	ses, err := s.host(r)
	if err != nil {
		return err
	}
	list, err := s.live(r.Context(), ses.Person)
	if err != nil {
		return err
	}
	page := web.SignIns{Frame: s.hostFrame(w, r, ses.Person), Zone: s.zone()}
	for _, x := range slices.Backward(list) {
		page.List = append(page.List, web.SignIn{
			ID: s.signInID(x), Agent: x.Agent, Began: x.Began, Seen: x.Seen, Here: x.key == ses.key,
		})
	}
	return s.page(w, r, page)
}

// signInID names a session on its owner's page; it opens nothing.
func (s *Server) signInID(ses *session) string { return s.mac("sign-in", ses.key)[:32] }

// endSignIns ends one of somebody's own sessions, or all but this one. Whoever
// sat at that browser is out of the meetings it was let into too: it may be a
// telephone that was lost.
func (s *Server) endSignIns(w http.ResponseWriter, r *http.Request) error {
	ses, err := s.host(r)
	if err != nil {
		return err
	}
	list, err := s.live(r.Context(), ses.Person)
	if err != nil {
		return err
	}
	which := r.PostForm.Get("signin")
	for _, x := range list {
		if x.key == ses.key || which != "others" && which != s.signInID(x) {
			continue
		}
		if err := s.endSession(r.Context(), x, true); err != nil {
			return err
		}
	}
	s.hub.pokeHosts()
	http.Redirect(w, r, "/sign-ins", http.StatusSeeOther)
	return nil
}
