package conferencetest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/go-jose/go-jose/v4"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"vestibule/conference"
)

// LiveKit returns the bench for a LiveKit backend whose server has this key
// pair.
func LiveKit(b conference.Backend, key, secret string) Bench {
	return Bench{
		Backend: b,
		Join: func(ctx context.Context, origin, forged string) (Member, error) {
			return JoinLiveKit(ctx, origin, forged)
		},
		Token: func(g conference.Grants) string {
			return Token(key, secret, jose.HS256, time.Now().Add(time.Minute), g)
		},
		Paths: map[string]conference.Kind{
			"/rtc":             conference.Signal,
			"/rtc/v1":          conference.Signal,
			"/rtc/validate":    conference.Page,
			"/rtc/v1/validate": conference.Page,
		},
	}
}

// Client is a browser as LiveKit's own client would behave, without media.
type Client struct {
	conn *websocket.Conn
	join *livekit.JoinResponse
	done chan struct{} // closed when the connection has ended
	pong chan struct{}

	mu    sync.Mutex
	token string             // guarded by mu
	leave string             // guarded by mu; why the server sent one away
	err   error              // guarded by mu; what ended the connection
	seen  map[string]int     // guarded by mu; responses by type
	stop  context.CancelFunc // ends the reading
}

// JoinRequest packs a join request as livekit-client does.
func JoinRequest(j *livekit.JoinRequest) string {
	raw, err := proto.Marshal(j)
	if err != nil {
		panic(err)
	}
	w, err := proto.Marshal(&livekit.WrappedJoinRequest{JoinRequest: raw})
	if err != nil {
		panic(err)
	}
	return base64.URLEncoding.EncodeToString(w)
}

// JoinLiveKit joins at /rtc/v1 of the origin. The token goes where browsers
// put theirs; "" puts the placeholder "door" there.
func JoinLiveKit(ctx context.Context, origin, token string) (*Client, error) {
	if token == "" {
		token = "door"
	}
	q := url.Values{"access_token": {token}, "join_request": {JoinRequest(&livekit.JoinRequest{
		ClientInfo:         &livekit.ClientInfo{Sdk: livekit.ClientInfo_JS, Protocol: 16, Version: "2.23.0"},
		ConnectionSettings: &livekit.ConnectionSettings{AutoSubscribe: true},
	})}}
	return DialLiveKit(ctx, origin+"/rtc/v1?"+q.Encode(), http.Header{"Authorization": {"Bearer " + token}})
}

// DialLiveKit joins at the address and waits for the answer.
func DialLiveKit(ctx context.Context, address string, h http.Header) (*Client, error) {
	conn, res, err := websocket.Dial(ctx, strings.Replace(address, "http", "ws", 1), &websocket.DialOptions{
		HTTPHeader:      h,
		CompressionMode: websocket.CompressionContextTakeover, // browsers offer it
	})
	if err != nil {
		if res != nil {
			return nil, &StatusError{res.StatusCode}
		}
		return nil, fmt.Errorf("dialling: %w", err)
	}
	conn.SetReadLimit(8 << 20)
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	c := &Client{
		conn: conn, stop: stop, done: make(chan struct{}), pong: make(chan struct{}, 1),
		seen: map[string]int{},
	}
	joined := make(chan *livekit.JoinResponse, 1)
	go c.read(run, joined)
	select {
	case c.join = <-joined:
		return c, nil
	case <-c.done:
		stop()
		return nil, fmt.Errorf("joining: %w", c.Err())
	case <-ctx.Done():
		c.Leave()
		return nil, ctx.Err()
	}
}

// StatusError is the answer to a web socket that was not opened.
type StatusError struct{ Status int }

// Error implements error.
func (e *StatusError) Error() string { return "dialling: status " + http.StatusText(e.Status) }

func (c *Client) read(ctx context.Context, joined chan<- *livekit.JoinResponse) {
	defer close(c.done)
	for {
		_, b, err := c.conn.Read(ctx)
		if err != nil {
			c.mu.Lock()
			c.err = err
			c.mu.Unlock()
			return
		}
		var m livekit.SignalResponse
		if err := proto.Unmarshal(b, &m); err != nil {
			continue
		}
		c.note(&m, joined)
	}
}

func (c *Client) note(m *livekit.SignalResponse, joined chan<- *livekit.JoinResponse) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[fmt.Sprintf("%T", m.Message)]++
	switch r := m.Message.(type) {
	case *livekit.SignalResponse_Join:
		select {
		case joined <- r.Join:
		default:
		}
	case *livekit.SignalResponse_RefreshToken:
		c.token = r.RefreshToken
	case *livekit.SignalResponse_Leave:
		c.leave = r.Leave.GetReason().String()
	case *livekit.SignalResponse_Pong, *livekit.SignalResponse_PongResp:
		select {
		case c.pong <- struct{}{}:
		default:
		}
	}
}

// Seen is how many messages of the given one's kind the server sent.
func (c *Client) Seen(of any) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[fmt.Sprintf("%T", of)]
}

// Join is the server's answer.
func (c *Client) Join() *livekit.JoinResponse { return c.join }

// Identity implements Member.
func (c *Client) Identity() (room, admission string) {
	return c.join.GetRoom().GetName(), c.join.GetParticipant().GetIdentity()
}

// Relay implements Member.
func (c *Client) Relay() conference.Relay {
	s := c.join.GetIceServers()
	if len(s) != 1 || c.join.GetClientConfiguration().GetForceRelay() != livekit.ClientConfigSetting_ENABLED {
		return conference.Relay{}
	}
	return conference.Relay{URLs: s[0].Urls, Username: s[0].Username, Credential: s[0].Credential}
}

// Token implements Member.
func (c *Client) Token() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.token
}

// Err is what ended the connection.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Reason is what the server said when it sent one away.
func (c *Client) Reason() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.leave
}

// Send sends one request.
func (c *Client) Send(ctx context.Context, r *livekit.SignalRequest) error {
	b, err := proto.Marshal(r)
	if err != nil {
		return fmt.Errorf("encoding: %w", err)
	}
	return c.conn.Write(ctx, websocket.MessageBinary, b)
}

// Write sends bytes as one message.
func (c *Client) Write(ctx context.Context, t websocket.MessageType, b []byte) error {
	return c.conn.Write(ctx, t, b)
}

// Ping implements Member.
func (c *Client) Ping(ctx context.Context) error {
	if err := c.Send(ctx, &livekit.SignalRequest{Message: &livekit.SignalRequest_Ping{Ping: time.Now().UnixMilli()}}); err != nil {
		return err
	}
	select {
	case <-c.pong:
		return nil
	case <-c.done:
		return errors.New("the connection ended instead")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Gone implements Member.
func (c *Client) Gone(ctx context.Context) error {
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Leave implements Member.
func (c *Client) Leave() {
	c.stop()
	_ = c.conn.CloseNow()
	<-c.done
}
