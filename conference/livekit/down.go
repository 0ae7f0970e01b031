package livekit

import (
	"bufio"
	"io"

	"vestibule/conference"
)

// down is the half from the server to the browser. Frames that need no change
// go from the buffer to the reader as they are.
type down struct {
	grants conference.Grants
	relay  func() conference.Relay
	br     *bufio.Reader
	// ready are bytes made here that were not handed out yet.
	ready []byte
	// rest is how much of the current frame is to be handed out as it comes.
	rest int64
	// message collects the fragments of one; nil when none is open.
	message []byte
	// bye is set once the browser was sent a close frame.
	bye bool
	err error
}

// readAhead holds the heads of frames. What is larger is read past it; the
// buffer stays with every silent connection.
const readAhead = 512

func (d *down) init(r io.Reader, g conference.Grants, relay func() conference.Relay) {
	if relay == nil {
		relay = func() conference.Relay { return conference.Relay{} }
	}
	d.grants, d.relay = g, relay
	d.br = bufio.NewReaderSize(r, readAhead)
}

// read fills p, and waits only while there is nothing at all.
func (d *down) read(p []byte) (n int, err error) {
	for n < len(p) {
		switch {
		case len(d.ready) > 0:
			c := copy(p[n:], d.ready)
			d.ready = d.ready[c:]
			n += c
		case d.err != nil:
			if n > 0 {
				return n, nil
			}
			return 0, d.err
		case d.rest > 0:
			if n > 0 && d.br.Buffered() == 0 {
				return n, nil
			}
			c, err := d.br.Read(p[n:min(int64(len(p)), int64(n)+d.rest)])
			n += c
			d.rest -= int64(c)
			d.err = err
		case n > 0 && !d.buffered():
			return n, nil
		default:
			d.err = d.next()
		}
	}
	return n, nil
}

// farewell queues a close frame unless a frame is half handed out or the
// browser has had one.
func (d *down) farewell(v *violation) bool {
	if d.bye || d.rest > 0 || len(d.ready) > 0 {
		return false
	}
	d.bye, d.ready, d.err = true, closeFrame(v), v
	return true
}

// buffered reports whether a whole frame is there.
func (d *down) buffered() bool {
	b, _ := d.br.Peek(min(d.br.Buffered(), maxHeader))
	h, ok, v := parseHeader(b)
	return v != nil || ok && int64(d.br.Buffered()) >= int64(h.length)+h.size
}

// head waits for the head of a frame and leaves it in the buffer.
func (d *down) head() (header, error) {
	for _, n := range [...]int{2, 4, 10} {
		b, err := d.br.Peek(n)
		if err != nil {
			return header{}, err
		}
		if b[1]&0x80 != 0 {
			return header{}, &violation{closeProtocol, "masked frame from the server"} // RFC 6455 §5.1
		}
		h, ok, v := parseHeader(b)
		if v != nil {
			return header{}, v
		}
		if ok {
			return h, nil
		}
	}
	return header{}, &violation{closeProtocol, "frame without end of its head"}
}

// next reads as much of a frame as tells what to do with it.
func (d *down) next() error {
	h, err := d.head()
	if err != nil {
		return err
	}
	whole := int64(h.length) + h.size
	switch {
	case d.bye:
		return io.EOF // RFC 6455 §5.5.1: nothing follows a close frame.
	case h.control():
		d.bye = h.op == opClose
		d.rest = whole
		return nil
	case h.op == opText:
		return &violation{closeUnsupported, "text signalling from the server"}
	case (h.op == opContinue) != (d.message != nil):
		return &violation{closeProtocol, "fragments out of order"}
	case int64(len(d.message))+h.size > maxResponse:
		return &violation{closeTooBig, "message of the server too long"}
	case h.op == opContinue || !h.fin:
		return d.collect(h)
	}
	b, err := d.br.Peek(h.length + int(min(h.size, firstBytes)))
	if err != nil {
		return err
	}
	switch judgeResponse(b[h.length:], h.size) {
	case pass:
		d.rest = whole
		return nil
	case change:
		return d.collect(h)
	default:
		_, err := d.br.Discard(int(whole))
		return err
	}
}

// collect takes a frame into message and, when that is complete, decides.
func (d *down) collect(h header) error {
	if _, err := d.br.Discard(h.length); err != nil {
		return err
	}
	at := len(d.message)
	d.message = append(d.message, make([]byte, h.size)...)
	if d.message == nil {
		d.message = []byte{} // an empty first fragment
	}
	if _, err := io.ReadFull(d.br, d.message[at:]); err != nil {
		return err
	}
	if !h.fin {
		return nil
	}
	m := d.message
	d.message = nil
	switch judgeResponse(m[:min(len(m), firstBytes)], int64(len(m))) {
	case drop:
		return nil
	case change:
		var v *violation
		if m, v = rewrite(m, d.grants, d.relay); v != nil {
			return v
		}
		if m == nil {
			return nil
		}
	}
	d.ready = append(appendHeader(nil, opBinary, len(m), nil), m...)
	return nil
}
