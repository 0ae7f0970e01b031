package room

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"
)

// trust has the conference client dial with a dialer of ours, which believes
// the given authorities, or the system's. The client uses its library's one
// dialer and takes no other: so there is one answer a process, as there is one
// conference server.
func trust(roots *x509.CertPool) {
	if roots != nil {
		dialer().Store(roots)
	} else {
		dialer()
	}
}

// dialer replaces the library's, once a process, and returns whom it trusts.
var dialer = sync.OnceValue(func() *atomic.Pointer[x509.CertPool] {
	roots := &atomic.Pointer[x509.CertPool]{}
	d := *websocket.DefaultDialer
	d.Proxy = nil // what the environment says is for going out, not in
	d.NetDialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, address)
		return wired(ctx, c, err)
	}
	d.NetDialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		t := tls.Dialer{Config: &tls.Config{RootCAs: roots.Load(), MinVersion: tls.VersionTLS12}}
		c, err := t.DialContext(ctx, network, address)
		return wired(ctx, c, err)
	}
	websocket.DefaultDialer = &d
	return roots
})

// wire is the door's own signalling with the conference server. It leaves out
// whom a participant is told to ask for their own address: the door is inside
// and reaches the media directly. Who asks a server that does not answer waits
// five seconds for it at every beginning, and the conference client is deaf to
// the other side's new addresses meanwhile.
type wire struct {
	net.Conn
	r *bufio.Reader // only one reads at a time, as of any web socket
	// ready is what was looked at and not yet handed out.
	ready []byte
	step  step
	// hurried: the first message is being waited for.
	hurried bool
	// deaf has the wire not end with the stay any more.
	deaf func() bool
}

// step is how far a wire has been looked at.
type step uint8

const (
	opening step = iota // the answer to the upgrade
	greeted             // up to the first message, which names those servers
	through             // the rest is none of our business
)

func wired(ctx context.Context, c net.Conn, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	w := &wire{Conn: c, r: bufio.NewReader(c), deaf: func() bool { return true }}
	if life, ok := ctx.Value(whole{}).(context.Context); ok {
		w.deaf = context.AfterFunc(life, func() { _ = c.Close() })
	}
	return w, nil
}

// whole is the key of the context of a caller's whole stay within the contexts of
// single connections. Those end with the upgrade, and the client waits for the
// first message without any: so the wire itself ends with the stay.
type whole struct{}

// stay is a context that the wires dialled with it end with.
func stay(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	return context.WithValue(ctx, whole{}, ctx), cancel
}

// Close implements net.Conn.
func (w *wire) Close() error {
	w.deaf()
	return w.Conn.Close()
}

// Read implements net.Conn.
func (w *wire) Read(p []byte) (int, error) {
	for len(w.ready) == 0 && w.step != through {
		var err error
		if w.step == opening {
			err = w.open()
		} else {
			err = w.greet()
		}
		if err != nil {
			return 0, err
		}
	}
	if len(w.ready) > 0 {
		n := copy(p, w.ready)
		w.ready = w.ready[n:]
		return n, nil
	}
	return w.r.Read(p)
}

// open reads a line of the answer to the upgrade.
func (w *wire) open() error {
	line, err := w.r.ReadSlice('\n')
	if err != nil && len(line) == 0 {
		return err
	}
	w.ready = append(w.ready, line...)
	switch {
	case len(bytes.TrimSpace(line)) == 0:
		w.step = greeted
	case bytes.HasPrefix(line, []byte("HTTP/")) && !bytes.Contains(line, []byte(" 101 ")):
		w.step = through
	}
	return nil
}

// What of a frame is looked at (RFC 6455 §5.2).
const (
	finalBinary = 0x82
	control     = 0x08
	// greeting bounds the first message: it lists everybody in the room.
	greeting = 4 << 20
	// greetTime is how long it may take. The client itself would wait for it
	// for good, when it reconnects to a server that froze right after the
	// upgrade.
	greetTime = 10 * time.Second
)

// greet reads a frame, and ends the looking at the first that is of a message.
func (w *wire) greet() error {
	if !w.hurried {
		w.hurried = true
		if err := w.SetReadDeadline(time.Now().Add(greetTime)); err != nil {
			return err
		}
	}
	defer func() {
		if w.step == through {
			_ = w.SetReadDeadline(time.Time{}) // what cannot be set has ended
		}
	}()
	head, size, err := w.head()
	if err != nil {
		return err
	}
	w.ready = append(w.ready, head...)
	whole := head[0]&control == 0
	if whole {
		w.step = through
	}
	if whole && head[0] != finalBinary || size > greeting {
		w.step = through
		return nil
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(w.r, b); err != nil {
		return err
	}
	if whole {
		w.ready, b = w.ready[:0], directly(b)
		w.ready = framed(w.ready, len(b))
	}
	w.ready = append(w.ready, b...)
	return nil
}

// head reads that of a frame of the server, which is never masked.
func (w *wire) head() (head []byte, size uint64, err error) {
	head = make([]byte, 2, 10)
	if _, err := io.ReadFull(w.r, head); err != nil {
		return nil, 0, err
	}
	size = uint64(head[1])
	long := map[byte]int{126: 2, 127: 8}[head[1]]
	if long == 0 {
		return head, size, nil
	}
	head = head[:2+long]
	if _, err := io.ReadFull(w.r, head[2:]); err != nil {
		return nil, 0, err
	}
	if long == 2 {
		return head, uint64(binary.BigEndian.Uint16(head[2:])), nil
	}
	return head, binary.BigEndian.Uint64(head[2:]), nil
}

// framed appends the head of a frame that is a message of n bytes.
func framed(b []byte, n int) []byte {
	switch {
	case n < 126:
		return append(b, finalBinary, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, finalBinary, 126), uint16(n))
	}
	return binary.BigEndian.AppendUint64(append(b, finalBinary, 127), uint64(n))
}

// directly is the first message without servers to ask.
func directly(b []byte) []byte {
	var m livekit.SignalResponse
	if proto.Unmarshal(b, &m) != nil {
		return b
	}
	switch first := m.Message.(type) {
	case *livekit.SignalResponse_Join:
		first.Join.IceServers = nil
	case *livekit.SignalResponse_Reconnect:
		first.Reconnect.IceServers = nil
	default:
		return b
	}
	changed, err := proto.Marshal(&m)
	if err != nil {
		return b
	}
	return changed
}
