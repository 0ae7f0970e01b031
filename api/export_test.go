package api

import (
	"time"

	"vestibule/meeting"
)

// Served lists "METHOD /path scope" of everything served.
func Served(s *Server) []string {
	list := []string{"GET /openapi.json "}
	for _, o := range s.operations() {
		list = append(list, o.method+" "+o.path+" "+o.scope)
	}
	return list
}

// Hurry shortens the waits of webhooks.
func Hurry(s *Server, every time.Duration, pauses ...time.Duration) {
	s.every, s.pauses = every, pauses
}

// Wake looks after a meeting at once.
func Wake(s *Server, m meeting.ID) {
	for _, h := range s.hooks {
		h.todo.add(m)
	}
}
