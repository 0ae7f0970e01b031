package sip

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pion/sdp/v3"

	"vestibule/dialin/media"
)

// errOffer is an offer without anything that we can hear or speak.
var errOffer = errors.New("sip: nothing in the offer can be used")

// Secrecy is what is asked of the sound. The zero value takes what is offered.
type Secrecy uint8

// The secrecies.
const (
	Prefer  Secrecy = iota // encrypted where the device offers it
	Require                // nothing else
	Never                  // plain only; for trunks that break on it
)

// offer is what an SDP offer or answer leaves to choose, narrowed to one sound.
type offer struct {
	lines  []line // every m-line, in order
	audio  int    // which of them is heard
	remote netip.AddrPort
	format media.Format
	// encoding is the codec's name in the answer.
	encoding string
	crypto   crypto
	// hold is set when the device will not listen or not speak.
	hold      bool
	direction string // ours
}

// line is an m-line as it is to be answered.
type line struct {
	media, proto string
	formats      []string
}

// crypto is an SDES line (RFC 4568) that fits; profile 0 is none.
type crypto struct {
	tag     string
	suite   string
	profile media.Profile
	key     []byte
}

// maxLines bounds the m-lines of an offer.
const maxLines = 32

// readOffer makes out what to hear and speak. secrecy is the site's.
func readOffer(b []byte, secrecy Secrecy) (*offer, error) {
	var d sdp.SessionDescription
	if err := d.Unmarshal(b); err != nil {
		return nil, errOffer // the library quotes what it could not read
	}
	if len(d.MediaDescriptions) == 0 || len(d.MediaDescriptions) > maxLines {
		return nil, errOffer
	}
	o := &offer{audio: -1}
	for i, m := range d.MediaDescriptions {
		l := line{media: m.MediaName.Media, proto: strings.Join(m.MediaName.Protos, "/"), formats: m.MediaName.Formats}
		if !tokens(append([]string{l.media, l.proto}, l.formats...)) {
			return nil, errOffer
		}
		o.lines = append(o.lines, l)
		if o.audio < 0 && o.take(&d, m, secrecy) {
			o.audio = i
		}
	}
	if o.audio < 0 {
		return nil, errOffer
	}
	return o, nil
}

// tokens reports whether all may be repeated in an answer: it is text that
// the device wrote.
func tokens(list []string) bool {
	for _, s := range list {
		if s == "" || len(s) > 64 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return false
		}
	}
	return true
}

// take chooses an audio line if it can be used.
func (o *offer) take(d *sdp.SessionDescription, m *sdp.MediaDescription, secrecy Secrecy) bool {
	name := &m.MediaName
	if name.Media != "audio" || name.Port.Value < 1 || name.Port.Value > 65535 {
		return false
	}
	addr, ok := address(d, m)
	if !ok {
		return false
	}
	var c crypto
	switch proto := strings.Join(name.Protos, "/"); proto {
	case "RTP/AVP", "RTP/AVPF":
		if secrecy == Require {
			return false
		}
	case "RTP/SAVP", "RTP/SAVPF":
		if c, ok = suite(m); !ok || secrecy == Never {
			return false
		}
	default:
		return false
	}
	f, encoding, ok := format(m)
	if !ok {
		return false
	}
	o.remote = netip.AddrPortFrom(addr, uint16(name.Port.Value))
	o.format, o.encoding, o.crypto = f, encoding, c
	// RFC 3264 §8.4: an address of zeros is the old way to hold.
	o.hold, o.direction = hold(direction(d, m), addr)
	return true
}

