package conferencetest

import (
	"context"
	"crypto/rand"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"
)

// Fake is a small complete conference server with LiveKit's API and
// signalling and without media. Like the real one it lets every origin in,
// offers compression, echoes refused tokens, hands out refresh tokens and
// believes what a join request claims.
type Fake struct {
	// URL, Key and Secret are what livekit.Config asks for.
	URL, Key, Secret string

	received atomic.Int64
	wg       sync.WaitGroup
	mu       sync.Mutex
	rooms    map[string]map[string]*seat // guarded by mu; by room and identity
	requests []*http.Request             // guarded by mu
	signals  map[string][]proto.Message  // guarded by mu; by identity
}

// seat is one participant's connection.
type seat struct {
	name string // as the others see it; guarded by the Fake's mu
	// tracks are what the participant publishes; guarded by the Fake's mu.
	tracks []*livekit.TrackInfo
	send   chan *livekit.SignalResponse
	quit   context.CancelFunc
}

// NewFake starts a server on a free port of the loopback; it ends with the
// test.
func NewFake(tb testing.TB) *Fake {
	tb.Helper()
	f := &Fake{
		Key:     "fake" + rand.Text()[:8],
		Secret:  rand.Text() + rand.Text(),
		rooms:   map[string]map[string]*seat{},
		signals: map[string][]proto.Message{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/rtc", f.rtc)
	mux.HandleFunc("/rtc/v1", f.rtc)
	mux.HandleFunc("/rtc/validate", f.validate)
	mux.HandleFunc("/rtc/v1/validate", f.validate)
	mux.HandleFunc("POST /twirp/livekit.RoomService/{method}", f.api)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.requests = append(f.requests, r.Clone(context.WithoutCancel(r.Context())))
		f.mu.Unlock()
		mux.ServeHTTP(w, r)
	}))
	s.Listener = counted{s.Listener, &f.received}
	s.Start()
	f.URL = s.URL
	tb.Cleanup(func() {
		f.mu.Lock()
		for _, room := range f.rooms {
			for _, s := range room {
				s.quit()
			}
		}
		f.mu.Unlock()
		f.wg.Wait()
		s.Close()
	})
	return f
}

// Received is how many bytes have reached the server, on any connection.
func (f *Fake) Received() int64 { return f.received.Load() }

// Requests are the requests that have reached the server, bodies apart.
func (f *Fake) Requests() []*http.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.requests)
}

// Signals are the messages that have reached the server from a participant,
// beginning with the join request, pings apart.
func (f *Fake) Signals(admission string) []proto.Message {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.signals[admission])
}

// Inside lists who is in the room.
func (f *Fake) Inside(room string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var ids []string
	for id := range f.rooms[room] {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// Name returns what the others see of somebody in the room.
func (f *Fake) Name(room, admission string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.rooms[room][admission]; s != nil {
		return s.name
	}
	return ""
}

// Heard reports whether somebody in the room publishes sound that is not muted.
func (f *Fake) Heard(room, admission string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.rooms[room][admission]
	return s != nil && slices.ContainsFunc(s.tracks, func(t *livekit.TrackInfo) bool { return t.Type == livekit.TrackType_AUDIO && !t.Muted })
}

// Say sends a participant a message, as the server might at any time.
func (f *Fake) Say(room, admission string, r *livekit.SignalResponse) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.rooms[room][admission]
	return s != nil && s.say(r)
}

func (s *seat) say(r *livekit.SignalResponse) bool {
	select {
	case s.send <- r:
		return true
	default:
		s.quit() // who does not read is sent away
		return false
	}
}

// token is what LiveKit reads of one.
type token struct {
	jwt.Claims
	Name  string `json:"name"`
	Video struct {
		Room       string `json:"room"`
		RoomJoin   bool   `json:"roomJoin"`
		RoomAdmin  bool   `json:"roomAdmin"`
		RoomCreate bool   `json:"roomCreate"`
	} `json:"video"`
}

// admit reads the token of a request; on a bad one it answers as LiveKit
// does, with the token.
func (f *Fake) admit(w http.ResponseWriter, r *http.Request) (token, bool) {
	raw, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !bearer {
		raw = r.URL.Query().Get("access_token")
	}
	var c token
	parsed, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.HS256})
	if err == nil {
		err = parsed.Claims([]byte(f.Secret), &c)
	}
	if err == nil {
		err = c.ValidateWithLeeway(jwt.Expected{Issuer: f.Key, Time: time.Now()}, time.Minute)
	}
	if err != nil {
		http.Error(w, "invalid token: "+raw, http.StatusUnauthorized)
		return c, false
	}
	return c, true
}

func (f *Fake) validate(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	c, ok := f.admit(w, r)
	if ok && f.enterable(w, r, c) {
		_, _ = io.WriteString(w, "success")
	}
}

func (f *Fake) enterable(w http.ResponseWriter, r *http.Request, c token) bool {
	f.mu.Lock()
	_, found := f.rooms[c.Video.Room]
	f.mu.Unlock()
	switch {
	case !c.Video.RoomJoin || c.Subject == "":
		http.Error(w, "permissions denied", http.StatusUnauthorized)
	case strings.HasPrefix(r.URL.Path, "/rtc/v1") && r.URL.Query().Get("join_request") == "":
		http.Error(w, "join_request is required", http.StatusBadRequest)
	case !found:
		http.Error(w, "requested room does not exist", http.StatusNotFound)
	default:
		return true
	}
	return false
}

// counted counts the bytes that come in.
type counted struct {
	net.Listener
	n *atomic.Int64
}

func (l counted) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return countedConn{c, l.n}, nil
}

type countedConn struct {
	net.Conn
	n *atomic.Int64
}

func (c countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// rtc is the signalling of one participant from its beginning to its end.
func (f *Fake) rtc(w http.ResponseWriter, r *http.Request) {
	c, ok := f.admit(w, r)
	if !ok || !f.enterable(w, r, c) {
		return
	}
	f.wg.Add(1)
	defer f.wg.Done()
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		InsecureSkipVerify: true, CompressionMode: websocket.CompressionContextTakeover,
	})
	if err != nil {
		return
	}
	defer conn.CloseNow()
	conn.SetReadLimit(4 << 20)
	ctx, quit := context.WithCancel(context.WithoutCancel(r.Context()))
	defer quit()
	s := &seat{name: c.Name, send: make(chan *livekit.SignalResponse, 64), quit: quit}
	if !f.sit(c, s, r) {
		return
	}
	defer f.rise(c, s)
	f.wg.Add(1)
	go func() {
		defer f.wg.Done()
		defer quit()
		f.listen(ctx, conn, c.Subject, s)
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-s.send:
			b, err := proto.Marshal(m)
			if err != nil || conn.Write(ctx, websocket.MessageBinary, b) != nil {
				return
			}
			if m.GetLeave() != nil {
				_ = conn.Close(websocket.StatusNormalClosure, "")
				return
			}
		}
	}
}
