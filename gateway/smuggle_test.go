package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// smuggle is one row: what stands between the first request's own lines and
// the second request, which must not reach the conference server.
type smuggle struct {
	name, line, headers, body string
	passes                    bool // one request, with its body
	ends                      bool // and the connection with it: the end may lie elsewhere
}

// smuggles are the ways in which two parsers see one and two requests.
func smuggles() []smuggle {
	const hidden = "GET /app/smuggled HTTP/1.1\r\nHost: room.example\r\nX-Smuggled: 1\r\n\r\n"
	const te = "Transfer-Encoding: "
	n := func(s string) string { return "Content-Length: " + strconv.Itoa(len(s)) + "\r\n" }
	rows := []smuggle{
		{name: "an honest length", headers: n("abc"), body: "abc" + hidden, passes: true},
		{name: "an honest length around a request", headers: n(hidden), body: hidden, passes: true},
		{name: "honest chunks", headers: te + "chunked\r\n", body: "3\r\nabc\r\n0\r\n\r\n" + hidden, passes: true, ends: true},
		{name: "chunks in capitals", headers: te + "Chunked\r\n", body: "3\r\nabc\r\n0\r\n\r\n" + hidden, passes: true, ends: true},
		{name: "a chunk extension", headers: te + "chunked\r\n", body: "3;a=b\r\nabc\r\n0;c\r\n\r\n" + hidden},
		{name: "an honest trailer", headers: te + "chunked\r\n", body: "3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n" + hidden, passes: true, ends: true},
		{name: "the same length twice", headers: n("abc") + n("abc"), body: "abc" + hidden},
		{name: "a folded header", headers: "Accept: a\r\n b\r\n\tc\r\n" + n("abc"), body: "abc" + hidden},

		{name: "CL.TE", headers: n("0\r\n\r\n"+hidden) + te + "chunked\r\n", body: "0\r\n\r\n" + hidden},
		{name: "TE.CL", headers: te + "chunked\r\n" + "Content-Length: 4\r\n", body: "56\r\n" + hidden + "0\r\n\r\n"},
		{name: "CL.0", headers: "Content-Length: 0\r\nContent-Length: " + strconv.Itoa(len(hidden)) + "\r\n", body: hidden},
		{name: "two lengths", headers: n("abc") + n("abc"+hidden), body: "abc" + hidden},
		{name: "two lengths in one", headers: "Content-Length: 3, 60\r\n", body: "abc" + hidden},
		{name: "one length twice in one", headers: "Content-Length: 3, 3\r\n", body: "abc" + hidden},
		{name: "folded chunked", headers: "X: y\r\n " + te + "chunked\r\n" + te + "identity\r\n", body: "0\r\n\r\n" + hidden},
		{name: "an absolute address elsewhere", line: "POST http://door.example/app/x HTTP/1.1", headers: "Content-Length: 0\r\n", body: hidden},
		{name: "an absolute address of a stranger", line: "POST http://evil.example/app/x HTTP/1.1", headers: "Content-Length: 0\r\n", body: hidden},
		{name: "two hosts", headers: "Host: evil.example\r\nContent-Length: 0\r\n", body: hidden},
		{name: "a header without a name", headers: ": x\r\nContent-Length: 0\r\n", body: hidden},
		{name: "a header without a colon", headers: "Content-Length 0\r\n", body: hidden},
		{name: "a fold before the first header", line: "POST /app/x HTTP/1.1\r\n X: y", headers: "Content-Length: 0\r\n", body: hidden},
		{name: "a CR in a value", headers: "X: a\rContent-Length: 60\r\nContent-Length: 0\r\n", body: hidden},
		{name: "a NUL in a value", headers: "X: a\x00b\r\nContent-Length: 0\r\n", body: hidden},
		{name: "a line end in the target", line: "POST /app/x\rX: y HTTP/1.1", headers: "Content-Length: 0\r\n", body: hidden},
		{name: "HTTP/1.1 with a blank", line: "POST /app/x HTTP/1.1 ", headers: "Content-Length: 0\r\n", body: hidden},
		{name: "HTTP/0.9", line: "POST /app/x", headers: "", body: hidden},
		{name: "HTTP/1.0 in chunks", line: "POST /app/x HTTP/1.0", headers: te + "chunked\r\nContent-Length: 3\r\nConnection: keep-alive\r\n", body: "0\r\n\r\n" + hidden},
		{name: "HTTP/2.0", line: "POST /app/x HTTP/2.0", headers: "Content-Length: 0\r\n", body: hidden},
	}
	for _, v := range []string{"+3", "-0", "0x3", "3 3", "３", "3_0", "00000000000000000000000003", "1e0", "", "3.0", "18446744073709551619", "\x0b3", "3;"} {
		if v == "00000000000000000000000003" {
			continue // a number, and the same one to everybody
		}
		rows = append(rows, smuggle{name: fmt.Sprintf("length %q", v), headers: "Content-Length: " + v + "\r\n", body: "abc" + hidden})
	}
	for _, v := range []string{
		"Transfer-Encoding: xchunked", "Transfer-Encoding : chunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: x", "Transfer-Encoding: identity",
		"Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked, gzip", "Transfer-Encoding:\x0bchunked", "Transfer-Encoding: \"chunked\"", "Transfer-Encoding: chunked;q=1",
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked, chunked", "Transfer-Encoding:\x00chunked", "Transfer-Encoding: chu nked",
		" Transfer-Encoding: chunked", "X: x\nTransfer-Encoding : chunked", "Transfer\xffEncoding: chunked", "Transfer-Encoding\t: chunked", "Content-Length : 60", "Transfer-Encoding: chunked\x0c", "Transfer-Encoding:",
	} {
		rows = append(rows, smuggle{name: strconv.Quote(v), headers: v + "\r\nContent-Length: 5\r\n", body: "0\r\n\r\n" + hidden})
		if v != " Transfer-Encoding: chunked" { // a fold of the line before, which is a cookie's
			rows = append(rows, smuggle{name: strconv.Quote(v) + " alone", headers: v + "\r\n", body: "0\r\n\r\n" + hidden})
		}
	}
	for _, v := range []string{"0x3\r\nabc", "+3\r\nabc", " 3\r\nabc", "3\nabc", "3\rabc", "3\r\nabcX", "3\r\nabc\n", "-1\r\n", "fffffffffffffffff3\r\nabc", "3;\nabc", "3;a=\nabc", "３\r\nabc", "\r\n", "3 a\r\nabc"} {
		rows = append(rows, smuggle{name: fmt.Sprintf("chunk %q", v), headers: te + "chunked\r\n", body: v + "\r\n0\r\n\r\n" + hidden})
	}
	return rows
}

