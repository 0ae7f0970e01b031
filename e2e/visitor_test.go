package e2e_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// visitor is a browser without a screen: it follows links and redirects, keeps
// cookies, fills in the forms it was shown and nothing else. It is quick, and
// it can say things no browser would.
type visitor struct {
	t      *testing.T
	client *http.Client
	jar    map[string]map[string]string // by origin
	given  []given
	at     *url.URL
	code   int
	header http.Header
	text   string // the page's source
	forms  []form
}

// form is a form of the page: where it goes, how, and what it already says.
type form struct {
	Action  string
	Parts   bool // sent as multipart/form-data
	Values  url.Values
	Buttons []string // values of its named buttons
}

func (h *house) visitor(t *testing.T) *visitor { return newVisitor(t, h.client) }

func newVisitor(t *testing.T, client *http.Client) *visitor {
	return &visitor{t: t, client: client, jar: map[string]map[string]string{}}
}

func originOf(u *url.URL) string { return u.Scheme + "://" + u.Host }

// open goes to an address as a person does.
func (v *visitor) open(address string) *visitor {
	v.t.Helper()
	return v.walk(http.MethodGet, address, nil, nil)
}

// submit sends the form of the page whose action ends so, with further values.
func (v *visitor) submit(action string, more url.Values) *visitor {
	v.t.Helper()
	f := v.form(action)
	for k, x := range more {
		f.Values[k] = x
	}
	return v.post(f)
}

// form answers the form of the page whose action ends so and that already says
// all of the given, key after value.
func (v *visitor) form(action string, says ...string) form {
	v.t.Helper()
	for _, f := range v.forms {
		u, err := url.Parse(f.Action)
		ok := err == nil && strings.HasSuffix(u.Path, action)
		for i := 0; ok && i+1 < len(says); i += 2 {
			ok = f.Values.Get(says[i]) == says[i+1]
		}
		if ok {
			return f
		}
	}
	v.t.Fatalf("no form goes to %q on a page that answered %d and says:\n%s", action, v.code, v.words())
	return form{}
}

func (v *visitor) post(f form) *visitor {
	v.t.Helper()
	h := http.Header{"Origin": {originOf(v.at)}, "Sec-Fetch-Site": {"same-origin"}}
	if f.Parts {
		h.Set("Content-Type", "multipart/form-data; boundary="+boundary)
	}
	return v.walk(http.MethodPost, f.Action, h, f.Values)
}

const boundary = "----vestibule"

// inParts writes values as multipart/form-data.
func inParts(body url.Values) io.Reader {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	_ = w.SetBoundary(boundary) // it is a good one, and a buffer takes everything
	for name, values := range body {
		for _, value := range values {
			_ = w.WriteField(name, value)
		}
	}
	_ = w.Close()
	return &b
}

// walk makes a request and follows where it leads.
func (v *visitor) walk(method, address string, h http.Header, body url.Values) *visitor {
	v.t.Helper()
	for range 12 {
		said := http.Header{"Sec-Fetch-Site": {"none"}, "Sec-Fetch-Mode": {"navigate"}, "Accept": {"text/html"}}
		maps.Copy(said, h)
		res := v.ask(method, address, body, said)
		to := res.Header.Get("Location")
		if on, ok := strings.CutPrefix(res.Header.Get("Refresh"), "0; url="); ok {
			to = on
		}
		if to == "" {
			v.read()
			return v
		}
		next, err := v.at.Parse(to)
		if err != nil {
			v.t.Fatal(err)
		}
		method, address, body, h = http.MethodGet, next.String(), nil, nil
	}
	v.t.Fatal("twelve redirects lead nowhere")
	return v
}

// ask makes one request with the visitor's cookies and keeps the answer.
func (v *visitor) ask(method, address string, body url.Values, h http.Header) *http.Response {
	v.t.Helper()
	content := io.Reader(strings.NewReader(body.Encode()))
	if strings.HasPrefix(h.Get("Content-Type"), "multipart/") {
		content = inParts(body)
	}
	req, err := http.NewRequestWithContext(v.t.Context(), method, address, content)
	if err != nil {
		v.t.Fatal(err)
	}
	for k, x := range h {
		if x[0] != "" {
			req.Header[k] = x
		}
	}
	if body != nil && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range v.jar[originOf(req.URL)] {
		req.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	res, err := v.client.Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	v.at, v.code, v.header, v.text, v.forms = req.URL, res.StatusCode, res.Header, string(b), nil
	v.store(res)
	return res
}

func (v *visitor) store(res *http.Response) {
	from := originOf(v.at)
	for _, line := range res.Header.Values("Set-Cookie") {
		v.given = append(v.given, given{v.at.String(), line})
	}
	for _, c := range res.Cookies() {
		if v.jar[from] == nil {
			v.jar[from] = map[string]string{}
		}
		if c.MaxAge < 0 {
			delete(v.jar[from], c.Name)
			continue
		}
		v.jar[from][c.Name] = c.Value
	}
}

// read takes in the forms of the page.
func (v *visitor) read() {
	doc, err := html.Parse(bytes.NewReader([]byte(v.text)))
	if err != nil {
		v.t.Fatal(err)
	}
	var in *form
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch n.Data {
		case "form":
			to, err := v.at.Parse(attr(n, "action"))
			if err != nil {
				v.t.Fatal(err)
			}
			v.forms = append(v.forms, form{Action: to.String(), Parts: attr(n, "enctype") == "multipart/form-data", Values: url.Values{}})
			in = &v.forms[len(v.forms)-1]
		case "input":
			if in != nil && attr(n, "name") != "" && attr(n, "type") != "checkbox" {
				in.Values.Set(attr(n, "name"), attr(n, "value"))
			}
		case "button":
			if in != nil && attr(n, "name") != "" {
				in.Buttons = append(in.Buttons, attr(n, "value"))
			}
		}
	}
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// words is the text a person reads on the page, a line for each block.
func (v *visitor) words() string {
	doc, err := html.Parse(strings.NewReader(v.text))
	if err != nil {
		return v.text
	}
	var b strings.Builder
	says(&b, doc)
	var lines []string
	for l := range strings.Lines(b.String()) {
		if l = strings.Join(strings.Fields(l), " "); l != "" {
			lines = append(lines, l)
		}
	}
	return strings.Join(lines, "\n")
}

func says(b *strings.Builder, n *html.Node) {
	switch n.Data {
	case "style", "script", "noscript", "template":
		return
	}
	if n.Type == html.TextNode {
		b.WriteString(strings.ReplaceAll(n.Data, "\n", " "))
	}
	for c := range n.ChildNodes() {
		says(b, c)
	}
	switch n.Data {
	case "p", "h1", "h2", "h3", "li", "dt", "dd", "button", "summary", "title", "label", "div", "section":
		b.WriteString("\n")
	}
}

// want fails the test unless the page answered so and says this.
func (v *visitor) want(code int, says string) {
	v.t.Helper()
	if v.code != code || !strings.Contains(v.words(), says) {
		v.t.Fatalf("%s answered %d, want %d with %q; it says:\n%s", v.at.Path[:min(3, len(v.at.Path))], v.code, code, says, v.words())
	}
}

// admission is the id in the address of a waiting room.
func (v *visitor) admission() string {
	a, ok := strings.CutPrefix(v.at.Path, "/a/")
	if !ok {
		v.t.Fatalf("not in a waiting room but at %.4s (%d): %s", v.at.Path, v.code, v.words())
	}
	return a
}

func (v *visitor) String() string { return fmt.Sprint(v.code, " ", v.at.Path) }
