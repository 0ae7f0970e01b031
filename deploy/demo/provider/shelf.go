package provider

import "time"

// shelf keeps things until they expire, shelfSize of them at most. Its owner
// locks.
type shelf[T any] struct {
	kept map[string]kept[T]
}

type kept[T any] struct {
	thing T
	until time.Time
}

// put keeps thing and reports whether there was room.
func (s *shelf[T]) put(key string, thing T, until, now time.Time) bool {
	if s.kept == nil {
		s.kept = map[string]kept[T]{}
	}
	if len(s.kept) >= shelfSize {
		for k, v := range s.kept {
			if !now.Before(v.until) {
				delete(s.kept, k)
			}
		}
	}
	if len(s.kept) >= shelfSize {
		return false
	}
	s.kept[key] = kept[T]{thing, until}
	return true
}

// get finds what has not expired.
func (s *shelf[T]) get(key string, now time.Time) (T, bool) {
	k, ok := s.kept[key]
	if !ok || !now.Before(k.until) {
		delete(s.kept, key)
		var none T
		return none, false
	}
	return k.thing, true
}

// take finds and removes.
func (s *shelf[T]) take(key string, now time.Time) (T, bool) {
	thing, ok := s.get(key, now)
	delete(s.kept, key)
	return thing, ok
}

// drop removes whatever is true of.
func (s *shelf[T]) drop(is func(T) bool) {
	for k, v := range s.kept {
		if is(v.thing) {
			delete(s.kept, k)
		}
	}
}