// bareLF are honest rows, but lines end without CR.
func bareLF(rows []smuggle) []smuggle {
	var all []smuggle
	for _, r := range rows[:3] {
		r.name, r.headers, r.passes, r.ends = "bare LF, "+r.name, strings.ReplaceAll(r.headers, "\r\n", "\n"), false, false
		all = append(all, r)
	}
	return all
}

// TestT29OneRequestStaysOne sends them all as somebody inside, each with a
// second request behind that nobody let in.
func TestT29OneRequestStaysOne(t *testing.T) {
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
			ours := "Bearer " + m.snapshot().Admissions[0].ID
			cookie := "Cookie: __Host-room=" + h.cookie(roomOrigin, "__Host-room") + "\r\n"
			rows := smuggles()
			rows = append(rows, bareLF(rows)...)
			for i, r := range rows {
				line := r.line
				if line == "" {
					line = "POST /app/x HTTP/1.1"
				}
				line = strings.Replace(line, "/app/x", fmt.Sprintf("/app/x/%d", i), 1)
				statuses := s.pour(t, line+"\r\nHost: room.example\r\n"+cookie+r.headers+"\r\n"+r.body)
				if len(statuses) == 0 && r.passes || r.passes && statuses[0] != http.StatusOK {
					t.Errorf("%s: answered %v, want 200 first", r.name, statuses)
				}
				if !r.passes && (len(statuses) > 1 || len(statuses) == 1 && statuses[0] < 400) {
					t.Errorf("%s: answered %v, want one refusal and the end", r.name, statuses)
				}
				if !r.passes && !strings.Contains(r.headers, "chunked") && !slices.Equal(statuses, []int{http.StatusBadRequest}) {
					t.Errorf("%s: answered %v, want 400 before anybody looks", r.name, statuses)
				}
				if r.ends && len(statuses) > 1 {
					t.Errorf("%s: answered %v, want one answer", r.name, statuses)
				}
				if len(statuses) > 1 && statuses[1] < 400 {
					t.Errorf("%s: the second request = %v", r.name, statuses)
				}
			}
			got := rec.all(t, s, cookie)
			seen := map[string]int{}
			for _, q := range got {
				seen[q.URL]++
				q.straight(t, ours)
			}
			for i, r := range rows {
				if n, want := seen[fmt.Sprintf("/app/x/%d", i)], map[bool]int{true: 1}[r.passes]; n != want {
					t.Errorf("%s: the conference server saw %d requests, want %d", r.name, n, want)
				}
			}
			rec.straightBytes(t)
			t.Logf("%d rows, of which the conference server saw %d requests", len(rows), len(got)-1)
		})
	}
}

