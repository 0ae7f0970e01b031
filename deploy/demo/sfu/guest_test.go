package sfu_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	lk "github.com/livekit/protocol/livekit"
	"github.com/pion/rtp"
	"github.com/pion/transport/v4"
	"github.com/pion/transport/v4/stdnet"
	"github.com/pion/webrtc/v4"
	"google.golang.org/protobuf/proto"

	"vestibule/meeting"
)

// guest is somebody inside, with a client that obeys nobody: it is told to
// leave and sends on. What it sends is counted, so that whoever hears it knows
// what was lost on the way.
type guest struct {
	t         *testing.T
	at        *node
	meeting   meeting.ID
	admission string
	device    string
	pass      string
	ticket    string // spent
	number    uint32

	ws     *websocket.Conn
	line   meter         // everything that came by the web socket's connection
	ended  chan struct{} // closed with the web socket
	events chan struct{} // closed with the stream of events
	cause  error         // of its end; read after
	hangUp func()        // gives up the events
	media  meter         // what the relay brought: data, not its own answers
	relay  webrtc.ICEServer
	kind   string // of the relay's address in use

	writing  sync.Mutex
	pub, sub *webrtc.PeerConnection
	ready    chan struct{} // closed when the publisher is connected
	done     chan struct{}
	work     sync.WaitGroup

	mu    sync.Mutex
	heard map[uint32]*hearing // by the number of who speaks; guarded by mu
}

// hearing is what arrived of one speaker.
type hearing struct {
	last  time.Time
	next  uint32
	lost  int32
	count int
}

// meter notes when something last came, and how often.
type meter struct{ last, count atomic.Int64 }

func (m *meter) note() {
	m.last.Store(time.Now().UnixNano())
	m.count.Add(1)
}

// since is how long after a moment something last came; less than none: before.
func (m *meter) since(t time.Time) time.Duration { return time.Duration(m.last.Load() - t.UnixNano()) }

// metered is a connection whose arrivals are noted.
type metered struct {
	net.Conn
	m     *meter
	media bool // count the relay's data alone
}

func (c metered) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && (!c.media || carries(p[:n])) {
		c.m.note()
	}
	return n, err
}

// carries reports whether what the relay sent is data (RFC 8656 §12.4, §11.6).
// On a stream the reader asks for a head first, so that a head begins a read.
func carries(p []byte) bool {
	return len(p) >= 2 && (p[0]&0xC0 == 0x40 || p[0] == 0 && p[1] == 0x17)
}

// wires is the network of one guest.
type wires struct {
	*stdnet.Net
	m *meter
}

// ListenPacket implements transport.Net.
func (w wires) ListenPacket(network, address string) (net.PacketConn, error) {
	c, err := w.Net.ListenPacket(network, address)
	if err != nil {
		return nil, err
	}
	if u, ok := c.(interface{ SetReadBuffer(int) error }); ok {
		_ = u.SetReadBuffer(1 << 20) // as much as the system gives
	}
	return packets{c, w.m}, nil
}

type packets struct {
	net.PacketConn
	m *meter
}

// ReadFrom implements net.PacketConn.
func (c packets) ReadFrom(p []byte) (int, net.Addr, error) {
	n, from, err := c.PacketConn.ReadFrom(p)
	if n > 0 && carries(p[:n]) {
		c.m.note()
	}
	return n, from, err
}

var _ transport.Net = wires{}

// streams dials the relay's TCP and TLS addresses.
type streams struct {
	at *node
	m  *meter
}

// Dial implements proxy.Dialer.
func (s streams) Dial(_, address string) (net.Conn, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	if address == s.at.Turn.Addrs().TLS[0].String() {
		c = tls.Client(c, s.at.tls("127.0.0.1"))
	}
	return metered{c, s.m, true}, nil
}

// dial opens the signalling and answers the status where the door says no.
func (g *guest) dial(ctx context.Context, cookie bool, token string) (*websocket.Conn, int) {
	header := http.Header{"Origin": {roomOrigin}}
	if cookie {
		header.Set("Cookie", "__Host-room="+g.pass)
	}
	client := g.at.client("http/1.1", &g.line)
	c, res, err := websocket.Dial(ctx, "wss"+strings.TrimPrefix(roomOrigin, "https")+"/rtc?protocol=15&auto_subscribe=1&sdk=go&access_token="+token,
		&websocket.DialOptions{HTTPClient: client, HTTPHeader: header})
	if err != nil && res == nil {
		return nil, 0
	}
	if err != nil {
		return nil, res.StatusCode
	}
	c.SetReadLimit(1 << 20)
	return c, res.StatusCode
}

