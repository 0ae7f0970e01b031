package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"vestibule/api"
	"vestibule/config"
)

// door is the API of a door that runs.
type door struct {
	base   string
	key    string
	client *http.Client
}

const (
	askTime  = 15 * time.Second
	askTimes = 3
	maxReply = 4 << 20
)

func newDoor(server, key, ca string) (*door, error) {
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" {
		return nil, errors.New("--server: want the door's https address, such as https://visio.example.org")
	}
	secret, err := config.Secret(key).Read()
	if err != nil {
		return nil, fmt.Errorf("--key: %w", err)
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return nil, fmt.Errorf("--ca: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("--ca: holds no certificate in PEM form")
		}
	}
	return &door{base: "https://" + u.Host + api.Prefix, key: secret, client: &http.Client{
		Timeout:   askTime,
		Transport: &http.Transport{TLSClientConfig: t, Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true},
		// A key is sent to the door it was made for and nowhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// meet makes the meeting and reads everybody's link.
func (d *door) meet(ctx context.Context, w wish, attempt string) (*made, error) {
	defer d.client.CloseIdleConnections()
	if attempt == "" {
		attempt = rand.Text()
	}
	body, err := json.Marshal(w)
	if err != nil {
		return nil, err
	}
	var m made
	if err := d.ask(ctx, http.MethodPost, "/meetings", body, attempt, &m.Meeting); err != nil {
		return nil, err
	}
	var head struct{ ID, Title, Console string }
	if err := json.Unmarshal(m.Meeting, &head); err != nil {
		return nil, errors.New("the door's answer cannot be read")
	}
	m.title, m.console = head.Title, head.Console
	for next := ""; ; {
		var leaf struct {
			Items []invited `json:"items"`
			Next  string    `json:"next"`
		}
		path := "/meetings/" + url.PathEscape(head.ID) + "/invitations?limit=100&cursor=" + url.QueryEscape(next)
		if err := d.ask(ctx, http.MethodGet, path, nil, "", &leaf); err != nil {
			return nil, err
		}
		m.Invitations = append(m.Invitations, leaf.Items...)
		if next = leaf.Next; next == "" {
			return &m, nil
		}
	}
}

// ask asks again where no answer came: the attempt makes it happen once.
func (d *door) ask(ctx context.Context, method, path string, body []byte, attempt string, into any) error {
	var err error
	for try := range askTimes {
		if try > 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Duration(try) * time.Second):
			}
		}
		var again bool
		if again, err = d.once(ctx, method, path, body, attempt, into); !again {
			return err
		}
	}
	return err
}

func (d *door) once(ctx context.Context, method, path string, body []byte, attempt string, into any) (again bool, err error) {
	r, err := http.NewRequestWithContext(ctx, method, d.base+path, bytes.NewReader(body))
	if err != nil {
		return false, errors.New("the door's address cannot be used")
	}
	r.Header.Set("Authorization", "Bearer "+d.key)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if attempt != "" {
		r.Header.Set("Idempotency-Key", attempt)
	}
	resp, err := d.client.Do(r)
	if err != nil {
		return true, fmt.Errorf("asking the door: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return true, fmt.Errorf("asking the door: %w", err)
	}
	if resp.StatusCode >= 300 {
		return resp.StatusCode == http.StatusServiceUnavailable, problem(resp.StatusCode, b)
	}
	if json.Unmarshal(b, into) != nil {
		return false, errors.New("the door's answer cannot be read: is this a vestibule, with its API open?")
	}
	return false, nil
}

// problem tells a refusal, with everything that was wrong.
func problem(status int, body []byte) error {
	var p struct {
		Title     string
		Reference string
		Errors    []struct{ Pointer, Name, Code string }
	}
	if json.Unmarshal(body, &p) != nil || p.Title == "" {
		return fmt.Errorf("the door answers %d: is its API open?", status)
	}
	faults := []error{fmt.Errorf("the door says no (%d): %s", status, p.Title)}
	for _, e := range p.Errors {
		faults = append(faults, fmt.Errorf("  %s%s: %s", e.Pointer, e.Name, e.Code))
	}
	if p.Reference != "" {
		faults = append(faults, errors.New("  in the door's log: "+p.Reference))
	}
	return errors.Join(faults...)
}
