package gateway_test

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
	"testing"

	"vestibule/conference"
	"vestibule/gateway"
)

var update = flag.Bool("update", false, "write testdata/paths.txt anew")

// spellings are what some program reads as "..", as "/", as nothing or as the
// end of a path.
func spellings() []string {
	return []string{
		"..", "%2e%2e", "%2E%2e", ".%2e", "%2e.", "%252e%252e", "%25252e%25252e", "..;", "..;x=1", "%2e%2e;", "..%3b", "..%00", "..%01", "..%20", "..%09", "..%0a", "..%0d%0a",
		"..\\", "..%5c", "..%5C", "..%255c", "\\..", "%5c..", "..%2f", "..%2F", "..%252f", "%2f..", "%2f..%2f", "/..", "//..", "../..", "..%c0%af", "..%e0%80%af", "..%ef%bc%8f", "..%u2215", "%uff0e%uff0e",
		"%c0%ae%c0%ae", "%ef%bc%8e%ef%bc%8e", "．．", "..\u2215", "..\u200b", ".", "./", "%2e", "", "/", "//", "%2f", "%5c", "\\", "%00", "%0a", "%20", "%09", "%7f", "%23", "#", "%3f", "?", "?..", ";", ";..", "%3b", "*", "~", "...", "....//", "+", ":", "@", "!", "$&'()*,=",
		"%", "%2", "%zz", "%c3", "%c3%a9", "é", "e%cc%81", "\x80", "\xff", "\xc0\xaf", "\t", "%6dine", "MINE", "ｍｉｎｅ", "mine%00", "mine.", "mine%2e", "..%2fother%23", "..%2fother%3f",
	}
}

// places are where in a path a spelling stands: "mine" is let in, "other" is not.
func places() []string {
	return []string{"/r/mine/%s/other/secret", "/r/mine/%sother/secret", "/r/%s/other/secret", "/r/mine%s/secret", "/r/mine%s", "/%s/r/other/secret", "/r/other/%s/mine/secret", "%s/r/mine", "/r/mine/secret%s"}
}

// corpus is the table, spelt out, after honest paths.
func corpus() []string {
	rows := []string{
		"/r/mine", "/r/mine/", "/r/mine/x", "/r/mine/x/", "/r/mine/x.y-z_~", "/r/mine/.x", "/r/mine/x.", "/r/mine/...", "/r/mine/x?y=/../../other", "/r/mine/x?%2e%2e%2fother", "/r/mine/x?a;b#", "/r/mine/a+b", "/r/mine/a:b@c", "/r/mine/!$&'()*,=", "/r/mine/x?",
	}
	for _, p := range places() {
		for _, s := range spellings() {
			rows = append(rows, fmt.Sprintf(p, s))
		}
	}
	return rows
}

// chambers is a conference server that names its room in the path; the door
// lets into one.
type chambers struct{ behind }

func (chambers) Allow(_, p string, _ bool) conference.Kind {
	if p == "/r/mine" || strings.HasPrefix(p, "/r/mine/") {
		return conference.Page
	}
	return conference.Refuse
}

// roomOf is the room that a path leads to once it is resolved.
func roomOf(p string) string {
	parts := strings.Split(path.Clean(p), "/")
	if len(parts) < 3 || parts[1] != "r" {
		return ""
	}
	return parts[2]
}

