package turn

import (
	"encoding/binary"
	"hash/crc32"
	"net/netip"
	"time"
)

// Message types a client may send (RFC 8489 §5, RFC 8656 §17).
const (
	bindingRequest          = 0x0001
	allocateRequest         = 0x0003
	refreshRequest          = 0x0004
	createPermissionRequest = 0x0008
	channelBindRequest      = 0x0009
	sendIndication          = 0x0016
)

// What pion sends to a client.
const (
	dataIndication    = 0x0017
	refreshSuccess    = 0x0104
	permissionSuccess = 0x0108
	bindingSuccess    = 0x0109
)

// Attributes (RFC 8489 §18.3, RFC 8656 §18).
const (
	attrMappedAddress    = 0x0001
	attrSourceAddress    = 0x0004
	attrChangedAddress   = 0x0005
	attrUsername         = 0x0006
	attrIntegrity        = 0x0008
	attrErrorCode        = 0x0009
	attrUnknown          = 0x000a
	attrChannelNumber    = 0x000c
	attrLifetime         = 0x000d
	attrPeerAddress      = 0x0012
	attrData             = 0x0013
	attrRealm            = 0x0014
	attrNonce            = 0x0015
	attrRelayedAddress   = 0x0016
	attrFamily           = 0x0017
	attrEvenPort         = 0x0018
	attrTransport        = 0x0019
	attrDontFragment     = 0x001a
	attrIntegritySHA256  = 0x001c
	attrXORMappedAddress = 0x0020
	attrReservation      = 0x0022
	attrOldXORMapped     = 0x8020 // pion reads it as XOR-MAPPED-ADDRESS
	attrAlternateServer  = 0x8023
	attrFingerprint      = 0x8028
	attrResponseOrigin   = 0x802b
	attrOtherAddress     = 0x802c
)

const (
	headerSize      = 20
	attrHeaderSize  = 4
	channelHeader   = 4
	integritySize   = 20
	magicCookie     = 0x2112a442
	fingerprintMask = 0x5354554e
	familyIPv4      = 1
	familyIPv6      = 2
	maxUsername     = 508 // RFC 8489 §14.3
	maxQuoted       = 763 // RFC 8489 §14.9, §14.10
	lowestChannel   = 0x4000
	highestChannel  = 0x4fff // RFC 8656 §12
	comprehension   = 0x8000 // attributes below must be understood

	defaultAllocation = 10 * time.Minute // RFC 8656 §3.2
)

// frame is what the pre-parser learnt of one STUN message. Its slices point
// into the message, so it lives no longer than the buffer's content.
type frame struct {
	raw       []byte
	kind      uint16
	username  []byte
	realm     []byte
	peer      netip.AddrPort // of the first XOR-PEER-ADDRESS
	channel   uint16
	seconds   uint32 // of LIFETIME
	transport byte
	family    byte
	reserves  bool   // EVEN-PORT or RESERVATION-TOKEN is there
	hasData   bool   // DATA is there
	data      []byte // of DATA
	unknown   uint16 // the first attribute that must be understood and is not
	integrity int    // where MESSAGE-INTEGRITY begins, 0 when absent
	last      uint16 // the attribute before
	seen      uint32 // which of the known attributes came already
}

// lifetime is what pion makes of LIFETIME.
func (f *frame) lifetime() time.Duration {
	if f.seen&(1<<attrLifetime) == 0 || f.seconds >= 3600 {
		return defaultAllocation
	}
	return time.Duration(f.seconds) * time.Second
}

// isChannelData tells ChannelData from STUN by its first two bits
// (RFC 8656 §12.4).
func isChannelData(b []byte) bool { return len(b) > 0 && b[0]&0xc0 == 0x40 }

// channelData reports whether b is one whole ChannelData message: a channel
// that may be bound, the length it says, and at most the padding to four.
func channelData(b []byte) bool {
	if len(b) < channelHeader {
		return false
	}
	if n := binary.BigEndian.Uint16(b); n < lowestChannel || n > highestChannel {
		return false
	}
	rest := len(b) - channelHeader - int(binary.BigEndian.Uint16(b[2:]))
	return rest >= 0 && rest < 4
}

// parse reads b as one whole STUN message that a TURN client may send and
// reports whether nothing about it is wrong. It reads strictly, because pion
// does not: an address attribute of another size, for one, takes the process
// down.
func (f *frame) parse(b []byte) bool {
	*f = frame{raw: b}
	if len(b) < headerSize {
		return false
	}
	f.kind = binary.BigEndian.Uint16(b)
	switch f.kind {
	case bindingRequest, allocateRequest, refreshRequest, createPermissionRequest, channelBindRequest, sendIndication:
	default:
		return false
	}
	size := int(binary.BigEndian.Uint16(b[2:]))
	if size%4 != 0 || headerSize+size != len(b) || binary.BigEndian.Uint32(b[4:]) != magicCookie {
		return false
	}
	for at := headerSize; at < len(b); {
		kind, value, next := attribute(b, at)
		if next == 0 || !f.take(kind, value, at) {
			return false
		}
		at = next
	}
	return true
}

