package turn

import (
	"encoding/binary"

	"github.com/pion/logging"
)

// Error codes (RFC 8489 §18.5, RFC 8656 §19).
const (
	codeBadRequest           = 400
	codeForbidden            = 403
	codeUnknownAttribute     = 420
	codeMismatch             = 437
	codeFamilyNotSupported   = 440
	codeWrongCredentials     = 441
	codeUnsupportedTransport = 442
	codePeerFamilyMismatch   = 443
	codeQuotaReached         = 486
	codeInsufficientCapacity = 508
)

const (
	protocolUDP   = 17
	errorResponse = 0x0110
)

func phrase(code int) string {
	switch code {
	case codeForbidden:
		return "Forbidden"
	case codeUnknownAttribute:
		return "Unknown Attribute"
	case codeMismatch:
		return "Allocation Mismatch"
	case codeFamilyNotSupported:
		return "Address Family not Supported"
	case codeWrongCredentials:
		return "Wrong Credentials"
	case codeUnsupportedTransport:
		return "Unsupported Transport Protocol"
	case codePeerFamilyMismatch:
		return "Peer Address Family Mismatch"
	case codeQuotaReached:
		return "Allocation Quota Reached"
	case codeInsufficientCapacity:
		return "Insufficient Capacity"
	}
	return "Bad Request"
}

// answer makes the error response to f, proved with key. There is no
// SOFTWARE in it: nobody outside needs to know what runs here.
func (f *frame) answer(code int, key []byte) []byte {
	b := make([]byte, headerSize, 128)
	binary.BigEndian.PutUint16(b, f.kind|errorResponse)
	copy(b[4:], f.raw[4:headerSize])
	reason := phrase(code)
	b = appendAttribute(b, attrErrorCode, append([]byte{0, 0, byte(code / 100), byte(code % 100)}, reason...))
	if code == codeUnknownAttribute {
		b = appendAttribute(b, attrUnknown, binary.BigEndian.AppendUint16(nil, f.unknown))
	}
	return appendAttribute(b, attrIntegrity, sign(key, b))
}

// appendAttribute puts one attribute behind message b and corrects b's
// length.
func appendAttribute(b []byte, kind uint16, value []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, kind)
	b = binary.BigEndian.AppendUint16(b, uint16(len(value)))
	b = append(b, value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)-headerSize))
	return b
}

// quiet is pion's logger. pion writes a line for whatever a client does
// wrong, with its address; the guard logs what an operator needs.
type quiet struct{}

// NewLogger is asked by pion for each of its parts.
func (q quiet) NewLogger(string) logging.LeveledLogger { return q }

func (quiet) Trace(string)          {}
func (quiet) Tracef(string, ...any) {}
func (quiet) Debug(string)          {}
func (quiet) Debugf(string, ...any) {}
func (quiet) Info(string)           {}
func (quiet) Infof(string, ...any)  {}
func (quiet) Warn(string)           {}
func (quiet) Warnf(string, ...any)  {}
func (quiet) Error(string)          {}
func (quiet) Errorf(string, ...any) {}
