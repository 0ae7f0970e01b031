package room_test

import (
	"context"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"vestibule/conference"
	"vestibule/dialin/room"
)

type passes string

func (p passes) Leg(conference.Grants) (url, token string, err error) {
	return string(p), "token", nil
}
func (passes) Remove(context.Context, string, string) error { return nil }

// A conference server with a certificate of the house's own authority is
// reached once that is trusted, and not before.
func TestPrivateAuthority(t *testing.T) {
	asked := make(chan string, 100)
	web := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		http.Error(w, "full", http.StatusServiceUnavailable)
	}))
	defer web.Close()
	at := passes(strings.Replace(web.URL, "https", "wss", 1))
	join := func(roots *x509.CertPool) string {
		rooms, err := room.New(room.Config{Passes: at, RootCAs: roots, Patience: 3 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := rooms.Join(t.Context(), conference.Grants{Admission: "a", Room: "r"}); err == nil {
			t.Error("joined a server that is full")
		}
		select {
		case path := <-asked:
			return path
		default:
			return ""
		}
	}
	if path := join(nil); path != "" {
		t.Errorf("an authority that nobody trusts: asked for %q", path)
	}
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	if path := join(roots); !strings.HasPrefix(path, "/rtc") {
		t.Errorf("a trusted authority: asked for %q, want /rtc", path)
	}
}