// joins takes the guest into the meeting, and returns when they speak.
func (g *guest) joins(kind string) error {
	g.kind = kind
	g.ready, g.done, g.ended, g.events = make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan struct{})
	g.heard = map[uint32]*hearing{}
	c, code := g.dial(g.t.Context(), true, "door")
	if c == nil {
		return refused(code)
	}
	g.ws = c
	first, err := g.read()
	if err != nil {
		return err
	}
	for _, s := range first.GetJoin().GetIceServers() {
		for _, u := range s.Urls {
			if g.uses(u) {
				g.relay = webrtc.ICEServer{URLs: []string{u}, Username: s.Username, Credential: s.Credential}
			}
		}
	}
	if err := g.connect(); err != nil {
		return err
	}
	g.work.Go(func() { g.listen() })
	ctx, hangUp := context.WithCancel(context.WithoutCancel(g.t.Context()))
	g.hangUp = hangUp
	g.work.Go(func() { g.follow(ctx) })
	select {
	case <-g.ready:
		return nil
	case <-time.After(30 * time.Second):
		return refused(0)
	}
}

type refused int

func (r refused) Error() string { return "the door answers " + strconv.Itoa(int(r)) }

// uses reports whether an address of the relay is of the guest's kind.
func (g *guest) uses(u string) bool {
	switch g.kind {
	case "tls":
		return strings.HasPrefix(u, "turns:")
	case "tcp":
		return strings.HasPrefix(u, "turn:") && strings.HasSuffix(u, "transport=tcp")
	default:
		return strings.HasPrefix(u, "turn:") && !strings.HasSuffix(u, "transport=tcp")
	}
}

// connect makes both peer connections, through the relay alone.
func (g *guest) connect() error {
	base, err := stdnet.NewNet()
	if err != nil {
		return err
	}
	var s webrtc.SettingEngine
	s.SetNet(wires{base, &g.media})
	s.SetICEProxyDialer(streams{g.at, &g.media})
	m := &webrtc.MediaEngine{}
	if err := m.RegisterCodec(webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2}, PayloadType: 111,
	}, webrtc.RTPCodecTypeAudio); err != nil {
		return err
	}
	api := webrtc.NewAPI(webrtc.WithSettingEngine(s), webrtc.WithMediaEngine(m))
	c := webrtc.Configuration{ICEServers: []webrtc.ICEServer{g.relay}, ICETransportPolicy: webrtc.ICETransportPolicyRelay}
	if g.pub, err = api.NewPeerConnection(c); err != nil {
		return err
	}
	if g.sub, err = api.NewPeerConnection(c); err != nil {
		return err
	}
	for target, pc := range map[lk.SignalTarget]*webrtc.PeerConnection{lk.SignalTarget_PUBLISHER: g.pub, lk.SignalTarget_SUBSCRIBER: g.sub} {
		pc.OnICECandidate(func(c *webrtc.ICECandidate) {
			if c == nil {
				return
			}
			b, _ := json.Marshal(c.ToJSON()) // of strings
			g.say(&lk.SignalRequest{Message: &lk.SignalRequest_Trickle{Trickle: &lk.TrickleRequest{CandidateInit: string(b), Target: target}}})
		})
	}
	g.sub.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		for {
			p, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			g.hears(p.Payload)
		}
	})
	return g.publish()
}

// publish asks to speak. The server's answer has the offer sent.
func (g *guest) publish() error {
	track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2}, "voice", "voice")
	if err != nil {
		return err
	}
	if _, err := g.pub.AddTrack(track); err != nil {
		return err
	}
	var once sync.Once
	g.pub.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		if s == webrtc.PeerConnectionStateConnected {
			once.Do(func() {
				g.work.Go(func() { g.speak(track) })
				close(g.ready)
			})
		}
	})
	g.say(&lk.SignalRequest{Message: &lk.SignalRequest_AddTrack{AddTrack: &lk.AddTrackRequest{
		Cid: "voice", Name: "voice", Type: lk.TrackType_AUDIO, Source: lk.TrackSource_MICROPHONE, AudioFeatures: []lk.AudioTrackFeature{lk.AudioTrackFeature_TF_NO_DTX}, DisableRed: true,
	}}})
	return nil
}

// pace is how often a guest sends.
const pace = 40 * time.Millisecond

// speak sends packets that say who sends them and which one it is.
func (g *guest) speak(track *webrtc.TrackLocalStaticRTP) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for n := uint32(1); ; n++ {
		select {
		case <-g.done:
			return
		case <-tick.C:
		}
		b := make([]byte, 80)
		b[0] = 0xFC // Opus, one frame of 20 ms
		binary.BigEndian.PutUint32(b[1:], g.number)
		binary.BigEndian.PutUint32(b[5:], n)
		_ = track.WriteRTP(&rtp.Packet{
			Header: rtp.Header{Version: 2, SequenceNumber: uint16(n), Timestamp: n * 48 * uint32(pace.Milliseconds())}, Payload: b,
		})
	}
}

