package livekit

import (
	"encoding/binary"
	"strconv"
)

// The opcodes of RFC 6455 §5.2.
const (
	opContinue = 0x0
	opText     = 0x1
	opBinary   = 0x2
	opClose    = 0x8
	opPing     = 0x9
	opPong     = 0xA
)

// The close codes of RFC 6455 §7.4.1 that are used here.
const (
	closeProtocol    = 1002
	closeUnsupported = 1003
	closeInvalid     = 1007
	closePolicy      = 1008
	closeTooBig      = 1009
	closeInternal    = 1011
)

const (
	maxHeader  = 14  // 2 + 8 + 4 bytes
	maxControl = 125 // RFC 6455 §5.5
)

// violation is why a connection is ended. It never holds what was sent.
type violation struct {
	code uint16
	why  string
}

func (v *violation) Error() string {
	return "web socket ended with " + strconv.Itoa(int(v.code)) + ": " + v.why
}

// header is the head of one frame.
type header struct {
	fin    bool
	op     byte
	masked bool
	mask   [4]byte
	size   int64 // of the payload
	length int   // of the head itself
}

func (h *header) control() bool { return h.op >= opClose }

// parseHeader reads a head from the beginning of b. It returns false when
// there is not enough of it yet.
func parseHeader(b []byte) (h header, ok bool, v *violation) {
	if len(b) < 2 {
		return h, false, nil
	}
	if b[0]&0x70 != 0 {
		return h, false, &violation{closeProtocol, "reserved bit without extension"}
	}
	h.fin = b[0]&0x80 != 0
	h.op = b[0] & 0x0F
	h.masked = b[1]&0x80 != 0
	h.length = 2
	if h.op > opBinary && h.op < opClose || h.op > opPong {
		return h, false, &violation{closeProtocol, "unknown opcode"}
	}
	small := int64(b[1] & 0x7F)
	if h.control() && (!h.fin || small > maxControl) {
		return h, false, &violation{closeProtocol, "fragmented or long control frame"}
	}
	ok, v = h.parseSize(b, small)
	if !ok {
		return h, false, v
	}
	if !h.masked {
		return h, true, nil
	}
	if len(b) < h.length+4 {
		return h, false, nil
	}
	copy(h.mask[:], b[h.length:])
	h.length += 4
	return h, true, nil
}

// parseSize reads the length, which has to be in the shortest form.
func (h *header) parseSize(b []byte, small int64) (bool, *violation) {
	switch small {
	case 126:
		if len(b) < 4 {
			return false, nil
		}
		h.size, h.length = int64(binary.BigEndian.Uint16(b[2:])), 4
		if h.size < 126 {
			return false, &violation{closeProtocol, "length not in its shortest form"}
		}
	case 127:
		if len(b) < 10 {
			return false, nil
		}
		u := binary.BigEndian.Uint64(b[2:])
		if u>>63 != 0 || u <= 0xFFFF {
			return false, &violation{closeProtocol, "length not in its shortest form"}
		}
		h.size, h.length = int64(u), 10
	default:
		h.size = small
	}
	return true, nil
}

// appendHeader appends the head of a whole frame. A nil mask leaves it
// unmasked.
func appendHeader(dst []byte, op byte, size int, mask *[4]byte) []byte {
	var m byte
	if mask != nil {
		m = 0x80
	}
	dst = append(dst, 0x80|op)
	switch {
	case size < 126:
		dst = append(dst, m|byte(size))
	case size <= 0xFFFF:
		dst = append(dst, m|126)
		dst = binary.BigEndian.AppendUint16(dst, uint16(size))
	default:
		dst = append(dst, m|127)
		dst = binary.BigEndian.AppendUint64(dst, uint64(size))
	}
	if mask != nil {
		dst = append(dst, mask[:]...)
	}
	return dst
}

// closeFrame is the unmasked frame that tells a browser why.
func closeFrame(v *violation) []byte {
	f := appendHeader(nil, opClose, 2, nil)
	return binary.BigEndian.AppendUint16(f, v.code)
}

// xor masks or unmasks b, which begins at offset bytes into the payload.
// RFC 6455 §5.3.
func xor(b []byte, mask [4]byte, offset int) {
	for i := range b {
		b[i] ^= mask[(offset+i)&3]
	}
}