// TestT27DoorAndServerReadOnePath sends the corpus over HTTP/1.1 and HTTP/2 to
// doors in front of three programs, and compares the room that the door decided
// on with the one that each program found in what it was sent.
func TestT27DoorAndServerReadOnePath(t *testing.T) {
	t.Parallel()
	rows := corpus()
	if len(rows) < 500 {
		t.Fatalf("%d rows", len(rows))
	}
	kept := keptCorpus(t)
	for name, start := range map[string]func(*testing.T) *recorder{"Go": goRecorder, "Node": nodeRecorder, "nginx": nginxRecorder} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := start(t)
			s := openWith(t, setup{backend: chambers{behind{backed{newEcho(t, nil)}, rec}}, unsound: true})
			h := s.host(doctor())
			m := h.meet(nil, "Jane Doe")
			h.want(h.post(m.path("/enter"), nil), http.StatusOK, "the way in")
			h.redeems()
			pass := h.cookie(roomOrigin, "__Host-room")
			var sent []string // and let in, in this order
			line := &line{s: s, t: t}
			wire := s.wire(t)
			decided := map[string]string{}
			for _, p := range rows {
				first := line.ask("GET " + p + " HTTP/1.1\r\nHost: room.example\r\nCookie: __Host-room=" + pass + "\r\n\r\n")
				if wire.over {
					_ = wire.conn.Close()
					wire = s.wire(t)
				}
				second := wire.ask(pseudo("GET", p, pass), nil, nil)
				decided[p] = "refused"
				if first == "200" {
					decided[p], sent = "mine", append(sent, p)
				}
				if second == "200" {
					sent = append(sent, p)
				}
				// What HTTP/1.1 cannot even say, a line's end or a blank, HTTP/2 can.
				if (first == "200") != (second == "200") {
					t.Errorf("GET %q = %s over HTTP/1.1, %s over HTTP/2", p, first, second)
				}
			}
			line.close()
			_ = wire.conn.Close()
			line.ask("GET /r/mine/last HTTP/1.1\r\nHost: room.example\r\nCookie: __Host-room=" + pass + "\r\nConnection: close\r\n\r\n")
			line.close()
			got := rec.until(t, "/r/mine/last")
			if len(got) != len(sent) {
				t.Errorf("%s saw %d requests, want %d", name, len(got), len(sent))
			}
			for i, q := range got[:min(len(got), len(sent))] {
				// Of a query only what everybody takes apart alike goes on.
				was, _, _ := strings.Cut(q.URL, "?")
				if decided, _, _ := strings.Cut(sent[i], "?"); was != decided {
					t.Errorf("%s was sent %q, want %q as decided", name, q.URL, sent[i])
				}
				if room := roomOf(q.Path); room != "mine" {
					t.Errorf("the door let %q into mine, %s reads %q: room %q", sent[i], name, q.Path, room)
				}
			}
			for _, p := range rows {
				if kept[p] != decided[p] && !*update {
					t.Errorf("GET %q is %s, in testdata/paths.txt %s", p, decided[p], kept[p])
				}
			}
			if *update && name == "Go" {
				writeCorpus(t, rows, decided)
			}
			t.Logf("%d rows, %d requests seen", len(rows), len(got))
		})
	}
}

const corpusFile = "testdata/paths.txt"

// keptCorpus is what the door decided when somebody last looked at it.
func keptCorpus(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(corpusFile)
	if err != nil && !*update {
		t.Fatal(err)
	}
	kept := map[string]string{}
	for l := range strings.Lines(string(text)) {
		decision, quoted, _ := strings.Cut(strings.TrimSpace(l), " ")
		p, err := strconv.Unquote(quoted)
		if err != nil {
			t.Fatalf("%s: %q: %v", corpusFile, l, err)
		}
		kept[p] = decision
	}
	return kept
}

func writeCorpus(t *testing.T, rows []string, decided map[string]string) {
	t.Helper()
	var b strings.Builder
	for _, p := range rows {
		fmt.Fprintf(&b, "%s %s\n", decided[p], strconv.QuoteToASCII(p))
	}
	if err := os.WriteFile(corpusFile, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// line is an HTTP/1.1 connection to the room that is opened again when it ends.
type line struct {
	s  *site
	t  *testing.T
	c  io.ReadWriteCloser
	in *bufio.Reader
}

// ask answers the status, or "gone".
func (l *line) ask(request string) string {
	l.t.Helper()
	for range 2 { // the door may have closed it after the last answer
		fresh := l.c == nil
		if fresh {
			l.c = l.s.connectTo(l.t, "room.example", "http/1.1")
			l.in = bufio.NewReader(l.c)
		}
		_, _ = io.WriteString(l.c, request) // or there is no answer
		res, err := http.ReadResponse(l.in, nil)
		if err != nil {
			l.close()
			if fresh {
				return "gone"
			}
			continue
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if res.Close {
			l.close()
		}
		return strconv.Itoa(res.StatusCode)
	}
	return "gone"
}

func (l *line) close() {
	if l.c != nil {
		_ = l.c.Close()
		l.c = nil
	}
}

// FuzzCanonical checks that a path which the door takes for canonical stays the
// same however often and by whomever it is decoded and resolved.
func FuzzCanonical(f *testing.F) {
	for _, p := range corpus() {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := url.ParseRequestURI(raw)
		if err != nil || u.Host != "" || u.Scheme != "" || !gateway.Canonical(u) {
			return
		}
		sent, _, _ := strings.Cut(u.RequestURI(), "?")
		if asked, _, _ := strings.Cut(raw, "?"); sent != asked {
			t.Errorf("%q is sent on as %q", asked, sent)
		}
		again, err := url.PathUnescape(u.Path)
		if err != nil || again != u.Path {
			t.Errorf("%q decodes to %q, %v", u.Path, again, err)
		}
		if p := path.Clean(u.Path); p != strings.TrimSuffix(u.Path, "/") && u.Path != "/" {
			t.Errorf("%q resolves to %q", u.Path, p)
		}
		for _, other := range []string{strings.ReplaceAll(u.Path, "\\", "/"), strings.Split(u.Path, ";")[0], strings.Split(u.Path, "#")[0], strings.ToValidUTF8(u.Path, "/"), strings.TrimSpace(u.Path)} {
			if other != u.Path {
				t.Errorf("%q is %q to some", u.Path, other)
			}
		}
	})
}
