package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"vestibule/auth"
	"vestibule/meeting"
)

// maxStays bounds how many admissions are listed of one sign-in at a provider;
// the oldest leave the list.
const maxStays = 64

// endSession ends a session, and with leaves what was let in from its browser.
func (s *Server) endSession(ctx context.Context, ses *session, leaves bool) error {
	if leaves {
		// First, so that whoever is told of a fault can try again.
		if err := s.leaveAll(ctx, ses.Admissions); err != nil {
			return err
		}
	}
	s.recall.forget(ses.key)
	b, err := s.c.Shelf.Take(ctx, "session", ses.key, random())
	if err != nil {
		return fmt.Errorf("ending session: %w", err)
	}
	if err := s.bury(ctx, ses); err != nil {
		return err
	}
	if last := opened("", b); leaves && last != nil { // another tab was let in meanwhile
		maps.DeleteFunc(last.Admissions, func(a string, _ meeting.ID) bool { return ses.Admissions[a] != "" })
		return s.leaveAll(ctx, last.Admissions)
	}
	return nil
}

// leaveAll takes admissions out of their meetings, as if they had left.
func (s *Server) leaveAll(ctx context.Context, admissions map[string]meeting.ID) error {
	var faults []error
	for admission, id := range admissions {
		err := s.c.Lobby.Leave(ctx, id, admission)
		if no := (*meeting.Refusal)(nil); errors.As(err, &no) && no.Reason != meeting.Busy {
			continue // the meeting is forgotten
		}
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// loginKeys are under what a sign-in at a provider may be ended there.
func (s *Server) loginKeys(l *auth.Session) []string {
	keys := []string{s.loginKey(l.Issuer, "sub", l.Subject)}
	if l.SID != "" {
		keys = append(keys, s.loginKey(l.Issuer, "sid", l.SID))
	}
	return keys
}

// listStays notes what a sign-in at a provider was let into, so that its end
// there ends that too, on whichever node it is told: by then the session may be
// over for want of use. Kept for SessionLife.
func (s *Server) listStays(ctx context.Context, l *auth.Session, admissions map[string]meeting.ID) error {
	if !s.c.SignOutLeaves || l == nil || len(admissions) == 0 {
		return nil
	}
	for _, key := range s.loginKeys(l) {
		err := s.reviseStays(ctx, key, func(list []stay) ([]stay, error) {
			for a, id := range admissions {
				list = append(list, stay{a, id})
			}
			return list[max(0, len(list)-maxStays):], nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// endStays ends what a sign-in was let into that its provider has ended.
func (s *Server) endStays(ctx context.Context, key string) error {
	if !s.c.SignOutLeaves {
		return nil
	}
	return s.reviseStays(ctx, key, func(list []stay) ([]stay, error) {
		admissions := map[string]meeting.ID{}
		for _, x := range list {
			admissions[x.Admission] = x.Meeting
		}
		return nil, s.leaveAll(ctx, admissions)
	})
}

// stay is an admission and its meeting.
type stay struct {
	Admission string     `json:"a"`
	Meeting   meeting.ID `json:"m"`
}

// reviseStays changes a list as it then is: change is called again where another
// request was quicker.
func (s *Server) reviseStays(ctx context.Context, key string, change func([]stay) ([]stay, error)) error {
	for range maxRevise {
		old, err := s.c.Shelf.Get(ctx, "stays", key)
		if err != nil {
			return fmt.Errorf("reading stays: %w", err)
		}
		var list []stay
		if old != nil && json.Unmarshal(old, &list) != nil {
			list = nil
		}
		if list, err = change(list); err != nil {
			return err
		}
		b, err := json.Marshal(list)
		if err != nil {
			return fmt.Errorf("encoding stays: %w", err)
		}
		ok, err := s.c.Shelf.Swap(ctx, "stays", key, old, b, s.c.SessionLife)
		if err != nil {
			return fmt.Errorf("storing stays: %w", err)
		}
		if ok {
			return nil
		}
	}
	return meeting.Refuse(meeting.Busy)
}