// attribute returns the attribute of b that begins at at, and where the next
// one does; 0 when it does not fit into b.
func attribute(b []byte, at int) (kind uint16, value []byte, next int) {
	if len(b)-at < attrHeaderSize {
		return 0, nil, 0
	}
	size := int(binary.BigEndian.Uint16(b[at+2:]))
	start := at + attrHeaderSize
	next = start + (size+3)&^3
	if next > len(b) {
		return 0, nil, 0
	}
	return binary.BigEndian.Uint16(b[at:]), b[start : start+size], next
}

// take checks one attribute and keeps what the guard needs of it.
func (f *frame) take(kind uint16, v []byte, at int) bool {
	// RFC 8489 §14.5: nothing but MESSAGE-INTEGRITY-SHA256 and FINGERPRINT
	// after MESSAGE-INTEGRITY; §14.7: FINGERPRINT is the last.
	switch {
	case f.last == attrFingerprint,
		f.last == attrIntegritySHA256 && kind != attrFingerprint,
		f.last == attrIntegrity && kind != attrFingerprint && kind != attrIntegritySHA256:
		return false
	}
	f.last = kind
	if !f.once(kind) {
		return false
	}
	switch kind {
	case attrIntegrity:
		f.integrity = at
		return len(v) == integritySize
	case attrIntegritySHA256:
		return len(v) >= 16 && len(v) <= 32 && len(v)%4 == 0
	case attrFingerprint:
		return len(v) == 4 && binary.BigEndian.Uint32(v) == crc32.ChecksumIEEE(f.raw[:at])^fingerprintMask
	case attrUsername:
		f.username = v
		return len(v) > 0 && len(v) <= maxUsername
	case attrRealm:
		f.realm = v
		return len(v) <= maxQuoted
	case attrNonce:
		return len(v) <= maxQuoted
	case attrData:
		f.hasData, f.data = true, v
		return true
	case attrPeerAddress:
		peer, ok := f.address(v)
		if !f.peer.IsValid() {
			f.peer = peer
		}
		return ok
	case attrMappedAddress, attrSourceAddress, attrChangedAddress, attrRelayedAddress, attrXORMappedAddress,
		attrOldXORMapped, attrAlternateServer, attrResponseOrigin, attrOtherAddress:
		_, ok := f.address(v)
		return ok
	}
	return f.takeSmall(kind, v)
}

// takeSmall goes on with the attributes of fixed size.
func (f *frame) takeSmall(kind uint16, v []byte) bool {
	switch kind {
	case attrChannelNumber:
		if len(v) != 4 {
			return false
		}
		f.channel = binary.BigEndian.Uint16(v)
	case attrLifetime:
		if len(v) != 4 {
			return false
		}
		f.seconds = binary.BigEndian.Uint32(v)
	case attrTransport:
		if len(v) != 4 {
			return false
		}
		f.transport = v[0]
	case attrFamily:
		if len(v) != 4 {
			return false
		}
		f.family = v[0]
		return f.family != 0 // which families there are is for public
	case attrDontFragment:
		return len(v) == 0
	case attrEvenPort:
		f.reserves = true
		return len(v) == 1
	case attrReservation:
		f.reserves = true
		return len(v) == 8
	default:
		if kind < comprehension && f.unknown == 0 {
			f.unknown = kind
		}
	}
	return true
}

// once reports whether kind may come (again). Two readers of a message in
// which an attribute comes twice may each see another one, so it must not;
// CreatePermission alone lists several peers.
func (f *frame) once(kind uint16) bool {
	bit := kind
	switch {
	case kind == attrPeerAddress && f.kind == createPermissionRequest:
		return true
	case kind == attrReservation:
		bit = 0 // 0x0000 is reserved and nobody's
	case kind > 0x1f:
		return true
	}
	if f.seen&(1<<bit) != 0 {
		return false
	}
	f.seen |= 1 << bit
	return true
}

// address reads an XOR-ed address: exactly 8 bytes of family 1 or 20 of
// family 2 (RFC 8489 §14.2).
func (f *frame) address(v []byte) (netip.AddrPort, bool) {
	if len(v) < 8 || v[0] != 0 {
		return netip.AddrPort{}, false
	}
	port := binary.BigEndian.Uint16(v[2:]) ^ magicCookie>>16
	switch {
	case v[1] == familyIPv4 && len(v) == 8:
		var ip [4]byte
		for i := range ip {
			ip[i] = v[4+i] ^ f.raw[4+i]
		}
		return netip.AddrPortFrom(netip.AddrFrom4(ip), port), true
	case v[1] == familyIPv6 && len(v) == 20:
		var ip [16]byte
		for i := range ip {
			ip[i] = v[4+i] ^ f.raw[4+i]
		}
		return netip.AddrPortFrom(netip.AddrFrom16(ip), port), true
	}
	return netip.AddrPort{}, false
}

// peers calls yield with each XOR-PEER-ADDRESS of a parsed message.
func (f *frame) peers(yield func(netip.AddrPort) bool) {
	for at := headerSize; at < len(f.raw); {
		kind, value, next := attribute(f.raw, at)
		if next == 0 {
			return
		}
		if kind == attrPeerAddress {
			if peer, ok := f.address(value); !ok || !yield(peer) {
				return
			}
		}
		at = next
	}
}
