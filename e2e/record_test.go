package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// record is everything that passed between a browser and the network, as the
// browser tells it: nothing here is asked of the house.
type record struct {
	mu      sync.Mutex
	asked   []asked          // guarded by mu; in order
	chains  map[string][]int // guarded by mu: request id to indexes in asked
	answers map[string]int   // guarded by mu: how many answers an id had
	cookies []given          // guarded by mu
	sockets []string         // guarded by mu: addresses of web sockets
	frames  int              // guarded by mu: frames of web sockets
	pieces  []piece          // guarded by mu: all that was sent and received
	wg      sync.WaitGroup   // bodies on their way
}

// asked is one request of a page.
type asked struct {
	Method, URL string
	Body        []byte
	Header      http.Header
}

// given is one Set-Cookie of a response.
type given struct{ From, Line string }

// piece is some text that was sent or received.
type piece struct {
	where string
	text  []byte
}

func newRecord() *record { return &record{chains: map[string][]int{}, answers: map[string]int{}} }

// follow records a page from now on.
func (r *record) follow(ctx context.Context) error {
	if err := chromedp.Listen(ctx, func(ev any) { r.note(ctx, ev) }); err != nil {
		return err
	}
	total, post, durable := int64(64<<20), int64(64<<10), true
	return chromedp.Do(ctx, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, network.Enable, network.EnableParams{
			MaxTotalBufferSize: &total, MaxPostDataSize: &post, EnableDurableMessages: &durable,
		})
		return err
	}))
}

func (r *record) note(ctx context.Context, ev any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch e := ev.(type) {
	case *network.EventRequestWillBeSent:
		a := asked{Method: e.Request.Method, URL: e.Request.URL + e.Request.URLFragment, Header: headers(e.Request.Headers)}
		for _, p := range e.Request.PostDataEntries {
			a.Body = append(a.Body, p.Bytes...)
		}
		r.chains[string(e.RequestID)] = append(r.chains[string(e.RequestID)], len(r.asked))
		r.asked = append(r.asked, a)
		r.keep("request to "+a.URL, a.Body, []byte(a.URL), flat(e.Request.Headers))
	case *network.EventRequestWillBeSentExtraInfo:
		r.keep("request headers", flat(e.Headers))
	case *network.EventResponseReceivedExtraInfo:
		r.answered(string(e.RequestID), e.Headers)
	case *network.EventLoadingFinished:
		r.wg.Go(func() { r.body(ctx, e.RequestID) })
	case *network.EventEventSourceMessageReceived:
		r.keep("event stream", []byte(e.Data))
	case *network.EventWebSocketCreated:
		r.sockets = append(r.sockets, e.URL)
		r.keep("web socket address", []byte(e.URL))
	case *network.EventWebSocketWillSendHandshakeRequest:
		r.keep("web socket request", flat(e.Request.Headers))
	case *network.EventWebSocketHandshakeResponseReceived:
		r.keep("web socket answer", flat(e.Response.Headers), []byte(e.Response.HeadersText))
	case *network.EventWebSocketFrameReceived:
		r.frames++
		r.keep("web socket frame received", e.Response.PayloadData)
	case *network.EventWebSocketFrameSent:
		r.frames++
		r.keep("web socket frame sent", e.Response.PayloadData)
	}
}

// answered notes an answer's headers. The answers of one request id come in the
// order of its redirects. The caller holds mu.
func (r *record) answered(id string, h network.Headers) {
	from := "?"
	if i := r.answers[id]; i < len(r.chains[id]) {
		from = r.asked[r.chains[id][i]].URL
	}
	r.answers[id]++
	r.keep("answer of "+from, flat(h))
	for name, v := range h {
		if strings.EqualFold(name, "set-cookie") {
			for line := range strings.SplitSeq(fmt.Sprint(v), "\n") {
				r.cookies = append(r.cookies, given{from, line})
			}
		}
	}
}

// body keeps the body of an answer that is complete.
func (r *record) body(ctx context.Context, id network.RequestID) {
	var got network.GetResponseBodyResult
	if err := chromedp.Do(ctx, chromedp.Func(func(ctx context.Context, t *chromedp.Target) (err error) {
		got, err = cdp.Call(ctx, t, network.GetResponseBody, network.GetResponseBodyParams{RequestID: id})
		return err
	})); err != nil {
		return // an answer without a body
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	where := "body"
	if c := r.chains[string(id)]; len(c) > 0 {
		where = "body of " + r.asked[c[len(c)-1]].URL
	}
	r.keep(where, got.Body)
}

// keep is called with mu held.
func (r *record) keep(where string, texts ...[]byte) {
	for _, t := range texts {
		if len(t) > 0 {
			r.pieces = append(r.pieces, piece{where, bytes.Clone(t)})
		}
	}
}

// took is a copy of what was recorded so far.
type took struct {
	Asked   []asked
	Cookies []given
	Sockets []string
	Frames  int
	Pieces  []piece
}

func (r *record) took() took {
	r.wg.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return took{slices.Clone(r.asked), slices.Clone(r.cookies), slices.Clone(r.sockets), r.frames, slices.Clone(r.pieces)}
}

// find returns every match of a pattern with where it stood.
func (k took) find(pattern string) []string {
	re := regexp.MustCompile(pattern)
	var found []string
	for _, p := range k.Pieces {
		for _, m := range re.FindAll(p.text, -1) {
			found = append(found, fmt.Sprintf("%s: %.60s", p.where, m))
		}
	}
	return found
}

func headers(h network.Headers) http.Header {
	out := http.Header{}
	for k, v := range h {
		out.Set(k, fmt.Sprint(v))
	}
	return out
}

func flat(h network.Headers) []byte {
	var b bytes.Buffer
	for _, k := range slices.Sorted(maps.Keys(h)) {
		fmt.Fprintf(&b, "%s: %v\n", k, h[k])
	}
	return b.Bytes()
}
