package mailbox

import (
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"vestibule/deploy/demo/look"
)

func (m *Mailbox) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", m.list)
	mux.HandleFunc("GET /m/{id}", m.show)
	mux.HandleFunc("GET /m/{id}/html", m.html)
	mux.HandleFunc("GET /m/{id}/file/{n}", m.file)
	mux.HandleFunc("GET /api/messages", m.api)
	if m.c.Return != "" {
		mux.Handle("POST /m/{id}/return", http.NewCrossOriginProtection().Handler(http.HandlerFunc(m.giveBack)))
	}
	mux.Handle("GET /static/", look.Static())
	return mux
}

// ServeHTTP answers r. Nothing here changes anything but the form that returns a
// mail; every other method but GET and HEAD is refused.
func (m *Mailbox) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.handler.ServeHTTP(w, r) }

// listPage is the list of mails.
type listPage struct {
	To     string // whose; empty for everybody's
	Boxes  []box
	Mails  []*Mail
	Watch  bool   // comes again by itself
	Here   string // this page's address
	Toggle string // and with Watch the other way round
	Now    time.Time
}

// box is one recipient's mailbox.
type box struct {
	Address, URL string
	Count        int
	Current      bool
}

// list shows mails, newest first. With watch the page comes again every
// five seconds: the person asks for it and can stop it (WCAG 2.2.2).
func (m *Mailbox) list(w http.ResponseWriter, r *http.Request) {
	to, watch := r.URL.Query().Get("to"), r.URL.Query().Get("watch") == "1"
	p := listPage{To: to, Boxes: m.boxes(to, watch), Mails: m.List(to), Watch: watch, Here: address(to, watch), Toggle: address(to, !watch), Now: time.Now()}
	if watch {
		w.Header().Set("Refresh", "5; url="+p.Here)
	}
	m.book.Write(w, r, http.StatusOK, "list", p)
}

// boxes are the recipients so far, in the order of the alphabet.
func (m *Mailbox) boxes(to string, watch bool) []box {
	all := m.List("")
	counts := map[string]int{}
	for _, mail := range all {
		counts[strings.ToLower(mail.To)]++
	}
	out := []box{{Count: len(all), URL: address("", watch), Current: to == ""}}
	for a, n := range counts {
		out = append(out, box{Address: a, Count: n, URL: address(a, watch), Current: strings.EqualFold(a, to)})
	}
	slices.SortFunc(out, func(a, b box) int { return strings.Compare(a.Address, b.Address) })
	return out
}

func address(to string, watch bool) string {
	q := url.Values{}
	if to != "" {
		q.Set("to", to)
	}
	if watch {
		q.Set("watch", "1")
	}
	if len(q) == 0 {
		return "/"
	}
	return "/?" + q.Encode()
}

// mailPage is one mail.
type mailPage struct {
	*Mail

	AsHTML bool // shown as HTML rather than as text
	Back   string
	May    bool   // be returned
	Given  string // what came of it: "taken", "refused", or nothing
}

// Pieces are the mail's text with its addresses made into links.
func (p mailPage) Pieces() []piece { return pieces(p.Text) }

func (m *Mailbox) show(w http.ResponseWriter, r *http.Request) {
	mail := m.find(r.PathValue("id"))
	if mail == nil {
		m.book.Write(w, r, http.StatusNotFound, "gone", nil)
		return
	}
	as := r.URL.Query().Get("as") == "html" || mail.Text == ""
	m.book.Write(w, r, http.StatusOK, "mail", mailPage{Mail: mail, AsHTML: as && mail.HTML != "", Back: address(mail.To, false), May: m.returns(mail), Given: given(r)})
}

// html serves a mail's HTML for the frame on its page. It is a stranger's
// document: no script runs, nothing is fetched from anywhere, no form is
// sent, it has no origin, and a link opens in a page of its own.
func (m *Mailbox) html(w http.ResponseWriter, r *http.Request) {
	mail := m.find(r.PathValue("id"))
	if mail == nil || mail.HTML == "" {
		http.NotFound(w, r)
		return
	}
	look.Guard(w.Header())
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "+
		"base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte("<!doctype html><base target=\"_blank\">\n" + mail.HTML))
}

// file serves an attachment for keeping, never for showing.
func (m *Mailbox) file(w http.ResponseWriter, r *http.Request) {
	mail := m.find(r.PathValue("id"))
	n, err := strconv.Atoi(r.PathValue("n"))
	if mail == nil || err != nil || n < 0 || n >= len(mail.Files) {
		http.NotFound(w, r)
		return
	}
	look.Guard(w.Header())
	w.Header().Set("Content-Security-Policy", "default-src 'none'; sandbox")
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": mail.Files[n].Name}))
	_, _ = w.Write(mail.Files[n].Data)
}

// message is a mail as tests read it.
type message struct {
	ID       string    `json:"id"`
	To       string    `json:"to"`
	Subject  string    `json:"subject"`
	Text     string    `json:"text"`
	Received time.Time `json:"received"`
}

// api lists mails in JSON, newest first.
func (m *Mailbox) api(w http.ResponseWriter, r *http.Request) {
	out := []message{}
	for _, mail := range m.List(r.URL.Query().Get("to")) {
		out = append(out, message{mail.ID, mail.To, mail.Subject, mail.Text, mail.Received})
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(out) // the caller went away
}

// piece is a run of text, or an address in it.
type piece struct{ Text, URL string }

// pieces finds the http and https addresses in a text, as mail programs do,
// and leaves out the full stop or bracket after one.
func pieces(s string) []piece {
	var out []piece
	from := 0 // what lies before is in out
	for at := 0; ; {
		i := strings.Index(s[at:], "http")
		if i < 0 {
			break
		}
		at += i
		if !strings.HasPrefix(s[at:], "http://") && !strings.HasPrefix(s[at:], "https://") {
			at += len("http")
			continue
		}
		found := untilSpace(s[at:])
		if at > from {
			out = append(out, piece{Text: s[from:at]})
		}
		out = append(out, piece{Text: found, URL: found})
		at += len(found)
		from = at
	}
	if from < len(s) {
		out = append(out, piece{Text: s[from:]})
	}
	return out
}

// untilSpace is the address at the beginning of s.
func untilSpace(s string) string {
	end := strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || strings.ContainsRune(`<>"`, r) })
	if end < 0 {
		end = len(s)
	}
	return strings.TrimRight(s[:end], ".,;:!?)]}'»")
}