func (g *guest) hears(b []byte) {
	if len(b) < 9 {
		return
	}
	who, n := binary.BigEndian.Uint32(b[1:]), binary.BigEndian.Uint32(b[5:])
	g.mu.Lock()
	defer g.mu.Unlock()
	h := g.heard[who]
	if h == nil {
		h = &hearing{next: n}
		g.heard[who] = h
	}
	if n >= h.next {
		h.lost += int32(n - h.next)
		h.next = n + 1
	} else {
		h.lost-- // late, not lost
	}
	h.last = time.Now()
	h.count++
}

// of answers what was heard of somebody.
func (g *guest) of(who uint32) hearing {
	g.mu.Lock()
	defer g.mu.Unlock()
	if h := g.heard[who]; h != nil {
		return *h
	}
	return hearing{}
}

func (g *guest) say(m *lk.SignalRequest) {
	b, _ := proto.Marshal(m) // of our own making
	g.writing.Lock()
	defer g.writing.Unlock()
	_ = g.ws.Write(context.WithoutCancel(g.t.Context()), websocket.MessageBinary, b) // listen sees its end
}

func (g *guest) read() (*lk.SignalResponse, error) {
	_, b, err := g.ws.Read(context.WithoutCancel(g.t.Context()))
	if err != nil {
		return nil, err
	}
	m := &lk.SignalResponse{}
	return m, proto.Unmarshal(b, m)
}

// listen does what signalling needs and ignores that it was told to leave.
func (g *guest) listen() {
	defer close(g.ended)
	var early [2][]webrtc.ICECandidateInit
	add := func(pc *webrtc.PeerConnection, i int) {
		for _, c := range early[i] {
			_ = pc.AddICECandidate(c)
		}
		early[i] = nil
	}
	for {
		m, err := g.read()
		if err != nil {
			return
		}
		switch m := m.Message.(type) {
		case *lk.SignalResponse_TrackPublished:
			offer, err := g.pub.CreateOffer(nil)
			if err == nil && g.pub.SetLocalDescription(offer) == nil {
				g.say(&lk.SignalRequest{Message: &lk.SignalRequest_Offer{Offer: &lk.SessionDescription{Type: "offer", Sdp: offer.SDP}}})
			}
		case *lk.SignalResponse_Answer:
			_ = g.pub.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: m.Answer.Sdp})
			add(g.pub, 0)
		case *lk.SignalResponse_Offer:
			_ = g.sub.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: m.Offer.Sdp})
			add(g.sub, 1)
			answer, err := g.sub.CreateAnswer(nil)
			if err == nil && g.sub.SetLocalDescription(answer) == nil {
				g.say(&lk.SignalRequest{Message: &lk.SignalRequest_Answer{Answer: &lk.SessionDescription{Type: "answer", Sdp: answer.SDP, Id: m.Offer.Id}}})
			}
		case *lk.SignalResponse_Trickle:
			var c webrtc.ICECandidateInit
			if json.Unmarshal([]byte(m.Trickle.CandidateInit), &c) != nil {
				continue
			}
			pc, i := g.pub, 0
			if m.Trickle.Target == lk.SignalTarget_SUBSCRIBER {
				pc, i = g.sub, 1
			}
			if pc.RemoteDescription() == nil {
				early[i] = append(early[i], c)
			} else {
				_ = pc.AddICECandidate(c)
			}
		}
	}
}

// follow reads the room's events by HTTP/2 until they end.
func (g *guest) follow(ctx context.Context) {
	defer close(g.events)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, roomOrigin+"/-/events", nil)
	if err != nil {
		return
	}
	req.Header.Set("Cookie", "__Host-room="+g.pass)
	client := g.at.client("h2", &meter{})
	res, err := client.Do(req)
	if err != nil {
		g.t.Errorf("the room's events: %v", err)
		return
	}
	defer res.Body.Close()
	if res.ProtoMajor != 2 {
		g.t.Errorf("the room's events come by %s", res.Proto)
	}
	_, g.cause = io.Copy(io.Discard, res.Body) // until they end
}

// leaves ends the client.
func (g *guest) leaves() {
	select {
	case <-g.done:
		return
	default:
		close(g.done)
	}
	if g.hangUp != nil {
		g.hangUp()
	}
	if g.ws != nil {
		_ = g.ws.CloseNow()
	}
	for _, pc := range []*webrtc.PeerConnection{g.pub, g.sub} {
		if pc != nil {
			_ = pc.Close()
		}
	}
	g.at.forget()
	g.work.Wait()
}
