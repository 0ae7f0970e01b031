package api

import "time"

// Served lists "METHOD /path scope" of everything served.
func Served(s *Server) []string {
	list := []string{"GET /openapi.json "}
	for _, o := range s.operations() {
		list = append(list, o.method+" "+o.path+" "+o.scope)
	}
	return list
}

// Hurry shortens the waits of webhooks.
func Hurry(s *Server, claim time.Duration) {
	const soon = 10 * time.Millisecond
	s.every, s.claim, s.pauses = 2*soon, claim, []time.Duration{soon, soon, soon}
}
