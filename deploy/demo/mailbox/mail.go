package mailbox

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/encoding/htmlindex"
)

// maxDepth and maxParts bound how far into a mail one looks.
const (
	maxDepth = 8
	maxParts = 50
)

// Mail is one mail in one recipient's mailbox.
type Mail struct {
	// ID names it in addresses.
	ID string
	// Envelope and To are the sender and the recipient the mail server was
	// told; what the mail itself claims is in From and Header.
	Envelope, To string
	Received     time.Time
	// From, Subject, Cc and Date are as the mail says, decoded.
	From, Subject, Cc, Date string
	// Text and HTML are the first part of either kind.
	Text, HTML string
	// Events are the calendar parts, Files all others.
	Events []Event
	Files  []File
	// SMS is set for a message to a telephone: To is a number, and there is
	// nothing but Text.
	SMS    bool
	handed string // the id it was handed over with
	// Broken is set when the mail could not be taken apart; Text then holds
	// it as it came.
	Broken bool
}

// File is an attachment.
type File struct {
	Name, Type string
	Data       []byte
}

// Size is in kilobytes, rounded up.
func (f File) Size() int { return (len(f.Data) + 1023) / 1024 }

// parse takes a mail apart. It never fails: what cannot be read is shown as
// it came.
func parse(raw []byte) *Mail {
	m := &Mail{}
	msg, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		m.Broken, m.Text = true, valid(raw)
		return m
	}
	h := textproto.MIMEHeader(msg.Header)
	m.Subject, m.From, m.Cc, m.Date = header(h, "Subject"), header(h, "From"), header(h, "Cc"), header(h, "Date")
	seen := 0
	if err := m.take(h, msg.Body, 0, &seen); err != nil {
		m.Broken = true
		if m.Text == "" && m.HTML == "" {
			m.Text = valid(raw)
		}
	}
	return m
}

// take reads one part and those inside it.
func (m *Mail) take(h textproto.MIMEHeader, body io.Reader, depth int, seen *int) error {
	if *seen++; *seen > maxParts || depth > maxDepth {
		return io.ErrShortBuffer
	}
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		kind, params = "text/plain", map[string]string{} // RFC 2045 §5.2
	}
	if strings.HasPrefix(kind, "multipart/") {
		return m.takeAll(multipart.NewReader(body, params["boundary"]), depth, seen)
	}
	data, err := io.ReadAll(decoded(h, body))
	m.keep(kind, params, h, data)
	return err
}

func (m *Mail) takeAll(parts *multipart.Reader, depth int, seen *int) error {
	for {
		p, err := parts.NextRawPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := m.take(p.Header, p, depth+1, seen); err != nil {
			return err
		}
	}
}

// keep puts a part where a reader looks for it.
func (m *Mail) keep(kind string, params map[string]string, h textproto.MIMEHeader, data []byte) {
	disposition, dparams, _ := mime.ParseMediaType(h.Get("Content-Disposition"))
	name := word(dparams["filename"])
	if name == "" {
		name = word(params["name"])
	}
	attached := strings.EqualFold(disposition, "attachment") || name != ""
	switch {
	case kind == "text/calendar" || strings.HasSuffix(strings.ToLower(name), ".ics"):
		m.Events = append(m.Events, event(charset(params["charset"], data), params["method"]))
		if name == "" {
			name = "event.ics"
		}
		m.Files = append(m.Files, File{name, kind, data})
	case kind == "text/plain" && !attached && m.Text == "":
		m.Text = charset(params["charset"], data)
	case kind == "text/html" && !attached && m.HTML == "":
		m.HTML = charset(params["charset"], data)
	default:
		if name == "" {
			name = "part"
		}
		m.Files = append(m.Files, File{name, kind, data})
	}
}

func decoded(h textproto.MIMEHeader, body io.Reader) io.Reader {
	switch strings.ToLower(strings.TrimSpace(h.Get("Content-Transfer-Encoding"))) {
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		return quotedprintable.NewReader(body)
	}
	return body
}

// header reads a header field, encoded words and all, on one line.
func header(h textproto.MIMEHeader, name string) string { return word(h.Get(name)) }

func word(raw string) string {
	d := mime.WordDecoder{CharsetReader: func(name string, in io.Reader) (io.Reader, error) {
		e, err := htmlindex.Get(name)
		if err != nil {
			return nil, err
		}
		return e.NewDecoder().Reader(in), nil
	}}
	s, err := d.DecodeHeader(raw)
	if err != nil {
		s = raw
	}
	return strings.Join(strings.Fields(valid([]byte(s))), " ")
}

// charset turns a part into UTF-8.
func charset(name string, data []byte) string {
	if e, err := htmlindex.Get(name); err == nil {
		if b, err := e.NewDecoder().Bytes(data); err == nil {
			data = b
		}
	}
	return strings.ReplaceAll(valid(data), "\r\n", "\n")
}

func valid(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	return strings.ToValidUTF8(string(b), "\uFFFD")
}
