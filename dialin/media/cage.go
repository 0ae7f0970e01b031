package media

import (
	"encoding/binary"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

// maxVoices bounds the SSRCs that are remembered of one device. The library
// takes in every one that a packet proves the key for, and lets go of none; the
// device has the key, and four thousand million to name.
const maxVoices = 64

// cage decrypts what a device sends. Reports have a context of their own, so that
// none of them makes the sound forget what it has heard before.
type cage struct {
	keys            *Keys
	sound, reports  *srtp.Context
	voices, tellers int // SSRCs that each has taken in
}

// packet decrypts sound into dst. kept is the SSRC whose wraps are still
// counted when all others are forgotten.
func (c *cage) packet(dst, b []byte, h *rtp.Header, kept uint32) ([]byte, error) {
	_, known := c.sound.ROC(h.SSRC)
	out, err := c.sound.DecryptRTP(dst, b, h)
	if err != nil || known {
		return out, err
	}
	if c.voices++; c.voices <= maxVoices {
		return out, nil
	}
	anew, err := c.keys.opens()
	if err != nil {
		return nil, err
	}
	if wraps, ok := c.sound.ROC(kept); ok {
		anew.SetROC(kept, wraps)
	}
	c.sound, c.voices = anew, 1
	return anew.DecryptRTP(dst, b, h) // so that it is not heard twice
}

// report opens a report, which is at least eight bytes long.
func (c *cage) report(b []byte) error {
	_, known := c.reports.Index(binary.BigEndian.Uint32(b[4:]))
	_, err := c.reports.DecryptRTCP(nil, b, nil)
	if err != nil || known {
		return err
	}
	if c.tellers++; c.tellers <= maxVoices {
		return nil
	}
	anew, err := c.keys.opens()
	if err != nil {
		return err
	}
	c.reports, c.tellers = anew, 1
	_, err = anew.DecryptRTCP(nil, b, nil)
	return err
}
