package webhook_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"vestibule/webhook"
)

// The example of the Standard Webhooks specification.
func TestSignAsOthersDo(t *testing.T) {
	secret, err := webhook.Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	got := webhook.Sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("Sign = %s, want %s", got, want)
	}
	for _, bad := range []string{"", "whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!", "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 65))} {
		if _, err := webhook.Secret(bad); err == nil {
			t.Errorf("Secret(%q) is taken", bad)
		}
	}
}

// Where an answer leads on to is not gone to, and neither the address nor the
// answer is repeated.
func TestPostGoesNowhereElse(t *testing.T) {
	elsewhere := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			elsewhere++
			return
		}
		http.Redirect(w, r, "/elsewhere?words-of-the-answer", http.StatusTemporaryRedirect)
	}))
	defer srv.Close()
	s, err := webhook.New(webhook.Config{URL: srv.URL + "/?token=secret-in-address", Secret: make([]byte, 24), DangerouslyAllowPlainHTTP: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.Post(t.Context(), "id", []byte("{}"), time.Now())
	var status webhook.Status
	if !errors.As(err, &status) || status != http.StatusTemporaryRedirect || elsewhere != 0 {
		t.Errorf("Post = %v, %d times elsewhere; want status 307 and none", err, elsewhere)
	}
	srv.Close()
	err = s.Post(t.Context(), "id", []byte("{}"), time.Now())
	if err == nil || strings.Contains(err.Error(), "secret-in-address") {
		t.Errorf("Post to nobody = %v, want an error without the address", err)
	}
}

func TestFaults(t *testing.T) {
	for _, c := range []struct {
		config webhook.Config
		want   string
	}{
		{webhook.Config{URL: "http://a.example/x", Secret: make([]byte, 24)}, "url: want https"},
		{webhook.Config{URL: "https://u:p@a.example/x", Secret: make([]byte, 24)}, "url: want an absolute URL without credentials"},
		{webhook.Config{URL: "a.example", Secret: make([]byte, 24)}, "url: want an absolute URL"},
		{webhook.Config{URL: "https://a.example/x", Secret: make([]byte, 23)}, "secret: want 24 to 64 bytes"},
	} {
		if _, err := webhook.New(c.config); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("New(%q) = %v, want %q", c.config.URL, err, c.want)
		}
	}
}
