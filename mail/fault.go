package mail

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"strings"

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
	// Status is the server's enhanced code (RFC 3463), "5.1.1"; empty when it
	// gave none.
	Status string
	// Detail is what the network or TLS said, or is empty.
	Detail string
}

// Error implements error.
func (f *Fault) Error() string {
	s := "mail " + f.Kind.String()
	if f.Code != 0 {
		s += strings.TrimRight(fmt.Sprintf(": code %d %s", f.Code, f.Status), " ")
	}
	if f.Detail != "" {
		s += ": " + f.Detail
	}
	return s
}

// The classes of a mail that is refused for good.
const (
	ClassAddress = "address" // nobody has the address
	ClassFull    = "full"    // the mailbox takes no more
	ClassPolicy  = "policy"  // the recipient's server does not want mail like this
	ClassMailbox = "mailbox" // the mailbox takes nothing, for another reason
	ClassAway    = "away"    // the recipient's server was not reached in days
	ClassOther   = "bounced"
)

// Class says in a word why a mail was refused for good, by the server's
// enhanced code (RFC 3463 §3), else by its reply code (RFC 5321 §4.2.3).
func (f *Fault) Class() string {
	class, rest, _ := strings.Cut(f.Status, ".")
	subject, detail, _ := strings.Cut(rest, ".")
	switch {
	case class == "5" && subject == "1" && (detail == "7" || detail == "8"):
		return ClassPolicy // it is the sender's address that they do not like
	case class == "5" && subject == "1", f.Code == 0 && f.Status == "" && f.Kind == Bounced:
		return ClassAddress
	case class == "5" && subject == "2" && detail == "2":
		return ClassFull
	case class == "5" && subject == "2":
		return ClassMailbox
	case class == "5" && subject == "7":
		return ClassPolicy
	case class == "5" && subject == "4" && (detail == "4" || detail == "1" && f.Code >= 500):
		// No such domain; or Exchange Online, whose word for nobody is
		// 550 5.4.1.
		return ClassAddress
	case class == "5" && subject == "4" && f.Code < 500:
		return ClassAway
	case class == "5" && subject != "0" && subject != "":
		return ClassOther
	}
	switch f.Code {
	case 550, 551, 553:
		return ClassAddress
	case 552:
		return ClassFull
	default:
		return ClassOther
	}
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
	code, status := 0, ""
	var sent *smtp.SendError
	if errors.As(err, &sent) {
		code, status = sent.ErrorCode(), sent.EnhancedStatusCode()
	}
	if strings.HasSuffix(status, ".0.0") {
		status = "" // says no more than the code
	}
	switch {
	case code >= 500 && code < 600:
		return &Fault{Kind: Bounced, Code: code, Status: status}
	case code >= 400 && code < 500:
		return &Fault{Kind: Deferred, Code: code, Status: status}
	default:
		return &Fault{Kind: Down, Code: code, Detail: "the connection broke"}
	}
}
