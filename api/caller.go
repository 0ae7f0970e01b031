package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"vestibule/auth"
	"vestibule/meeting"
)

// caller is a program that proved which it is.
type caller struct {
	id     string // "key:ID" or "client:ID"
	scopes []string
	owner  meeting.Person
}

func (c *caller) may(scope string) bool { return slices.Contains(c.scopes, scope) }

func (c *caller) host() meeting.Key { return c.owner.Key() }

// Strikes are how many bad credentials one source may show in a minute before
// it is told to wait. A good one is heard all the same: behind one address
// there may be a whole hospital.
const strikes = 20

// guard lets only a caller with the scope through, at a bearable rate.
func (s *Server) guard(o operation) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := s.caller(r)
		if err == nil && !c.may(o.scope) {
			w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope", scope="`+o.scope+`"`) // RFC 6750 §3.1
			err = refuse(http.StatusForbidden, "scope")
		}
		if err == nil {
			err = s.rate(r.Context(), c)
		}
		if err == nil {
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			err = o.serve(w, r, c)
		}
		if err != nil {
			s.fail(w, r, err)
			return
		}
		if o.method != http.MethodGet {
			// The trail names the owner; which program it was stands here.
			s.log.InfoContext(r.Context(), "api change", slog.String("caller", c.id), slog.String("path", r.Pattern), slog.String("meeting", r.PathValue("meeting")))
		}
	}
}

// caller answers whose credential the request shows. Cookies are not looked at,
// so that no page of another site can act through a browser (T18).
func (s *Server) caller(r *http.Request) (*caller, error) {
	credential, ok := bearer(r)
	if !ok {
		return nil, refuse(http.StatusUnauthorized, "credential")
	}
	var c *caller
	var err error
	if strings.HasPrefix(credential, keyMark) {
		if k := s.key(credential); k != nil {
			c = &caller{id: "key:" + k.ID, scopes: k.Scopes, owner: k.Owner.person(k.ID)}
		}
	} else if c, err = s.client(r.Context(), credential); err != nil {
		return nil, err
	}
	if c != nil {
		return c, nil
	}
	ok, err = s.c.Shelf.Count(r.Context(), "api-strikes", s.mac("source", source(r)), strikes, time.Minute)
	switch {
	case err != nil:
		return nil, fmt.Errorf("counting bad credentials: %w", err)
	case !ok:
		return nil, refuse(http.StatusTooManyRequests, "too_many")
	default:
		return nil, refuse(http.StatusUnauthorized, "credential")
	}
}

// bearer reads the one credential of a request (RFC 6750 §2.1). A credential in
// a query or a form is not looked at: addresses are logged.
func bearer(r *http.Request) (string, bool) {
	list := r.Header.Values("Authorization")
	if len(list) != 1 {
		return "", false
	}
	scheme, credential, ok := strings.Cut(list[0], " ")
	credential = strings.TrimSpace(credential)
	return credential, ok && strings.EqualFold(scheme, "Bearer") && credential != ""
}

// client answers the caller that an access token is for; nil for none.
func (s *Server) client(ctx context.Context, token string) (*caller, error) {
	if len(s.c.Clients) == 0 {
		return nil, nil
	}
	a, err := s.c.Tokens.Access(ctx, s.c.Provider, s.c.Audience, token)
	var doubt *auth.Doubt
	if errors.As(err, &doubt) {
		s.log.InfoContext(ctx, "access token refused", slog.String("check", doubt.Check))
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	// Whoever the provider knows is not for that reason known here.
	i := slices.IndexFunc(s.c.Clients, func(k Client) bool { return k.ID == a.Client })
	if i < 0 {
		return nil, nil
	}
	k := &s.c.Clients[i]
	c := &caller{id: "client:" + k.ID, owner: k.Owner.person("client " + k.ID)}
	for _, scope := range a.Scopes {
		if slices.Contains(Scopes(), scope) && (len(k.Scopes) == 0 || slices.Contains(k.Scopes, scope)) {
			c.scopes = append(c.scopes, scope)
		}
	}
	return c, nil
}

func (s *Server) rate(ctx context.Context, c *caller) error {
	ok, err := s.c.Shelf.Count(ctx, "api-rate", s.mac("rate", c.id), s.c.Rate, time.Minute)
	if err != nil {
		return fmt.Errorf("counting requests: %w", err)
	}
	if !ok {
		return refuse(http.StatusTooManyRequests, "too_many")
	}
	return nil
}

// source is the network that a request really comes from: the peer of the
// connection, whatever its headers say (T32). Of IPv6 one site holds a /64.
func source(r *http.Request) string {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return "unknown"
	}
	ip := a.Addr().Unmap().WithZone("")
	if ip.Is6() {
		p, _ := ip.Prefix(64)
		return p.String()
	}
	return ip.String()
}
