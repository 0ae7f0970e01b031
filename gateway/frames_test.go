package gateway_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// wire is one HTTP/2 connection, frame by frame.
type wire struct {
	t    *testing.T
	conn *tls.Conn
	fr   *http2.Framer
	enc  *hpack.Encoder
	out  bytes.Buffer
	id   uint32
	over bool
}

// wire opens one.
func (s *site) wire(t *testing.T) *wire {
	t.Helper()
	w := &wire{t: t, conn: s.connectTo(t, "room.example", "h2")}
	w.enc = hpack.NewEncoder(&w.out)
	w.fr = http2.NewFramer(w.conn, w.conn)
	w.fr.AllowIllegalWrites = true
	w.fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if _, err := io.WriteString(w.conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	if err := w.fr.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *wire) block(fields [][2]string) []byte {
	w.out.Reset()
	for _, f := range fields {
		if err := w.enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
			w.t.Fatal(err)
		}
	}
	return bytes.Clone(w.out.Bytes())
}

// ask opens a stream with these fields, a body unless it is nil, and a trailer
// unless it is nil. It answers the status, "reset", or "gone" with the
// connection.
func (w *wire) ask(fields [][2]string, body []byte, trailer [][2]string) string {
	w.t.Helper()
	w.id += 2
	id := w.id - 1
	err := w.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: w.block(fields), EndHeaders: true, EndStream: body == nil && trailer == nil})
	if body != nil {
		err = errors.Join(err, w.fr.WriteData(id, trailer == nil, body))
	}
	if trailer != nil {
		err = errors.Join(err, w.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: w.block(trailer), EndHeaders: true, EndStream: true}))
	}
	if err != nil {
		w.over = true
		return "gone"
	}
	for {
		f, err := w.fr.ReadFrame()
		if err != nil {
			w.over = true
			return "gone"
		}
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			if f.StreamID == id {
				return f.PseudoValue("status")
			}
		case *http2.RSTStreamFrame:
			if f.StreamID == id {
				return "reset"
			}
		case *http2.GoAwayFrame:
			w.over = true
			return "gone"
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = w.fr.WriteSettingsAck() // or the next read fails
			}
		}
	}
}

// pseudo are the fields of a request of somebody inside, with more behind.
func pseudo(method, path, pass string, more ...[2]string) [][2]string {
	return append([][2]string{
		{":method", method},
		{":scheme", "https"},
		{":authority", "room.example"},
		{":path", path},
		{"origin", roomOrigin},
		{"cookie", "__Host-room=" + pass},
	}, more...)
}

// frameRow is what HTTP/2 lets a client say and the door must not take.
type frameRow struct {
	name    string
	fields  [][2]string
	body    []byte
	trailer [][2]string
}

