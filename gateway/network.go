package gateway

import (
	"net/http"
	"net/netip"

	"vestibule/meeting"
)

// network is what a host may know of where somebody comes from. The address
// itself goes no further: of its /24 or /48 a keyed fingerprint is kept, another
// one for each meeting, so that two can be told to be the same and nothing else.
func (s *Server) network(r *http.Request, id meeting.ID) meeting.Net {
	peer, err := netip.ParseAddrPort(r.RemoteAddr) // the connection's, whatever headers say (T32)
	if err != nil {
		return meeting.Net{}
	}
	ip := peer.Addr().Unmap().WithZone("")
	for _, p := range s.c.Shared {
		if p.Contains(ip) {
			return meeting.Net{} // of all who come through there the same would be said
		}
	}
	n, bits := meeting.Net{Kind: meeting.IPv4}, 24
	if ip.Is6() {
		n.Kind, bits = meeting.IPv6, 48
	}
	if ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() {
		n.Kind = meeting.Private
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return meeting.Net{}
	}
	n.Mark = s.mac("network", string(id)+" "+p.String())[:16]
	return n
}
