package api

import (
	"fmt"
	"net/http"

	"vestibule/store"
)

// attempt answers the attempt id of a request: the same request with the same
// Idempotency-Key gets the same answer and changes nothing twice (T07). The key
// is the caller's own: nobody collects another's answer with it.
func (s *Server) attempt(r *http.Request, c *caller, body []byte) (string, error) {
	list := r.Header.Values("Idempotency-Key")
	if len(list) == 0 {
		return "", nil
	}
	if len(list) > 1 || list[0] == "" || len(list[0]) > 255 {
		return "", refuse(http.StatusBadRequest, "invalid", fault{Name: "Idempotency-Key", Code: "range"})
	}
	id := s.mac("attempt", c.id, r.Method, r.URL.Path, list[0])[:32]
	sum := s.mac("body", string(body), r.Header.Get("If-Match"))[:32]
	was, err := s.c.Shelf.Get(r.Context(), "api-attempt", id)
	if err != nil {
		return "", fmt.Errorf("reading an attempt: %w", err)
	}
	if was != nil && string(was) != sum {
		return "", refuse(http.StatusUnprocessableEntity, "reused")
	}
	if err := s.c.Shelf.Put(r.Context(), "api-attempt", id, []byte(sum), store.AttemptLife); err != nil {
		return "", fmt.Errorf("noting an attempt: %w", err)
	}
	return id, nil
}