func badFrames(pass string) []frameRow {
	get := func(name string, more ...[2]string) frameRow {
		return frameRow{name: name, fields: pseudo("GET", "/app/bad", pass, more...)}
	}
	post := func(name, body string, more ...[2]string) frameRow {
		return frameRow{name: name, fields: pseudo("POST", "/app/bad", pass, more...), body: []byte(body)}
	}
	rows := []frameRow{
		// RFC 9113 §8.2.2: connection-specific.
		get("Connection", [2]string{"connection", "close"}),
		get("Connection naming ours", [2]string{"connection", "vestibule-assertion"}),
		get("Keep-Alive", [2]string{"keep-alive", "5"}),
		get("Proxy-Connection", [2]string{"proxy-connection", "close"}),
		get("Upgrade", [2]string{"upgrade", "h2c"}),
		get("Upgrade to a web socket", [2]string{"upgrade", "websocket"}),
		get("TE", [2]string{"te", "chunked"}),
		post("Transfer-Encoding", "0\r\n\r\n", [2]string{"transfer-encoding", "chunked"}),
		// §8.2: names and values.
		get("an upper-case name", [2]string{"X-Upper", "1"}),
		get("an upper-case assertion", [2]string{"Vestibule-Assertion", "mallory"}),
		get("a blank in a name", [2]string{"x y", "1"}),
		get("a colon in a name", [2]string{"x:y", "1"}),
		get("a line end in a name", [2]string{"x\r\nauthorization", "mallory"}),
		get("a line end in a value", [2]string{"accept", "a\r\nauthorization: mallory"}),
		get("a LF in a value", [2]string{"accept", "a\nx: y"}),
		get("a NUL in a value", [2]string{"accept", "a\x00b"}),
		get("an empty name", [2]string{"", "x"}),
		// §8.3: pseudo-fields.
		get("a pseudo-field of nobody", [2]string{":x", "1"}),
		get("a pseudo-field late", [2]string{":path", "/app/other"}),
		get("a Host of another", [2]string{"host", "door.example"}),
		get("two Hosts", [2]string{"host", "room.example"}, [2]string{"host", "door.example"}),
		{name: "two paths", fields: append([][2]string{{":path", "/app/other"}}, pseudo("GET", "/app/bad", pass)...)},
		{name: "a web socket of RFC 8441", fields: append([][2]string{{":protocol", "websocket"}}, pseudo("CONNECT", "/app/bad", pass)...)},
		{name: "connect-udp of RFC 9298", fields: append([][2]string{{":protocol", "connect-udp"}}, pseudo("CONNECT", "/.well-known/masque/udp/169.254.169.254/80/", pass)...)},
		{name: "CONNECT", fields: [][2]string{{":method", "CONNECT"}, {":authority", "169.254.169.254:80"}, {"cookie", "__Host-room=" + pass}}},
		{name: "a method of two lines", fields: pseudo("GET /app/x HTTP/1.1\r\nHost: x\r\n\r\nGET", "/app/bad", pass)},
		// §8.1.1: lengths.
		post("a length too small", "abc", [2]string{"content-length", "1"}),
		post("a length too large", "abc", [2]string{"content-length", "9"}),
		post("two lengths", "abc", [2]string{"content-length", "3"}, [2]string{"content-length", "60"}),
		post("two lengths in one", "abc", [2]string{"content-length", "3, 3"}),
		post("a length with a sign", "abc", [2]string{"content-length", "+3"}),
		post("a length that is none", "abc", [2]string{"content-length", "x"}),
		post("an empty length", "abc", [2]string{"content-length", ""}),
	}
	for _, p := range []string{
		"", "*", "app/bad", "http://evil.example/app/bad", "https://room.example/app/bad", "//app/bad", "//evil.example/app/bad", "/app/../rtc", "/app/%2e%2e/bad", "/app//bad", "/app/bad;x", "/app\\bad",
		"/app/bad HTTP/1.1\r\nHost: x\r\n\r\nGET /app/smuggled", "/app/\x00", "/app/bad#x", "/app/%62ad", "/app/\xc0\xaf", "/app/é", "?app/bad", "/app/bad?x#y", "/app/bad?é", "/app/bad? HTTP/1.1", "/app/bad\t", "/app/ bad",
	} {
		rows = append(rows, frameRow{name: ":path " + p, fields: pseudo("GET", p, pass)})
	}
	for _, sch := range []string{"", "file", "http\r\nx: y"} {
		f := pseudo("GET", "/app/bad", pass)
		f[1][1] = sch
		rows = append(rows, frameRow{name: ":scheme " + sch, fields: f})
	}
	for _, a := range []string{"", "door.example", "evil.example", "room.example@evil.example", "room.example:444", "room.example/app", "room.example\r\nx: y", "ROOM.example.evil"} {
		f := pseudo("GET", "/app/bad", pass)
		f[2][1] = a
		rows = append(rows, frameRow{name: ":authority " + a, fields: f})
	}
	return rows
}

// TestT29FramesStraight says by HTTP/2 what becomes another request or another
// header where it is written as HTTP/1.1 (T26, T29, T30), as somebody inside,
// against two conference servers.
func TestT29FramesStraight(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*testing.T) *recorder{"Go": goRecorder, "Node": nodeRecorder} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := start(t)
			s := openWith(t, setup{backend: behind{backed{newEcho(t, nil)}, rec}, unsound: true})
			h := s.host(doctor())
			m := h.meet(nil, "Jane Doe")
			h.want(h.post(m.path("/enter"), nil), http.StatusOK, "the way in")
			h.redeems()
			pass := h.cookie(roomOrigin, "__Host-room")
			ours := "Bearer " + m.snapshot().Admissions[0].ID
			w := s.wire(t)
			rows := badFrames(pass)
			for _, r := range rows {
				if w.over {
					_ = w.conn.Close()
					w = s.wire(t)
				}
				got := w.ask(r.fields, r.body, r.trailer)
				if got != "reset" && got != "gone" && got < "400" {
					t.Errorf("%q = %s, want a refusal", r.name, got)
				}
			}
			_ = w.conn.Close()
			w = s.wire(t)
			defer w.conn.Close()
			for _, r := range []frameRow{
				{fields: pseudo("GET", "/app/x/0", pass, [2]string{"te", "trailers"})},
				{fields: pseudo("POST", "/app/x/1", pass, [2]string{"content-length", "3"}), body: []byte("abc")},
				{fields: pseudo("POST", "/app/x/2", pass), body: []byte("abc"), trailer: [][2]string{{"vestibule-assertion", "mallory"}, {"authorization", "mallory"}}},
				{fields: pseudo("GET", "/app/x/3", pass, [2]string{"host", "room.example"}, [2]string{"vestibule_assertion", "mallory"}, [2]string{"vestibule-assertion", "mallory"})},
			} {
				if got := w.ask(r.fields, r.body, r.trailer); got != "200" {
					t.Errorf("an honest %v = %s", r.fields[3], got)
				}
			}
			got := rec.all(t, s, "Cookie: __Host-room="+pass+"\r\n")
			if len(got) != 5 {
				t.Errorf("the conference server saw %d requests, want 5: %v", len(got), got)
			}
			for _, q := range got {
				q.straight(t, ours)
				if all := strings.Join(q.RawHeaders, "\n"); strings.Contains(all, "mallory") {
					t.Errorf("%s: the conference server was told %q", q.URL, all)
				}
			}
			t.Logf("%d rows", len(rows))
		})
	}
}
