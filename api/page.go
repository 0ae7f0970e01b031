package api

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
)

// page is one leaf of a list. Next is the cursor of the leaf after it.
type page[T any] struct {
	Items []T    `json:"items"`
	More  bool   `json:"more"`
	Next  string `json:"next,omitempty"`
}

const (
	usualLimit = 50
	mostLimit  = 100
)

// leaf reads the parameters of a list: how many, and where the caller stands.
// A cursor is fingerprinted, so that it is used for the list it came from and
// nothing made up reaches the store.
func (s *Server) leaf(r *http.Request, c *caller) (limit int, at string, err error) {
	q := r.URL.Query()
	var faults []fault
	limit = usualLimit
	if v := q.Get("limit"); v != "" {
		if limit, err = strconv.Atoi(v); err != nil || limit < 1 || limit > mostLimit {
			faults = append(faults, fault{Name: "limit", Code: "range"})
		}
	}
	if v := q.Get("cursor"); v != "" {
		b, err := base64.RawURLEncoding.Strict().DecodeString(v)
		sum, rest, ok := strings.Cut(string(b), "|")
		if err != nil || !ok || sum != s.cursorSum(r, c, rest) {
			faults = append(faults, fault{Name: "cursor", Code: "unknown"})
		}
		at = rest
	}
	if len(faults) > 0 {
		return 0, "", refuse(http.StatusUnprocessableEntity, "invalid", faults...)
	}
	return limit, at, nil
}

func (s *Server) cursorSum(r *http.Request, c *caller, at string) string {
	return s.mac("cursor", string(c.host()), r.URL.Path, at)[:16]
}

func (s *Server) cursor(r *http.Request, c *caller, at string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(s.cursorSum(r, c, at) + "|" + at))
}

// cut takes one leaf out of a list that is in memory, whose keys grow.
func cut[T any](s *Server, r *http.Request, c *caller, list []T, key func(*T) string) (page[T], error) {
	limit, at, err := s.leaf(r, c)
	if err != nil {
		return page[T]{}, err
	}
	p := page[T]{Items: []T{}}
	for i := range list {
		if k := key(&list[i]); at != "" && k <= at {
			continue
		}
		if len(p.Items) == limit {
			p.More = true
			p.Next = s.cursor(r, c, key(&p.Items[limit-1]))
			break
		}
		p.Items = append(p.Items, list[i])
	}
	return p, nil
}
