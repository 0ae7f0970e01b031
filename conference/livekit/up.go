package livekit

import (
	"io"

	"vestibule/conference"
)

// up is the half from the browser to the server. What may pass is written on
// from the very slice it came in.
type up struct {
	grants conference.Grants
	w      io.Writer
	// head holds the beginning of a frame until there is enough to judge it.
	head  [maxHeader + firstBytes]byte
	nhead int
	// frame is the current one, of whose payload rest bytes are to come.
	frame header
	rest  int64
	fate  fate
	// message collects, unmasked, the fragments of one; nil when none is
	// open.
	message []byte
}

// fate is what becomes of the rest of a frame.
type fate uint8

const (
	forget fate = iota
	forward
	gather
)

func (u *up) init(w io.Writer, g conference.Grants) { u.w, u.grants = w, g }

// write passes on what of p may pass. start to i is the stretch of p that may
// and is not written yet.
func (u *up) write(p []byte) error {
	start := 0
	for i := 0; i < len(p); {
		if u.rest == 0 && u.nhead == 0 {
			n, err := u.begin(p[i:])
			if err != nil {
				return firstError(u.flush(p[start:i]), err)
			}
			if n > 0 && u.fate == forward {
				i += n
				continue
			}
			if err := u.flush(p[start:i]); err != nil {
				return err
			}
			if n == 0 {
				n = copy(u.head[:], p[i:])
				u.nhead = n
			} else if err := u.take(p[i+u.frame.length : i+n]); err != nil {
				return err
			}
			i += n
			start = i
			continue
		}
		if u.rest == 0 {
			n, err := u.resume(p[i:])
			if err != nil {
				return err
			}
			i += n
			start = i
			continue
		}
		n := int(min(u.rest, int64(len(p)-i)))
		u.rest -= int64(n)
		i += n
		if u.fate == forward {
			continue
		}
		if err := u.take(p[i-n : i]); err != nil {
			return err
		}
		start = i
	}
	return u.flush(p[start:])
}

// resume completes a head that came in pieces, of which all bytes so far are
// in head. It returns how much of p it used.
func (u *up) resume(p []byte) (int, error) {
	had := u.nhead
	c := copy(u.head[had:], p)
	n, err := u.begin(u.head[:had+c])
	if err != nil {
		return 0, err
	}
	if n == 0 {
		u.nhead += c
		return c, nil
	}
	u.nhead = 0
	if u.fate == forward {
		return n - had, u.flush(u.head[:n])
	}
	return n - had, u.take(u.head[u.frame.length:n])
}

// begin judges the frame that b begins with and returns how much of b that
// took, 0 when b is too short to say.
func (u *up) begin(b []byte) (int, error) {
	h, ok, v := parseHeader(b)
	if v != nil {
		return 0, v
	}
	if len(b) >= 2 && b[1]&0x80 == 0 {
		return 0, &violation{closeProtocol, "unmasked frame from the browser"} // RFC 6455 §5.1
	}
	if !ok {
		return 0, nil
	}
	n := h.length + int(min(h.size, firstBytes))
	if len(b) < n {
		return 0, nil
	}
	f, err := u.judge(h, b[h.length:n])
	if err != nil {
		return 0, err
	}
	u.frame, u.fate = h, f
	u.rest = h.size - int64(n-h.length)
	return n, nil
}

// judge decides on a frame whose payload begins with the masked bytes first.
func (u *up) judge(h header, first []byte) (fate, error) {
	switch {
	case h.control():
		return forward, nil
	case h.op == opText:
		return forget, &violation{closeUnsupported, "text signalling from the browser"}
	case (h.op == opContinue) != (u.message != nil):
		return forget, &violation{closeProtocol, "fragments out of order"}
	case int64(len(u.message))+h.size > maxRequest:
		return forget, &violation{closeTooBig, "message of the browser too long"}
	case h.op == opContinue:
		return gather, nil
	case !h.fin:
		u.message = []byte{}
		return gather, nil
	}
	var plain [firstBytes]byte
	c := plain[:copy(plain[:], first)]
	xor(c, h.mask, 0)
	d, v := judgeRequest(c, h.size, u.grants)
	switch {
	case v != nil:
		return forget, v
	case d == pass:
		return forward, nil
	default:
		return forget, nil
	}
}

// take deals with payload that is not forwarded as it is: b, after which rest
// bytes of the frame are to come.
func (u *up) take(b []byte) error {
	if u.fate != gather {
		return nil
	}
	at := len(u.message)
	u.message = append(u.message, b...)
	xor(u.message[at:], u.frame.mask, int(u.frame.size-u.rest)-len(b))
	if u.rest > 0 || !u.frame.fin {
		return nil
	}
	m := u.message
	u.message = nil
	d, v := judgeRequest(m[:min(len(m), firstBytes)], int64(len(m)), u.grants)
	if v != nil {
		return v
	}
	if d != pass {
		return nil
	}
	out := appendHeader(make([]byte, 0, maxHeader+len(m)), opBinary, len(m), &u.frame.mask)
	at = len(out)
	out = append(out, m...)
	xor(out[at:], u.frame.mask, 0)
	return u.flush(out)
}

func (u *up) flush(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	_, err := u.w.Write(b)
	return err
}

// firstError returns a if it is one, else b.
func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
