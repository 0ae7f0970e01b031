package gateway

import (
	"errors"
	"io"
	"net/http"
	"strings"

	"vestibule/lobby"
	"vestibule/meeting"
)

// addRoster puts the lines of a list that came as a file behind those that were
// typed. Bad reports a file that cannot be read.
func addRoster(r *http.Request) (listed, bad bool) {
	if r.MultipartForm == nil {
		return false, false
	}
	f, head, err := r.FormFile("list")
	if errors.Is(err, http.ErrMissingFile) || err == nil && head.Size == 0 {
		return false, false
	}
	if err != nil {
		return false, true
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, lobby.MaxList+1))
	if err != nil {
		return false, true
	}
	lines, err := lobby.ReadList(b)
	if err != nil {
		return false, true
	}
	for _, l := range lines {
		field := "invitees"
		if l.Role == meeting.Host {
			field = "cohosts"
		}
		r.PostForm.Set(field, strings.TrimLeft(strings.TrimRight(r.PostForm.Get(field), "\r\n")+"\n"+l.Text, "\n"))
	}
	return len(lines) > 0, len(lines) == 0
}
