package mail

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"os"

	smtp "github.com/wneessen/go-mail"
)

// Kind says what can be done about a mail that was not sent. The zero value
// promises nothing.
type Kind uint8

// The kinds.
const (
	Down     Kind = iota // the server cannot be reached or used: for the operator
	Deferred             // not now: the same mail may be sent later (RFC 5321 §4.2.1, 4yz)
	Bounced              // never: the address or the mail is refused (5yz)
)

// String returns the kind in a word.
func (k Kind) String() string {
	switch k {
	case Bounced:
		return "bounced"
	case Deferred:
		return "deferred"
	default:
		return "down"
	}
}

// Fault is why a mail was not sent. It holds no address, and no text of the
// server, which may repeat one.
type Fault struct {
	Kind Kind
	// Code is the server's reply code; 0 when it gave none.
	Code int
	// Detail is what the network or TLS said, or is empty.
	Detail string
}

// Error implements error.
func (f *Fault) Error() string {
	s := "mail " + f.Kind.String()
	if f.Code != 0 {
		s += fmt.Sprintf(": code %d", f.Code)
	}
	if f.Detail != "" {
		s += ": " + f.Detail
	}
	return s
}

// unreached sorts an error from before the mail was offered. Even a permanent
// one, such as a wrong password, says nothing about the person written to.
func unreached(err error) *Fault {
	f := &Fault{Kind: Down}
	var (
		reply *textproto.Error
		cert  *tls.CertificateVerificationError
		op    *net.OpError
	)
	switch {
	case errors.As(err, &reply):
		f.Code = reply.Code
	case errors.As(err, &cert):
		f.Detail = "the server's certificate is not valid"
	case errors.Is(err, os.ErrDeadlineExceeded):
		f.Detail = "the server takes too long"
	case errors.As(err, &op):
		f.Detail = op.Error()
	default:
		f.Detail = "the server cannot be used"
	}
	return f
}

// refused sorts an error from when the mail was offered.
func refused(err error) *Fault {
	code := 0
	var sent *smtp.SendError
	if errors.As(err, &sent) {
		code = sent.ErrorCode()
	}
	switch {
	case code >= 500 && code < 600:
		return &Fault{Kind: Bounced, Code: code}
	case code >= 400 && code < 500:
		return &Fault{Kind: Deferred, Code: code}
	default:
		return &Fault{Kind: Down, Code: code, Detail: "the connection broke"}
	}
}
