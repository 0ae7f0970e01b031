package house

import (
	"fmt"

	"vestibule/meeting"
)

// errCrooked ends an HTTP/1.1 connection. In a head net/http answers it with
// 400, in a body whoever reads it, as what its sender is to blame for.
var errCrooked = fmt.Errorf("request not written as RFC 9112 has it: %w", meeting.Refuse(meeting.Invalid))

// scanner follows the bytes of an HTTP/1.1 connection from request to request
// and stops at the first that two programs could read in two ways (T29).
// net/http is forgiving where RFC 9112 lets it be: it joins folded lines, takes
// LF for CRLF, drops a Content-Length beside Transfer-Encoding. What it makes
// of them is sound, but a program in front may have made something else; so
// they are refused before it, not mended. Browsers send none of it.
type scanner struct {
	at    place
	field field    // whose value is read
	name  [18]byte // of a field, in small letters
	n     int      // of name, or digits of a size
	value int      // letters of chunked, or digits of a length
	over  bool     // the value

	hosts, lengths, codings int
	minor                   byte // of HTTP/1.
	upgrade                 bool
	length                  int64 // of the body, or what is left of it or of a chunk
	trailer                 bool  // fields are a trailer's
}

// place is where in a request the next byte stands.
type place uint8

const (
	methodName place = iota
	targetStart
	target
	version
	lineEnd // LF of the request line or a field
	fieldStart
	fieldName
	fieldValue
	headEnd // LF of the empty line
	body
	chunkSize
	chunkSizeEnd
	chunkData
	chunkDataCR
	chunkDataLF
	upgraded // not ours to read
)

// field is a field whose value matters here.
type field uint8

const (
	anyField field = iota
	contentLength
	transferEncoding
)

const (
	maxDigits = 18 // of a length; more would not fit an int64
	maxHex    = 15 // of a chunk's size
)

// scan answers how many bytes of p may pass. An error is about the next one;
// without an error, what does not pass belongs to what was asked to upgrade.
func (s *scanner) scan(p []byte) (int, error) {
	for i := 0; i < len(p); {
		switch s.at {
		case upgraded:
			return i, nil
		case body, chunkData:
			n := min(s.length, int64(len(p)-i))
			i, s.length = i+int(n), s.length-n
			if s.length == 0 {
				s.passed()
			}
			continue
		case target:
			// RFC 3986 has the rest escaped, and a fragment is never sent.
			for i < len(p) && p[i] > ' ' && p[i] < 0x7f && p[i] != '#' {
				i++
			}
		case fieldValue:
			if s.field == anyField {
				for i < len(p) && (p[i] >= ' ' && p[i] != 0x7f || p[i] == '\t') {
					i++
				}
			}
		}
		if i == len(p) {
			break
		}
		if !s.next(p[i]) {
			return i, errCrooked
		}
		i++
	}
	return len(p), nil
}

// passed is the end of a body or a chunk.
func (s *scanner) passed() {
	if s.at == chunkData {
		s.at = chunkDataCR
		return
	}
	*s = scanner{}
}

// next takes one byte and reports whether it may stand where it stands.
func (s *scanner) next(b byte) bool {
	switch s.at {
	case methodName, targetStart, target, version:
		return s.requestLine(b)
	case lineEnd, headEnd:
		if b != '\n' {
			return false
		}
		if s.at == headEnd {
			return s.ended()
		}
		s.at = fieldStart
	case fieldStart, fieldName:
		return s.fieldLine(b)
	case fieldValue:
		return s.valueByte(b)
	default:
		return s.chunk(b)
	}
	return true
}

// requestLine is RFC 9112 §3, of a target in origin-form: the door is no
// proxy, and what it is asked for stands in Host alone.
func (s *scanner) requestLine(b byte) bool {
	const want = "HTTP/1."
	switch s.at {
	case methodName:
		if b == ' ' && s.n > 0 {
			s.at, s.n = targetStart, 0
			return true
		}
		s.n++
		return token(b)
	case targetStart:
		s.at = target
		return b == '/'
	case target:
		s.at = version
		return b == ' '
	}
	switch {
	case s.n < len(want):
		s.n++
		return b == want[s.n-1]
	case s.n == len(want):
		s.n++
		s.minor = b - '0'
		return s.minor <= 1
	}
	s.at = lineEnd
	return b == '\r'
}

