package mailbox

import (
	"context"
	"crypto/hmac"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"vestibule/webhook"
)

// maxText bounds what an SMS is handed over in.
const maxText = 16 << 10

// ServeTexts receives SMS on ln until ctx ends, as a gateway to the telephone
// network would. Numbers that end in 00 are refused and those that end in 99
// are not to be had now, so that failures can be seen.
func (m *Mailbox) ServeTexts(ctx context.Context, ln net.Listener) error {
	srv := &http.Server{
		Handler: http.HandlerFunc(m.text), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		ErrorLog: slog.NewLogLogger(m.c.Logger.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(ln) }()
	select {
	case err := <-ended:
		return fmt.Errorf("receiving sms: %w", err)
	case <-ctx.Done():
		_ = srv.Close() // whoever is talking is cut off
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("receiving sms: %w", err)
		}
		return nil
	}
}

// text takes one SMS from whoever knows the secret.
func (m *Mailbox) text(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxText))
	if err != nil {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return
	}
	id, at := r.Header.Get("Webhook-Id"), r.Header.Get("Webhook-Timestamp")
	signed := webhook.Sign(m.c.SMSSecret, id, at, body)
	if len(m.c.SMSSecret) == 0 || !hmac.Equal([]byte(signed), []byte(r.Header.Get("Webhook-Signature"))) {
		http.Error(w, "not signed", http.StatusUnauthorized)
		return
	}
	var x struct{ ID, To, Text string }
	if err := json.Unmarshal(body, &x); err != nil || x.ID != id || x.To == "" {
		http.Error(w, "no sms", http.StatusBadRequest)
		return
	}
	switch {
	case strings.HasSuffix(x.To, "00"):
		http.Error(w, "no such number", http.StatusBadRequest)
		return
	case strings.HasSuffix(x.To, "99"):
		http.Error(w, "try again later", http.StatusServiceUnavailable)
		return
	}
	m.keepText(id, x.To, x.Text)
	m.c.Logger.InfoContext(r.Context(), "sms kept", slog.Int("bytes", len(body)))
}

// keepText keeps an SMS beside the mails, each id once.
func (m *Mailbox) keepText(id, to, text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, x := range m.mails {
		if x.handed == id {
			return
		}
	}
	first, _, _ := strings.Cut(text, "\n")
	m.add(&Mail{SMS: true, handed: id, To: to, From: "SMS", Subject: first, Text: text}, time.Now())
}
