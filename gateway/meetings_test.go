package gateway_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"vestibule/lobby"
	"vestibule/meeting"
)

// TestManyMeetingsAreAllListed leafs through more meetings than one page has: each
// is there once, the soonest first, also where several end at the same time.
func TestManyMeetingsAreAllListed(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	me := meeting.Person{
		Issuer: issuer, Subject: "dr-1", Name: "Dr Claire Martin", Email: "claire.martin@hospital.example",
		Evidence: meeting.Evidence{Method: meeting.OIDC, EmailVerified: true, Member: true},
	}
	const all = 205
	for i := range all {
		starts := time.Now().Add(24*time.Hour + time.Duration(i/3)*time.Hour).Truncate(time.Minute)
		d := lobby.Draft{Title: fmt.Sprintf("Round %03d", i), Starts: starts, Ends: starts.Add(time.Hour), Zone: "UTC", Lang: "en"}
		if _, err := s.Lobby.Create(t.Context(), me, d, ""); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]int{}
	var order []string
	next := "/meetings"
	for pages := 1; ; pages++ {
		body := h.want(h.get(next), http.StatusOK, "a page of meetings").body
		rows := regexp.MustCompile(`>(Round \d{3})</a>`).FindAllStringSubmatch(body, -1)
		for _, row := range rows {
			seen[row[1]]++
			order = append(order, row[1])
		}
		if first := strings.Contains(body, `href="/meetings">First meetings`); first != (pages > 1) {
			t.Errorf("page %d leads back to the first: %v", pages, first)
		}
		link := regexp.MustCompile(`href="(/meetings\?after=[0-9a-f]{32})"`).FindStringSubmatch(body)
		if link == nil {
			if pages != 3 {
				t.Errorf("%d pages, want 3", pages)
			}
			break
		}
		if next = link[1]; len(rows) != 100 {
			t.Errorf("page %d has %d meetings, want 100", pages, len(rows))
		}
	}
	if len(seen) != all || len(order) != all {
		t.Errorf("%d meetings in %d rows, want each of %d once", len(seen), len(order), all)
	}
	if order[0][:8] != "Round 00" || order[len(order)-1][:8] != "Round 20" {
		t.Errorf("from %s to %s, want the soonest first", order[0], order[len(order)-1])
	}
	h.want(h.get("/meetings?after=nowhere"), http.StatusOK, "a page after nothing")
	// What one host has is no page of another's.
	other := s.host(surgeon())
	if body := other.want(other.get(next), http.StatusOK, "another's list").body; strings.Contains(body, "Round ") {
		t.Error("another host sees the meetings")
	}
}
