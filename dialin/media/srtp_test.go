package media_test

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/srtp/v3"

	"vestibule/dialin/media"
)

// Encrypted both ways, with what RFC 4568 devices speak; in the clear, with
// another key or twice, nothing passes.
func TestSRTP(t *testing.T) {
	for p, suite := range map[media.Profile]srtp.ProtectionProfile{
		media.AES80: srtp.ProtectionProfileAes128CmHmacSha1_80, media.AES32: srtp.ProtectionProfileAes128CmHmacSha1_32,
		media.GCM128: srtp.ProtectionProfileAeadAes128Gcm, media.GCM256: srtp.ProtectionProfileAeadAes256Gcm,
	} {
		ours, theirs := bytes.Repeat([]byte{1}, p.KeySize()), bytes.Repeat([]byte{2}, p.KeySize())
		salt := 12
		if p == media.AES80 || p == media.AES32 {
			salt = 14
		}
		cage := func(k []byte) *srtp.Context {
			c, err := srtp.CreateContext(k[:len(k)-salt], k[len(k)-salt:], suite)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		in, out, wrong := cage(ours), cage(theirs), cage(ours)
		call(t, ulaw, &media.Keys{Profile: p, Local: ours, Remote: theirs}, func(t *testing.T, s *media.Session, pp *pipe, dev *phone) {
			send := func(b []byte) { pp.to <- datagram{b, device} }
			plain := rtp(0, 1, 160, 7, make([]byte, 160))
			send(plain)
			for ssrc := range uint32(300) { // more than the guard remembers
				b, _ := wrong.EncryptRTP(nil, rtp(0, 1, 160, 1000+ssrc, make([]byte, 160)), nil)
				send(b)
				if ssrc%50 == 0 {
					time.Sleep(20 * time.Millisecond)
				}
			}
			good, _ := out.EncryptRTP(nil, plain, nil)
			send(good)
			send(good)
			time.Sleep(100 * time.Millisecond)
			if st := s.Stats(); st.Received != 1 || st.Foreign != 302 {
				t.Errorf("profile %d: took %d packets and refused %d, want 1 and 302", p, st.Received, st.Foreign)
			}
			s.Play(media.Tone(1000, time.Second, -10))
			time.Sleep(1200 * time.Millisecond)
			var pcm []int16
			for _, d := range pp.sent() {
				b, err := in.DecryptRTP(nil, d.b, nil)
				if err != nil {
					t.Fatalf("profile %d: %v", p, err)
				}
				pcm = media.PCMU.Linear(pcm, b[12:])
			}
			if got := purity(pcm[2400:8000], 1000); got < 30 {
				t.Errorf("profile %d: the tone stands %.0f dB above the rest", p, got)
			}
		})
	}
}

// A re-INVITE that changes the device's key leaves our half as it was, and one
// that changes its address leaves the device's: no packet is encrypted with the
// same bytes as one before, and each end still reads the other when the numbers
// have wrapped.
func TestEncryptionGoesOnAcrossReinvites(t *testing.T) {
	keys := func(local, remote byte) *media.Keys {
		return &media.Keys{Profile: media.AES80, Local: bytes.Repeat([]byte{local}, 30), Remote: bytes.Repeat([]byte{remote}, 30)}
	}
	cage := func(k byte) *srtp.Context {
		b := bytes.Repeat([]byte{k}, 30)
		c, err := srtp.CreateContext(b[:16], b[16:], srtp.ProtectionProfileAes128CmHmacSha1_80, srtp.SRTPReplayProtection(128))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	call(t, ulaw, keys(1, 2), func(t *testing.T, s *media.Session, p *pipe, _ *phone) {
		in, out, read, seq := cage(1), cage(2), 0, uint16(65500)
		ours := func() {
			t.Helper()
			all := p.sent()
			for _, d := range all[read:] {
				if _, err := in.DecryptRTP(nil, d.b, nil); err != nil {
					t.Fatalf("packet %d of %d: %v", read, len(all), err)
				}
				read++
			}
		}
		theirs := func(from netip.AddrPort, n int) {
			t.Helper()
			before := s.Stats().Received
			for range n {
				b, err := out.EncryptRTP(nil, rtp(0, seq, uint32(seq)*160, 7, make([]byte, 160)), nil)
				if err != nil {
					t.Fatal(err)
				}
				p.to <- datagram{b, from}
				seq++
				time.Sleep(20 * time.Millisecond)
			}
			if got := s.Stats().Received - before; got != uint64(n) {
				t.Fatalf("took %d packets of the device, want %d", got, n)
			}
		}
		update := func(to netip.AddrPort, k *media.Keys) {
			t.Helper()
			if err := s.Update(to, ulaw, k); err != nil {
				t.Fatal(err)
			}
		}
		theirs(device, 100)          // wraps
		time.Sleep(23 * time.Minute) // so do ours
		ours()
		other := netip.MustParseAddrPort("192.0.2.11:5000")
		update(other, keys(1, 2))
		for ssrc := range uint32(100) { // rubbish in the device's name, before its first word
			p.to <- datagram{rtp(0, 1, 160, 1000+ssrc, make([]byte, 170)), other}
		}
		theirs(other, 100)
		update(other, keys(1, 3))
		out, seq = cage(3), 65500
		theirs(other, 100)
		ours()
	})
}

// However many SSRCs are named on a call, few are remembered: of whoever has not
// the key none, and of the device, which has it, the newest. Its sound goes on.
func TestT51SSRCsAreNotHoarded(t *testing.T) {
	const names = 2000
	for _, p := range []media.Profile{media.AES80, media.GCM128} {
		k := &media.Keys{Profile: p, Local: make([]byte, p.KeySize()), Remote: bytes.Repeat([]byte{1}, p.KeySize())}
		report := func(ssrc uint32) []byte {
			return []byte{0x80, 201, 0, 1, byte(ssrc >> 24), byte(ssrc >> 16), byte(ssrc >> 8), byte(ssrc)}
		}
		empty := func(ssrc uint32) []byte { // all of it is padding: it opens, and is no sound
			b := rtp(0, 1, 160, ssrc, []byte{0, 0, 0, 9})
			b[0] |= 0x20
			return b
		}
		c := media.NewCall(device, ulaw, k)
		for ssrc := range uint32(names) {
			for _, b := range [][]byte{c.Seal(report(ssrc)), c.Seal(empty(ssrc))} {
				b[len(b)-1] ^= 1
				c.Packet(b, device)
			}
		}
		if sound, reports := c.Remembers(names); sound+reports > 0 {
			t.Errorf("profile %d: of strangers %d SSRCs of sound and %d of reports are kept", p, sound, reports)
		}
		for ssrc := range uint32(names) {
			c.Packet(c.Seal(report(ssrc)), device)
			c.Packet(c.Seal(empty(ssrc)), device)
		}
		if sound, reports := c.Remembers(names); sound == 0 || reports == 0 || sound > 65 || reports > 65 {
			t.Errorf("profile %d: of the device %d SSRCs of sound and %d of reports are kept, want 1 to 65", p, sound, reports)
		}
		again := c.Seal(report(names))
		was := c.Foreign()
		c.Packet(again, device)
		c.Packet(again, device)
		if got := c.Foreign() - was; got != 1 {
			t.Errorf("profile %d: of a report sent twice %d are refused", p, got)
		}
		c.Round(rtp(0, 0, 0, names, make([]byte, 160)), device) // panics where it is refused
	}
}