// fieldLine is RFC 9112 §5 up to the colon. A line that begins with a blank is
// folded (§5.2), and a blank before the colon is what §5.1 has refused.
func (s *scanner) fieldLine(b byte) bool {
	if s.at == fieldStart {
		if b == '\r' {
			s.at = headEnd
			return true
		}
		s.at, s.n = fieldName, 0
	}
	if b == ':' {
		s.at, s.value, s.over = fieldValue, 0, false
		return s.n > 0 && s.named()
	}
	if s.n < len(s.name) {
		s.name[s.n] = b
		if b >= 'A' && b <= 'Z' {
			s.name[s.n] = b | 0x20
		}
		s.n++
	}
	return token(b)
}

// named counts the fields that say where a request ends and for whom it is.
func (s *scanner) named() bool {
	s.field = anyField
	switch string(s.name[:s.n]) {
	case "host":
		s.hosts++
	case "content-length":
		s.field, s.length = contentLength, 0
		s.lengths++
	case "transfer-encoding":
		s.field = transferEncoding
		s.codings++
	case "upgrade":
		s.upgrade = true
	default:
		return true
	}
	// None of them may stand in a trailer (RFC 9110 §6.5.1).
	return !s.trailer && s.hosts <= 1 && s.lengths <= 1 && s.codings <= 1
}

// valueByte reads a length, which is digits, and a coding, which is chunked,
// with blanks around (RFC 9110 §8.6, RFC 9112 §6.1).
func (s *scanner) valueByte(b byte) bool {
	const want = "chunked"
	blank := b == ' ' || b == '\t'
	switch {
	case b == '\r':
		s.at = lineEnd
		return s.field == anyField || s.field == contentLength && s.value > 0 || s.field == transferEncoding && s.value == len(want)
	case s.field == anyField:
		return false // scan has passed all that may stand in it
	case blank && s.value == 0:
		return true
	case blank:
		s.over = true
		return true
	case s.over || s.value >= maxDigits:
		return false
	case s.field == contentLength:
		s.value++
		s.length = s.length*10 + int64(b-'0')
		return b >= '0' && b <= '9'
	}
	s.value++
	return s.value <= len(want) && b|0x20 == want[s.value-1]
}

// ended is the end of a head, or of a trailer.
func (s *scanner) ended() bool {
	switch {
	case s.trailer:
		*s = scanner{}
	case s.hosts == 0 && s.minor > 0, // RFC 9112 §3.2
		s.codings > 0 && (s.lengths > 0 || s.minor == 0), // §6.1
		s.upgrade && (s.codings > 0 || s.length > 0):
		return false
	case s.upgrade:
		s.at = upgraded
	case s.codings > 0:
		s.at, s.n, s.length = chunkSize, 0, 0
	case s.length > 0:
		s.at = body
	default:
		*s = scanner{}
	}
	return true
}

// chunk is RFC 9112 §7.1, without extensions: nobody sends them but who hopes
// that two programs end them in two places.
func (s *scanner) chunk(b byte) bool {
	switch s.at {
	case chunkSize:
		if b == '\r' {
			s.at = chunkSizeEnd
			return s.n > 0
		}
		s.n++
		d, ok := hex(b)
		s.length = s.length<<4 | int64(d)
		return ok && s.n <= maxHex
	case chunkSizeEnd:
		s.at = chunkData
		if s.length == 0 {
			s.at, s.trailer = fieldStart, true
		}
		return b == '\n'
	case chunkDataCR:
		s.at = chunkDataLF
		return b == '\r'
	default:
		s.at, s.n, s.length = chunkSize, 0, 0
		return b == '\n'
	}
}

func hex(b byte) (byte, bool) {
	switch {
	case b >= '0' && b <= '9':
		return b - '0', true
	case b|0x20 >= 'a' && b|0x20 <= 'f':
		return b | 0x20 - 'a' + 10, true
	}
	return 0, false
}

// token reports whether b is a tchar (RFC 9110 §5.6.2).
func token(b byte) bool {
	const mask = (1<<10-1)<<'0' | (1<<26-1)<<'A' | (1<<26-1)<<'a' |
		1<<'!' | 1<<'#' | 1<<'$' | 1<<'%' | 1<<'&' | 1<<'\'' | 1<<'*' | 1<<'+' | 1<<'-' | 1<<'.' | 1<<'^' | 1<<'_' | 1<<'`' | 1<<'|' | 1<<'~'
	return (uint64(1)<<b)&(mask&(1<<64-1))|(uint64(1)<<(b-64))&(mask>>64) != 0
}
