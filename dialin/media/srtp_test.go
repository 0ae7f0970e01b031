package media_test

import (
	"bytes"
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
