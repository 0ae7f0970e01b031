package media_test

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/rtcp"

	"vestibule/dialin/media"
)

// A device that sends nothing but reports is there, and is told in turn what
// came of its sound; what a stranger reports counts for nothing.
func TestReports(t *testing.T) {
	ports, err := media.New(media.Config{Addr: loopback, Low: freeRange(t), High: 65535})
	if err != nil {
		t.Fatal(err)
	}
	p, err := ports.Listen()
	if err != nil {
		t.Fatal(err)
	}
	// The device, with its reports at the port beside its sound.
	sound, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, freeRange(t))))
	if err != nil {
		t.Fatal(err)
	}
	defer sound.Close()
	at := sound.LocalAddr().(*net.UDPAddr).AddrPort() //nolint:forcetypeassert // it is one
	beside, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, at.Port()+1)))
	if err != nil {
		t.Fatal(err)
	}
	defer beside.Close()
	s, err := p.Start(at, media.Format{Codec: media.PCMU}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	door := netip.AddrPortFrom(loopback, p.Addr().Port()+1)
	report, err := rtcp.Marshal([]rtcp.Packet{&rtcp.ReceiverReport{SSRC: 7}})
	if err != nil {
		t.Fatal(err)
	}
	began := s.Stats()
	stranger, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 88)})
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	send := func(c *net.UDPConn, b []byte, to netip.AddrPort, ok func(media.Stats) bool) {
		t.Helper()
		for deadline := time.Now().Add(5 * time.Second); !ok(s.Stats()); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("Stats = %+v", s.Stats())
			}
			if _, err := c.WriteToUDPAddrPort(b, to); err != nil {
				t.Fatal(err)
			}
		}
	}
	refused := func(st media.Stats) bool { return st.Foreign > began.Foreign && st.Heard.Equal(began.Heard) }
	send(stranger, report, door, refused)
	heard := func(st media.Stats) bool { return st.Heard.After(began.Heard) }
	send(beside, report, door, heard)
	began = s.Stats()
	send(sound, report, p.Addr(), heard) // at the port of sound, too
	if got := s.Stats().Received; got != 0 {
		t.Errorf("%d reports were taken for sound", got)
	}
	_ = beside.SetReadDeadline(time.Now().Add(20 * time.Second))
	b := make([]byte, 1500)
	n, _, err := beside.ReadFromUDPAddrPort(b)
	if err != nil {
		t.Fatalf("the door reports nothing: %v", err)
	}
	got, err := rtcp.Unmarshal(b[:n])
	if err != nil {
		t.Fatal(err)
	}
	sr, ok := got[0].(*rtcp.SenderReport)
	if !ok || sr.PacketCount < 100 || sr.OctetCount != 160*sr.PacketCount {
		t.Errorf("the door reports %+v", got[0])
	}
}
