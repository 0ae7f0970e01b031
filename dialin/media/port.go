package media

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// Config says where calls are heard.
type Config struct {
	// Addr is the local address that media arrives at; an unspecified one is
	// every address.
	Addr netip.Addr
	// Low and High bound the UDP ports, both included. RTP takes the even
	// ones, RTCP the odd ones beside them, as devices expect. Both 0 is any
	// port.
	Low, High uint16
}

// ErrNoPort is returned while every port of the range is taken.
var ErrNoPort = errors.New("media: no port is free")

// Ports hands out the ports of a range.
type Ports struct {
	c      Config
	listen func(netip.AddrPort) (*net.UDPConn, error)
}

// New returns the ports of c without opening any.
func New(c Config) (*Ports, error) {
	var faults []error
	if !c.Addr.IsValid() {
		faults = append(faults, errors.New("media: no local address"))
	}
	c.Low += c.Low & 1
	if c.Low > c.High || c.Low == 0 && c.High != 0 {
		faults = append(faults, fmt.Errorf("media: no even port between %d and %d", c.Low, c.High))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return &Ports{c: c, listen: func(a netip.AddrPort) (*net.UDPConn, error) { return net.ListenUDP("udp", net.UDPAddrFromAddrPort(a)) }}, nil
}

// Listen opens a port. Nothing is sent from it, and what arrives at it is not
// read, before Start.
func (p *Ports) Listen() (*Port, error) {
	if p.c.High == 0 {
		return p.open(0)
	}
	// Any of them, so that nobody knows the next: packets that are sent to it in
	// advance might be taken for the device's, and those of the call before are
	// still on their way to a port just left.
	all := int(p.c.High-p.c.Low)/2 + 1
	first := int(random() % uint32(all))
	for i := range all {
		if port, err := p.open(p.c.Low + uint16(2*((first+i)%all))); err == nil {
			return port, nil
		}
	}
	return nil, ErrNoPort
}

func (p *Ports) open(n uint16) (*Port, error) {
	conn, err := p.listen(netip.AddrPortFrom(p.c.Addr, n))
	if p.c.Addr == netip.IPv6Unspecified() && (errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL)) {
		conn, err = p.listen(netip.AddrPortFrom(netip.IPv4Unspecified(), n)) // the machine has no IPv6
	}
	if err != nil {
		return nil, fmt.Errorf("opening a media port: %w", err)
	}
	return &Port{conn: conn, control: listenReports(conn)}, nil
}

func random() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return binary.BigEndian.Uint32(b[:])
}

// Conn is what a port is made of: a *net.UDPConn, or a pipe in tests.
type Conn interface {
	ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error)
	LocalAddr() net.Addr
	Close() error
}

// Port is where one call will be heard.
type Port struct {
	conn    Conn
	control Conn // of the reports beside it; nil: none
}

// Addr is what the answer to the offer names.
func (p *Port) Addr() netip.AddrPort {
	if a, ok := p.conn.LocalAddr().(*net.UDPAddr); ok {
		return a.AddrPort()
	}
	return netip.AddrPort{}
}

// Close gives back a port whose call never began. After Start, the session
// closes it.
func (p *Port) Close() error {
	if p.control != nil {
		_ = p.control.Close()
	}
	return p.conn.Close()
}
