package gateway_test

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"vestibule/api"
)

// A program makes a meeting on the door's own listener; the owner, who signs in
// there, finds it among their own, and what happens is told to a webhook.
func TestAPIBehindTheDoor(t *testing.T) {
	var mu sync.Mutex
	var told []string
	receiver := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var call struct{ Type string }
		b, err := io.ReadAll(r.Body)
		if err == nil && json.Unmarshal(b, &call) == nil {
			mu.Lock()
			told = append(told, call.Type)
			mu.Unlock()
		}
	}))
	defer receiver.Close()
	pool := x509.NewCertPool()
	pool.AddCert(receiver.Certificate())
	key, hash, err := api.NewKey("agenda")
	if err != nil {
		t.Fatal(err)
	}
	s := openWith(t, setup{api: api.Config{
		Keys: []api.Key{{ID: "agenda", Hash: hash, Scopes: api.Scopes(), Owner: api.Owner{
			Name: "Dr Claire Martin", Email: "claire.martin@hospital.example", Issuer: issuer, Subject: "dr-1",
		}}},
		Hooks: []api.Hook{{URL: receiver.URL, Secret: make([]byte, 32), RootCAs: pool}},
	}})
	s.seen.hide("api key", key)
	program := s.visit()
	body := fmt.Sprintf(`{"title":"Booked","starts":%q,"ends":%q,"invitations":[{"email":"jeanne@exemple.fr"}]}`,
		time.Now().Format(time.RFC3339), time.Now().Add(time.Hour).Format(time.RFC3339))
	r := program.request(http.MethodPost, "/api/v1/meetings", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+key)
	res := program.send(r)
	if res.status != http.StatusCreated || res.header.Get("Set-Cookie") != "" {
		t.Fatalf("POST = %d %s", res.status, res.body)
	}
	if res.header.Get("Content-Security-Policy") == "" || res.header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers = %v", res.header)
	}
	host := s.visit()
	host.signIn("/signin", doctor())
	if got := host.get("/meetings"); !strings.Contains(got.body, "Booked") {
		t.Errorf("the owner does not find the meeting: %d", got.status)
	}
	// The owner's own session opens nothing there (T18).
	if got := host.get("/api/v1/meetings"); got.status != http.StatusUnauthorized {
		t.Errorf("a signed-in browser = %d, want 401", got.status)
	}
	deadline := time.Now().Add(5 * time.Second)
	for {
		mu.Lock()
		n := len(told)
		mu.Unlock()
		if n >= 2 || time.Now().After(deadline) {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(told) < 2 || told[0] != "created" || told[1] != "invited" {
		t.Errorf("told %v, want created and invited first", told)
	}
}

// A door without keys has no API.
func TestNoAPIWithoutKeys(t *testing.T) {
	s := open(t)
	if got := s.visit().get("/api/v1/openapi.json"); got.status != http.StatusNotFound {
		t.Errorf("GET = %d, want 404", got.status)
	}
}
