package media

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
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
	c Config

	mu   sync.Mutex
	next uint16 // guarded by mu; even
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
	return &Ports{c: c, next: c.Low}, nil
}

// Listen opens a port. Nothing is sent from it, and what arrives at it is not
// read, before Start.
func (p *Ports) Listen() (*Port, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.c.High == 0 {
		return p.open(0)
	}
	for range int(p.c.High-p.c.Low)/2 + 1 {
		n := p.next
		// A port just left is used last: packets of the call before may be on
		// their way to it.
		if p.next = n + 2; p.next > p.c.High || p.next < n {
			p.next = p.c.Low
		}
		if port, err := p.open(n); err == nil {
			return port, nil
		}
	}
	return nil, ErrNoPort
}

func (p *Ports) open(n uint16) (*Port, error) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.c.Addr, n)))
	if err != nil {
		return nil, fmt.Errorf("opening a media port: %w", err)
	}
	return &Port{conn: conn, control: listenReports(conn)}, nil
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
