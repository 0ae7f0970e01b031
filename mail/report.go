package mail

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"regexp"
	"strconv"
	"strings"
)

// How far one looks into a report. It comes from anybody.
const (
	maxReportParts = 10
	maxStatus      = 64 << 10
	maxField       = 1000
)

var (
	statusForm    = regexp.MustCompile(`^[245]\.[0-9]{1,3}\.[0-9]{1,3}$`)
	diagnosisForm = regexp.MustCompile(`^([245][0-9]{2})(?:[ -]+#?([245]\.[0-9]{1,3}\.[0-9]{1,3})\b)?`)
)

// report reads a delivery status notification (RFC 3464). It answers nil for
// any other mail, and for a report of no fault: delivered, relayed, expanded.
func report(raw []byte) *Fault {
	m, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return nil
	}
	// RFC 6522 §3: multipart/report; report-type=delivery-status
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/report" || !strings.EqualFold(params["report-type"], "delivery-status") {
		return nil
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for range maxReportParts {
		p, err := parts.NextRawPart()
		if err != nil {
			return nil
		}
		kind, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type"))
		// The second is of RFC 6533, for addresses beyond ASCII.
		if kind == "message/delivery-status" || kind == "message/global-delivery-status" {
			text, _ := io.ReadAll(io.LimitReader(decode(p.Header.Get("Content-Transfer-Encoding"), p), maxStatus))
			return worst(string(text)) // what could be read of it
		}
	}
	return nil
}

func decode(encoding string, r io.Reader) io.Reader {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, r)
	case "quoted-printable":
		return quotedprintable.NewReader(r)
	}
	return r
}

// worst reads the groups of fields, the first about the mail and each further
// one about a recipient (RFC 3464 §2.1), and answers the worst. Our mails have
// one recipient; who forwards may have made several of them.
func worst(text string) *Fault {
	var found *Fault
	for group := range groups(text) {
		f := group.fault()
		if f != nil && (found == nil || f.Kind > found.Kind) {
			found = f
		}
	}
	return found
}

// fields are those of one group, by their names in small letters.
type fields map[string]string

// groups reads fields as RFC 5322 §2.2.3 folds them. What is none is skipped.
func groups(text string) func(yield func(fields) bool) {
	return func(yield func(fields) bool) {
		f, last := fields{}, ""
		for line := range strings.SplitSeq(text+"\n\n", "\n") {
			line = strings.TrimRight(line, "\r\t ")
			name, value, ok := strings.Cut(line, ":")
			switch {
			case line == "":
				if len(f) > 0 && !yield(f) {
					return
				}
				f, last = fields{}, ""
			case line[0] == ' ' || line[0] == '\t':
				if last != "" && len(f[last]) < maxField {
					f[last] += " " + strings.TrimSpace(line)
				}
			case ok:
				last = strings.ToLower(strings.TrimSpace(name))
				if _, twice := f[last]; twice {
					last = "" // the first one counts
					continue
				}
				f[last] = strings.TrimSpace(value)
			}
		}
	}
}

// fault is what a group says of its recipient; nil: no fault.
func (f fields) fault() *Fault {
	kind := Bounced
	switch first(f["action"]) {
	case "failed":
	case "delayed":
		kind = Deferred
	default:
		return nil
	}
	code, said := diagnosis(f["diagnostic-code"])
	status := enhanced(first(f["status"]))
	if vague(status) && !vague(said) {
		status = said // Exim writes 5.0.0 whatever the other server said
	}
	if status == "" {
		status = "5.0.0"
	}
	if kind == Bounced {
		// A mail given up after days has the status of its last try, 4.4.1.
		status = "5" + status[1:]
	}
	return &Fault{Kind: kind, Code: code, Status: status}
}

// first is the first word of a value: a remark in brackets may follow.
func first(value string) string {
	word, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(value)), " ")
	return word
}

// enhanced is a status (RFC 3463 §2), or nothing.
func enhanced(s string) string {
	if !statusForm.MatchString(s) {
		return ""
	}
	return s
}

// vague reports whether a status says no more than that there is a fault.
func vague(status string) bool {
	return status == "" || strings.Contains(status[:min(4, len(status))], ".0.")
}

// diagnosis reads what the other mail server answered, "smtp; 550-5.1.1 …".
func diagnosis(value string) (code int, status string) {
	kind, answer, _ := strings.Cut(value, ";")
	m := diagnosisForm.FindStringSubmatch(strings.TrimSpace(answer))
	if first(kind) != "smtp" || m == nil {
		return 0, ""
	}
	code, _ = strconv.Atoi(m[1]) // three digits
	return code, m[2]
}
