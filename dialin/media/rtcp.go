package media

import (
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/pion/rtcp"
)

// reportEvery is how often each end is told what came of its packets (RFC 3550
// §6.2: five seconds at least).
const reportEvery = 5 * time.Second

// listenReports opens the odd port beside a call's; nil where somebody else
// has it: reports are a courtesy, the call goes on without.
func listenReports(beside *net.UDPConn) Conn {
	a, ok := beside.LocalAddr().(*net.UDPAddr)
	if !ok || a.Port == 65535 {
		return nil
	}
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: a.IP, Port: a.Port + 1, Zone: a.Zone})
	if err != nil {
		return nil
	}
	return c
}

// hearReports reads the port of reports until it is closed. What they say is
// not used; that they come says that the device is there.
func (s *Session) hearReports() {
	b := make([]byte, maxDatagram)
	for {
		n, from, err := s.control.ReadFromUDPAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			select {
			case <-s.done:
				return
			case <-time.After(ptimeDefault):
			}
			continue
		}
		s.inMu.Lock()
		s.in.report(b[:n], from, time.Now())
		s.inMu.Unlock()
	}
}

// isReport tells a report from sound where both come to one port (RFC 5761 §4).
func isReport(b []byte) bool { return len(b) >= 8 && b[0]>>6 == 2 && b[1] >= 200 && b[1] <= 207 }

// report takes a report of the device's, from its own host alone (T54).
func (r *receiver) report(b []byte, from netip.AddrPort, now time.Time) {
	if !isReport(b) || from.Addr().Unmap() != r.remote.Addr() {
		r.stats.Foreign++
		return
	}
	if r.cage != nil {
		if err := r.cage.report(b); err != nil {
			r.stats.Foreign++
			return
		}
	}
	r.stats.Heard = now
}

// block is what came of the device's packets; none before the first.
func (r *receiver) block() []rtcp.ReceptionReport {
	if !r.locked {
		return nil
	}
	return []rtcp.ReceptionReport{{
		SSRC: r.ssrc, TotalLost: uint32(min(r.stats.Lost, 1<<23-1)), LastSequenceNumber: uint32(r.order.last),
	}}
}

// tell reports to the device, at the port beside that of its sound. s.outMu is
// held.
func (s *Session) tell(heard []rtcp.ReceptionReport, now time.Time) {
	o := &s.out
	packets := []rtcp.Packet{
		&rtcp.SenderReport{
			SSRC: o.ssrc, NTPTime: ntp(now), RTPTime: o.ts, PacketCount: uint32(s.sent), OctetCount: uint32(s.octets), Reports: heard,
		},
		// A name is asked for (§6.5.1); it says nothing of anybody.
		rtcp.NewCNAMESourceDescription(o.ssrc, "door"),
	}
	b, err := rtcp.Marshal(packets)
	if err == nil && o.cage != nil {
		b, err = o.cage.EncryptRTCP(nil, b, nil)
	}
	if err != nil || o.to.Port() == 65535 {
		return
	}
	_, _ = s.control.WriteToUDPAddrPort(b, netip.AddrPortFrom(o.to.Addr(), o.to.Port()+1)) // the next one may pass
}

// ntp is a time as RFC 5905 §6 writes it: seconds since 1900, and 2^-32 of them.
func ntp(t time.Time) uint64 {
	const since1900 = 2_208_988_800
	return uint64(t.Unix()+since1900)<<32 | uint64(t.Nanosecond())<<32/1e9
}
