package livekit

import (
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"vestibule/conference"
	"vestibule/meeting"
)

// maxParam bounds one kept parameter.
const maxParam = 128

// keptParams are the query parameters of /rtc that a browser may set. Left
// out, among others: access_token; publish, which joins a second time beside
// oneself; attributes, which may claim to be the host.
func keptParams() []string {
	return []string{
		"adaptive_stream", "auto_subscribe", "auto_subscribe_data_track",
		"browser", "browser_version", "device_model", "disable_ice_lite",
		"network", "os", "os_version", "protocol", "reconnect",
		"reconnect_reason", "sdk", "sid", "subscriber_allow_pause", "version",
	}
}

// keptHeaders are the headers that reach LiveKit. It would believe
// CF-Connecting-IP, X-Forwarded-For and X-Real-IP; it needs no cookie, and
// compressed frames could not be read here (Sec-WebSocket-Extensions).
func keptHeaders() []string {
	return []string{"Sec-Websocket-Key", "Sec-Websocket-Version", "User-Agent"}
}

// Prepare implements conference.Passage.
func (b *Backend) Prepare(out *http.Request, g conference.Grants) error {
	return b.prepare(out, g, time.Now())
}

func (b *Backend) prepare(out *http.Request, g conference.Grants, now time.Time) error {
	upgrade := websocketUpgrade(out.Header)
	kind := b.Allow(out.Method, out.URL.EscapedPath(), upgrade)
	if kind == conference.Refuse {
		return meeting.Refuse(meeting.NotFound)
	}
	if out.ContentLength > 0 || len(out.TransferEncoding) > 0 {
		return meeting.Refuse(meeting.Invalid) // A GET has nothing to say here.
	}
	query, err := b.query(out, g)
	if err != nil {
		return err
	}
	token, err := b.pass(g, now)
	if err != nil {
		return err
	}
	// A URL of its own: out may share its own with the request that came in.
	u := b.url
	u.Path, u.RawQuery = out.URL.Path, query
	out.URL, out.Host = &u, u.Host
	out.Header = headers(out.Header, upgrade)
	// In the header rather than the query: addresses end in logs.
	out.Header.Set("Authorization", "Bearer "+token)
	out.Body, out.ContentLength, out.GetBody, out.Trailer = http.NoBody, 0, nil, nil
	return nil
}

// query rebuilds the parameters from the kept ones.
func (b *Backend) query(out *http.Request, g conference.Grants) (string, error) {
	in, err := url.ParseQuery(out.URL.RawQuery)
	if err != nil {
		return "", meeting.Refuse(meeting.Invalid)
	}
	kept := url.Values{}
	for _, k := range keptParams() {
		if v := in.Get(k); v != "" && len(v) <= maxParam {
			kept.Set(k, v)
		}
	}
	if j := in.Get("join_request"); j != "" {
		clean, err := cleanJoin(j, g)
		if err != nil {
			b.log.InfoContext(out.Context(), "join request refused", slog.String("admission", g.Admission), slog.Any("error", err))
			return "", meeting.Refuse(meeting.Invalid)
		}
		kept.Set("join_request", clean)
	}
	return kept.Encode(), nil
}

func headers(in http.Header, upgrade bool) http.Header {
	kept := http.Header{}
	for _, k := range keptHeaders() {
		if v := in.Get(k); v != "" {
			kept.Set(k, v)
		}
	}
	if kept.Get("User-Agent") == "" {
		kept["User-Agent"] = nil // or Go adds its own
	}
	if upgrade {
		kept.Set("Connection", "Upgrade")
		kept.Set("Upgrade", "websocket")
	}
	return kept
}

// websocketUpgrade reports whether h asks for a web socket and for nothing
// else (T30). RFC 6455 §4.2.1.
func websocketUpgrade(h http.Header) bool {
	up := h["Upgrade"]
	if len(up) != 1 || !strings.EqualFold(strings.TrimSpace(up[0]), "websocket") {
		return false
	}
	return slices.ContainsFunc(h["Connection"], func(v string) bool {
		return slices.ContainsFunc(strings.Split(v, ","), func(t string) bool {
			return strings.EqualFold(strings.TrimSpace(t), "upgrade")
		})
	})
}
