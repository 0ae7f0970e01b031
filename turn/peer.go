package turn

import (
	"fmt"
	"net/netip"
)

// widest4 and widest6 are the shortest prefixes a policy may list: anything
// wider is an open relay by another name.
const (
	widest4 = 8
	widest6 = 32
)

// PeerPolicy is whom a relay may reach: the conference server's media
// addresses. The zero value reaches nobody.
//
// It is decided on the address itself, not on how it was written: an
// IPv4-mapped address is judged as IPv4. 0.0.0.0/8, link-local, multicast,
// reserved and broadcast addresses are never reached. Loopback, and the
// IPv6 forms that carry an IPv4 address (6to4, NAT64, Teredo, ISATAP,
// IPv4-compatible and IPv4-translated), need a prefix that lies wholly in
// that range, and the carried address must be listed as well.
type PeerPolicy struct {
	// Prefixes are the addresses of the conference server. Not wider than
	// /8 (IPv4) or /32 (IPv6).
	Prefixes []netip.Prefix

	// MinPort and MaxPort are the conference server's media ports,
	// inclusive: much else may answer at the same address. Required with
	// Prefixes; not below 1024, and none of the relays' own.
	MinPort, MaxPort uint16
}

// Allows reports whether a relay may send to a and hear from it.
func (p PeerPolicy) Allows(a netip.AddrPort) bool {
	return a.Port() != 0 && p.MinPort <= a.Port() && a.Port() <= p.MaxPort && p.reaches(a.Addr())
}

// reaches decides on the address alone, which is all a permission names
// (RFC 8656 §9).
func (p PeerPolicy) reaches(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsValid() || a.Zone() != "" || never(a) {
		return false
	}
	bits, carried := special(a)
	listed := false
	for _, q := range p.Prefixes {
		if q.Bits() >= bits && q.Contains(a) {
			listed = true
			break
		}
	}
	if listed && carried.IsValid() {
		return p.reaches(carried)
	}
	return listed
}

func (p PeerPolicy) faults() []error {
	var faults []error
	for _, q := range p.Prefixes {
		switch {
		case !q.IsValid():
			faults = append(faults, fmt.Errorf("turn: peer prefix %s is none", q))
		case q.Addr().Is4In6():
			faults = append(faults, fmt.Errorf("turn: peer prefix %s must be written as IPv4", q))
		case q.Addr().Is4() && q.Bits() < widest4, q.Addr().Is6() && q.Bits() < widest6:
			faults = append(faults, fmt.Errorf("turn: peer prefix %s is wider than /%d or /%d", q, widest4, widest6))
		case never(q.Masked().Addr()):
			faults = append(faults, fmt.Errorf("turn: peer prefix %s can never be reached", q))
		}
	}
	if len(p.Prefixes) > 0 && (p.MinPort < lowestPort || p.MaxPort < p.MinPort) {
		faults = append(faults, fmt.Errorf("turn: peer ports %d to %d are not a range above %d", p.MinPort, p.MaxPort, lowestPort-1))
	}
	return faults
}

// never names what no list opens.
func never(a netip.Addr) bool {
	if a.IsUnspecified() || a.IsMulticast() || a.IsLinkLocalUnicast() {
		return true
	}
	if a.Is4() {
		b := a.As4()
		return b[0] == 0 || b[0] >= 240
	}
	b := a.As16()
	return b[0] == 0xfe && b[1]&0xc0 == 0xc0 // fec0::/10, RFC 3879
}

// special returns how narrow a prefix must be to open a, and the IPv4
// address a carries, if any.
func special(a netip.Addr) (bits int, carried netip.Addr) {
	if a.Is4() {
		if a.IsLoopback() {
			return 8, netip.Addr{} // 127.0.0.0/8
		}
		return 0, netip.Addr{}
	}
	b := a.As16()
	last := netip.AddrFrom4([4]byte(b[12:]))
	switch [2]byte(b[:2]) {
	case [2]byte{0x20, 0x02}: // 6to4, RFC 3056
		return 16, netip.AddrFrom4([4]byte(b[2:6]))
	case [2]byte{0x20, 0x01}:
		if b[2] == 0 && b[3] == 0 { // Teredo, RFC 4380
			return 32, netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]})
		}
	case [2]byte{0x00, 0x64}:
		if b[2] == 0xff && b[3] == 0x9b { // NAT64, RFC 6052 and RFC 8215
			if b[5] == 1 {
				return 48, netip.AddrFrom4([4]byte{b[6], b[7], b[9], b[10]})
			}
			return 96, last
		}
	case [2]byte{0x00, 0x00}:
		if a.IsLoopback() {
			return 128, netip.Addr{}
		}
		return 96, last // IPv4-compatible, RFC 4291; IPv4-translated, RFC 2765
	}
	if b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe { // ISATAP, RFC 5214
		return 96, last
	}
	return 0, netip.Addr{}
}
