package sip

import (
	"bytes"
	"strconv"
)

// cut takes the first message off a stream: nil while it is not whole, false
// when no message can follow. Line ends between messages are keep-alives (RFC
// 5626 §3.5.1).
func cut(b []byte) (message, rest []byte, ok bool) {
	b = bytes.TrimLeft(b, "\r\n")
	head, body, whole := bytes.Cut(b, []byte("\r\n\r\n"))
	if !whole {
		return nil, b, len(b) <= maxMessage
	}
	n, ok := length(head)
	total := len(head) + 4 + n
	switch {
	case !ok || total > maxMessage:
		return nil, nil, false
	case len(body) < n:
		return nil, b, true
	}
	return b[:total], bytes.Clone(b[total:]), true
}

// length is what Content-Length says. Over a stream there must be one, and one
// only: with two, each end could see another message (RFC 3261 §20.14).
func length(head []byte) (n int, ok bool) {
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		name = bytes.TrimSpace(name)
		if !bytes.EqualFold(name, []byte("Content-Length")) && !bytes.EqualFold(name, []byte("l")) {
			continue
		}
		v, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 31)
		if err != nil || ok {
			return 0, false
		}
		n, ok = int(v), true
	}
	return n, ok
}