// straight is what every request must look like.
func (q heard) straight(t *testing.T, ours string) {
	t.Helper()
	names := map[string]int{}
	for i := 0; i+1 < len(q.RawHeaders); i += 2 {
		names[strings.ToLower(q.RawHeaders[i])]++
		if v := q.RawHeaders[i+1]; strings.Contains(v, "smuggled") || strings.ContainsAny(v, "\r\n\x00") || strings.Contains(v, "Transfer-Encoding:") {
			t.Errorf("%s: the conference server saw %s: %q", q.URL, q.RawHeaders[i], v)
		}
		if strings.EqualFold(q.RawHeaders[i], "Authorization") && q.RawHeaders[i+1] != ours {
			t.Errorf("%s: Authorization = %q, want ours", q.URL, q.RawHeaders[i+1])
		}
	}
	if names["authorization"] != 1 || names["content-length"]+names["transfer-encoding"] > 1 || names["x-smuggled"] > 0 {
		t.Errorf("the conference server saw %s with %v", q.URL, q.RawHeaders)
	}
	if !strings.HasPrefix(q.URL, "/app/x/") {
		t.Errorf("the conference server saw %s %s", q.Method, q.URL)
	}
}

// all waits for one honest request, behind which nothing can come any more.
func (r *recorder) all(t *testing.T, s *site, cookie string) []heard {
	t.Helper()
	s.pour(t, "GET /app/x/last HTTP/1.1\r\nHost: room.example\r\n"+cookie+"Connection: close\r\n\r\n")
	r.until(t, "/app/x/last")
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got
}

// straightBytes is what the bytes must look like: no line folded or ended by
// LF alone, no extension of a chunk, no trailer.
func (r *recorder) straightBytes(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, bad := range []string{`\r\n[ \t]`, `[^\r]\n[A-Z]`, `(?m)^[0-9a-f]+;`, `X-T:`, `(?m)^[^ \r\n]+[ \t]+:`} {
		if m := regexp.MustCompile(`.{0,40}` + bad + `.{0,40}`).Find(r.raw.Bytes()); m != nil {
			t.Errorf("the conference server was told %q", m)
		}
	}
}

// pour writes everything at once and answers the statuses that come back until
// the connection ends or says nothing more.
func (s *site) pour(t *testing.T, all string) []int {
	t.Helper()
	c := s.connectTo(t, "room.example", "http/1.1")
	defer c.Close()
	if _, err := io.WriteString(c, all); err != nil {
		t.Fatal(err)
	}
	var statuses []int
	b := bufio.NewReader(c)
	for {
		// Where the end of a body is awaited, nothing comes.
		if err := c.SetReadDeadline(time.Now().Add(500 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(b, &http.Request{Method: http.MethodPost})
		if err != nil {
			return statuses
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		statuses = append(statuses, res.StatusCode)
	}
}
