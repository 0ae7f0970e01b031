package lobby

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"

	"vestibule/meeting"
)

// mac fingerprints parts under the site's secret. Parts are length-prefixed, so
// that no two lists of parts read the same.
func (l *Lobby) mac(kind string, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, l.c.Secret)
	var n [4]byte
	write := func(p []byte) {
		binary.BigEndian.PutUint32(n[:], uint32(len(p)))
		h.Write(n[:])
		h.Write(p)
	}
	write([]byte(kind))
	for _, p := range parts {
		write(p)
	}
	return h.Sum(nil)
}

const (
	meetingLen    = 16
	invitationLen = 8
	linkLen       = meetingLen + invitationLen + 2 + 16
)

// Link returns the personal link's last path element: meeting, invitation and
// generation, and 128 bits that only the holder of the site's secret can make.
// It is derived and never stored, so it can be mailed again and a stolen store
// opens nothing. It is no proof of identity: whoever shows it must still prove
// who they are.
func (l *Lobby) Link(m meeting.ID, v *meeting.Invitation) string {
	b := make([]byte, 0, linkLen)
	b = appendHex(b, string(m), meetingLen)
	b = appendHex(b, v.ID, invitationLen)
	b = binary.BigEndian.AppendUint16(b, uint16(v.Generation)) // wraps after 65,536 links for one invitee
	return base64.RawURLEncoding.EncodeToString(append(b, l.mac("link", b)[:16]...))
}

func appendHex(b []byte, s string, n int) []byte {
	d, err := hex.DecodeString(s)
	if err != nil || len(d) != n {
		return append(b, make([]byte, n)...)
	}
	return append(b, d...)
}

// read takes a link apart. A forged one is refused without asking the store.
func (l *Lobby) read(link string) (m meeting.ID, invitation string, generation uint16, no *meeting.Refusal) {
	b, ok := unpack(link, linkLen)
	if !ok {
		return "", "", 0, meeting.Refuse(meeting.NotFound)
	}
	body, sum := b[:linkLen-16], b[linkLen-16:]
	if !hmac.Equal(l.mac("link", body)[:16], sum) {
		return "", "", 0, meeting.Refuse(meeting.NotFound)
	}
	m = meeting.ID(hex.EncodeToString(body[:meetingLen]))
	invitation = hex.EncodeToString(body[meetingLen : meetingLen+invitationLen])
	return m, invitation, binary.BigEndian.Uint16(body[meetingLen+invitationLen:]), nil
}

// unpack decodes n bytes of unpadded base64url, in the one spelling they have:
// the decoder alone would skip line ends.
func unpack(s string, n int) ([]byte, bool) {
	if len(s) != base64.RawURLEncoding.EncodedLen(n) {
		return nil, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return b, err == nil && len(b) == n
}

// Names of the documents of a meeting.
const header = "m"

func invitationName(id string) string { return "i:" + id }
func admissionName(id string) string  { return "a:" + id }
