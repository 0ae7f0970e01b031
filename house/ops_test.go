package house_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"vestibule/house"
)

// TestT31OpsAnswersToNoStrangersName asks as a page does whose name was made to
// resolve to this machine, and as those who belong here.
func TestT31OpsAnswersToNoStrangersName(t *testing.T) {
	for _, c := range []struct {
		on, host string
		want     int
	}{
		{"127.0.0.1:9464", "127.0.0.1:9464", http.StatusOK},
		{"127.0.0.1:9464", "localhost:9464", http.StatusOK},
		{"[::1]:9464", "[::1]:9464", http.StatusOK},
		{":9464", "10.0.0.7:9464", http.StatusOK},
		{"vestibule:9464", "Vestibule:9464", http.StatusOK},
		{"unix:/run/ops.sock", "anything", http.StatusOK},
		{"127.0.0.1:9464", "evil.example:9464", http.StatusMisdirectedRequest},
		{"127.0.0.1:9464", "127.0.0.1.evil.example", http.StatusMisdirectedRequest},
		{"127.0.0.1:9464", "localhost.evil.example:9464", http.StatusMisdirectedRequest},
		{"vestibule:9464", "evil.example:9464", http.StatusMisdirectedRequest},
		{":9464", "", http.StatusMisdirectedRequest},
		{":9464", "evil.example", http.StatusMisdirectedRequest},
	} {
		r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		r.Host = c.host
		w := httptest.NewRecorder()
		house.Known(c.on, hello()).ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("listening on %s, asked for %q = %d, want %d", c.on, c.host, w.Code, c.want)
		}
	}
}
