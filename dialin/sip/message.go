package sip

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Bounds of one message. A real device's largest offer is below 6 KiB.
const (
	maxMessage = 16 << 10
	maxHeaders = 96
	maxWord    = 256 // Call-ID, tags, branches, CSeq
	maxVias    = 12
)

// parser reads no header but those without which there is no call: what is not
// parsed cannot be parsed wrongly.
func parser() *sip.Parser {
	all := sip.DefaultHeadersParser()
	few := map[string]sip.HeaderParser{}
	for _, name := range []string{
		"via", "v", "from", "f", "to", "t", "call-id", "i", "cseq", "contact", "m", "content-length", "l", "content-type", "c",
	} {
		few[name] = all[name]
	}
	p := sip.NewParser(sip.WithHeadersParsers(few))
	p.MaxMessageLength = maxMessage
	return p
}

// tidy reports whether a datagram may be shown to the parser: text in lines
// that end as they must, not too many of them. It keeps out what could split an
// answer in two, as our answers repeat parts of what they answer.
func tidy(b []byte) bool {
	if len(b) < 20 || len(b) > maxMessage {
		return false
	}
	head, _, ok := bytes.Cut(b, []byte("\r\n\r\n"))
	if !ok || bytes.Count(head, []byte("\r\n")) > maxHeaders {
		return false
	}
	for i, c := range head {
		switch {
		case c == '\r':
			if i+1 < len(head) && head[i+1] != '\n' {
				return false
			}
		case c == '\n':
			if i == 0 || head[i-1] != '\r' {
				return false
			}
		case c < ' ' && c != '\t', c == 0x7f:
			return false
		}
	}
	return true
}

// request is a request that holds all that it must.
type request struct {
	*sip.Request

	peer    *peer
	via     *sip.ViaHeader // the newest
	branch  string
	vias    []string // all, as they are to be repeated
	callID  string
	fromTag string
	toTag   string
	cseq    uint32
}

// check makes a request of a message, or answers false: such a message is not
// worth an answer, or cannot be answered.
func check(m *sip.Request, p *peer) (*request, bool) {
	r := &request{Request: m, peer: p, via: m.Via()}
	from, to, id, seq := m.From(), m.To(), m.CallID(), m.CSeq()
	if r.via == nil || from == nil || to == nil || id == nil || seq == nil || !strings.EqualFold(m.SipVersion, "SIP/2.0") {
		return nil, false
	}
	if !strings.EqualFold(string(seq.MethodName), string(m.Method)) || seq.SeqNo >= 1<<31 {
		return nil, false
	}
	r.branch, r.fromTag, r.toTag = param(r.via.Params, "branch"), param(from.Params, "tag"), param(to.Params, "tag")
	r.callID, r.cseq = id.Value(), seq.SeqNo
	for _, h := range m.GetHeaders("Via") {
		r.vias = append(r.vias, h.Value())
	}
	words := []string{r.branch, r.fromTag, r.toTag, r.callID}
	if len(r.vias) > maxVias || r.callID == "" { // devices after RFC 2543 have no tag (RFC 3261 §12.1.1)
		return nil, false
	}
	for _, w := range words {
		if len(w) > maxWord || strings.ContainsFunc(w, func(c rune) bool { return c <= ' ' }) {
			return nil, false
		}
	}
	return r, true
}

// param is a parameter, whatever space and case its name is written with.
func param(list sip.HeaderParams, name string) string {
	for _, kv := range list {
		if strings.EqualFold(strings.TrimSpace(kv.K), name) {
			return strings.TrimSpace(kv.V)
		}
	}
	return ""
}

// headed is a request or a response.
type headed interface {
	GetHeader(name string) sip.Header
	GetHeaders(name string) []sip.Header
	Body() []byte
}

func (r *request) header(names ...string) string       { return header(r.Request, names...) }
func (r *request) lists(word string, n ...string) bool { return lists(r.Request, word, n...) }
func (r *request) body(kind string) []byte             { return body(r.Request, kind) }

// header is the value of the first header with one of the names.
func header(m headed, names ...string) string {
	for _, n := range names {
		if h := m.GetHeader(n); h != nil {
			return strings.TrimSpace(h.Value())
		}
	}
	return ""
}

// lists reports whether a header's list holds a word.
func lists(m headed, word string, names ...string) bool {
	for _, n := range names {
		for _, h := range m.GetHeaders(n) {
			for w := range strings.SplitSeq(h.Value(), ",") {
				if strings.EqualFold(strings.TrimSpace(w), word) {
					return true
				}
			}
		}
	}
	return false
}

// key names the transaction (RFC 3261 §17.2.3; the older way for branches
// without the cookie). An ACK and a CANCEL are of their INVITE's.
func (r *request) key() string {
	method := string(r.Method)
	if method == "ACK" || method == "CANCEL" {
		method = "INVITE"
	}
	if strings.HasPrefix(r.branch, "z9hG4bK") && len(r.branch) > 7 {
		return method + "|" + r.branch + "|" + r.via.SentBy() + "|" + r.peer.source
	}
	return method + "|" + r.callID + "|" + r.fromTag + "|" + strconv.Itoa(int(r.cseq)) + "|" + r.via.SentBy() + "|" + r.peer.source
}

// body is the part of the message that is of a type, also where it is one part
// of several (RFC 5621).
func body(m headed, kind string) []byte {
	ct := header(m, "Content-Type", "c")
	media, params, err := mime.ParseMediaType(ct)
	switch {
	case err != nil || header(m, "Content-Encoding", "e") != "":
		return nil
	case media == kind:
		return m.Body()
	case !strings.HasPrefix(media, "multipart/") || params["boundary"] == "":
		return nil
	}
	parts := multipart.NewReader(bytes.NewReader(m.Body()), params["boundary"])
	for range 8 {
		p, err := parts.NextRawPart()
		if err != nil {
			return nil
		}
		if media, _, err := mime.ParseMediaType(p.Header.Get("Content-Type")); err == nil && media == kind {
			b, err := io.ReadAll(io.LimitReader(p, maxMessage))
			if err != nil {
				return nil
			}
			return b
		}
	}
	return nil
}

// answer writes a response (RFC 3261 §8.2.6). tag is ours; empty for 100.
func (r *request) answer(code int, reason, tag string, body []byte, headers ...string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "SIP/2.0 %d %s\r\n", code, reason)
	for i, v := range r.vias {
		if i == 0 {
			v = r.received()
		}
		fmt.Fprintf(&b, "Via: %s\r\n", v)
	}
	if code > 100 && code < 300 {
		for _, h := range r.GetHeaders("Record-Route") {
			fmt.Fprintf(&b, "Record-Route: %s\r\n", h.Value())
		}
	}
	to := r.To().Value()
	if r.toTag == "" && tag != "" {
		to += ";tag=" + tag
	}
	fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\n", r.From().Value(), to, r.callID, r.cseq, r.Method)
	finish(&b, body, headers)
	return b.Bytes()
}

func finish(b *bytes.Buffer, body []byte, headers []string) {
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	fmt.Fprintf(b, "Content-Length: %d\r\n\r\n", len(body))
	b.Write(body)
}

// received is the newest Via with where it really came from (RFC 3261
// §18.2.1, RFC 3581 §4).
func (r *request) received() string {
	v := r.via.Clone()
	if _, asked := v.Params.Get("rport"); asked {
		v.Params.Add("rport", strconv.Itoa(int(r.peer.remote.Port())))
	}
	if ip := r.peer.remote.Addr().Unmap().String(); v.Host != ip {
		v.Params.Add("received", ip)
	}
	return v.Value()
}