// address is where the device wants to hear. A name is not looked up: it would
// let a caller have us ask any name server.
func address(d *sdp.SessionDescription, m *sdp.MediaDescription) (netip.Addr, bool) {
	c := m.ConnectionInformation
	if c == nil {
		c = d.ConnectionInformation
	}
	if c == nil || c.Address == nil || c.NetworkType != "IN" {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(c.Address.Address)
	return a.Unmap(), err == nil && !a.IsMulticast() && a.Zone() == ""
}

func direction(d *sdp.SessionDescription, m *sdp.MediaDescription) string {
	for _, list := range [][]sdp.Attribute{m.Attributes, d.Attributes} {
		for _, a := range list {
			if slices.Contains([]string{"sendrecv", "sendonly", "recvonly", "inactive"}, a.Key) {
				return a.Key
			}
		}
	}
	return "sendrecv"
}

// hold answers a direction (RFC 3264 §6.1), and whether the device listens.
func hold(theirs string, a netip.Addr) (held bool, ours string) {
	switch {
	case a.IsUnspecified() || theirs == "inactive":
		return true, "inactive"
	case theirs == "sendonly":
		return true, "recvonly"
	case theirs == "recvonly":
		return false, "sendonly"
	}
	return false, "sendrecv"
}

// format chooses the first codec of the offer that we speak, and the device's
// number for key presses.
func format(m *sdp.MediaDescription) (f media.Format, encoding string, ok bool) {
	maps := map[string]string{"0": "PCMU/8000", "8": "PCMA/8000"}
	for _, a := range m.Attributes {
		if a.Key == "rtpmap" {
			if n, name, ok := strings.Cut(a.Value, " "); ok {
				maps[n] = strings.TrimSuffix(strings.ToUpper(strings.TrimSpace(name)), "/1")
			}
		}
	}
	for _, n := range m.MediaName.Formats {
		pt, err := strconv.ParseUint(n, 10, 7)
		if err != nil {
			continue
		}
		switch name := maps[n]; {
		case (name == "PCMU/8000" || name == "PCMA/8000") && f.Codec == media.NoCodec:
			f.Codec, f.PayloadType, encoding = media.PCMA, uint8(pt), name
			if name == "PCMU/8000" {
				f.Codec = media.PCMU
			}
		case name == "TELEPHONE-EVENT/8000" && f.EventType == 0 && pt >= 96:
			f.EventType = uint8(pt)
		}
	}
	f.Ptime = ptime(m)
	return f, encoding, f.Codec != media.NoCodec
}

// ptime is how much a packet of ours shall hold: what the device asks for,
// within reason.
func ptime(m *sdp.MediaDescription) time.Duration {
	d := 20 * time.Millisecond
	for _, a := range m.Attributes {
		n, err := strconv.Atoi(strings.TrimSpace(a.Value))
		if err != nil {
			continue
		}
		ms := time.Duration(n) * time.Millisecond
		switch {
		case a.Key == "ptime" && slices.Contains([]int{10, 20, 30, 40, 50, 60}, n):
			d = ms
		case a.Key == "maxptime" && n >= 10:
			d = min(d, ms/(10*time.Millisecond)*(10*time.Millisecond))
		}
	}
	return d
}

// answer writes the SDP that answers o: its sound at where, all else refused.
func (o *offer) answer(where netip.AddrPort, id, version uint64, local []byte) []byte {
	var b strings.Builder
	preamble(&b, where.Addr(), id, version)
	for i, l := range o.lines {
		if i != o.audio {
			// RFC 3264 §6: a stream is refused with port 0, in its place.
			fmt.Fprintf(&b, "m=%s 0 %s %s\r\n", l.media, l.proto, strings.Join(l.formats, " "))
			continue
		}
		o.sound(&b, l.proto, where.Port(), local)
	}
	return []byte(b.String())
}

// again writes an offer of ours for the same sound: the lines are those that
// were agreed on, in their places (RFC 3264 §8).
func (o *offer) again(where netip.AddrPort, id, version uint64, local []byte) []byte {
	talk := *o
	talk.direction = "sendrecv"
	return talk.answer(where, id, version, local)
}

func preamble(b *strings.Builder, a netip.Addr, id, version uint64) {
	kind := "IP4"
	if a.Is6() {
		kind = "IP6"
	}
	fmt.Fprintf(b, "v=0\r\no=- %d %d IN %s %s\r\ns=-\r\nc=IN %s %s\r\nt=0 0\r\n", id, version, kind, a, kind, a)
}

func (o *offer) sound(b *strings.Builder, proto string, port uint16, local []byte) {
	f := o.format
	types := strconv.Itoa(int(f.PayloadType))
	if f.EventType != 0 {
		types += " " + strconv.Itoa(int(f.EventType))
	}
	fmt.Fprintf(b, "m=audio %d %s %s\r\n", port, proto, types)
	fmt.Fprintf(b, "a=rtpmap:%d %s\r\n", f.PayloadType, o.encoding)
	if f.EventType != 0 {
		fmt.Fprintf(b, "a=rtpmap:%d telephone-event/8000\r\na=fmtp:%d 0-15\r\n", f.EventType, f.EventType)
	}
	fmt.Fprintf(b, "a=ptime:%d\r\na=%s\r\n", f.Ptime.Milliseconds(), o.direction)
	if o.crypto.profile != media.NoProfile {
		fmt.Fprintf(b, "a=crypto:%s %s inline:%s\r\n", o.crypto.tag, o.crypto.suite, inline(local))
	}
}

// invite writes our own offer: both codecs, key presses where they are wanted,
// and encryption where it is required.
func invite(where netip.AddrPort, id, version uint64, secrecy Secrecy, local []byte, keys bool) []byte {
	var b strings.Builder
	preamble(&b, where.Addr(), id, version)
	proto := "RTP/AVP"
	if secrecy == Require {
		proto = "RTP/SAVP"
	}
	types := "0 8"
	if keys {
		types += " 101"
	}
	fmt.Fprintf(&b, "m=audio %d %s %s\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n", where.Port(), proto, types)
	if keys {
		b.WriteString("a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n")
	}
	b.WriteString("a=ptime:20\r\na=sendrecv\r\n")
	if secrecy == Require {
		fmt.Fprintf(&b, "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:%s\r\n", inline(local))
	}
	return []byte(b.String())
}
