package media

import "math/bits"

// The two laws of ITU-T G.711, by arithmetic: as fast as a table that has to
// share the cache with everything else.

const (
	ulawBias = 0x84
	ulawClip = 32767 - ulawBias
)

// encodeULaw returns the µ-law code of a sample.
func encodeULaw(v int16) byte {
	s, sign := int(v), byte(0)
	if s < 0 {
		s, sign = -s, 0x80
	}
	s = min(s, ulawClip) + ulawBias
	exp := bits.Len16(uint16(s)) - 8
	return ^(sign | byte(exp)<<4 | byte(s>>(exp+3))&0xF)
}

// decodeULaw returns the sample of a µ-law code.
func decodeULaw(c byte) int16 {
	c = ^c
	s := (int(c&0xF)<<3 + ulawBias) << (c >> 4 & 7)
	if c&0x80 != 0 {
		return int16(ulawBias - s)
	}
	return int16(s - ulawBias)
}

// encodeALaw returns the A-law code of a sample.
func encodeALaw(v int16) byte {
	s, mask := int(v)>>3, byte(0xD5)
	if s < 0 {
		s, mask = -s-1, 0x55
	}
	exp := max(bits.Len16(uint16(s))-5, 0)
	return (byte(exp)<<4 | byte(s>>max(exp, 1))&0xF) ^ mask
}

// decodeALaw returns the sample of an A-law code.
func decodeALaw(c byte) int16 {
	c ^= 0x55
	s := int(c&0xF)<<4 + 8
	if exp := c >> 4 & 7; exp > 0 {
		s = (s + 0x100) << (exp - 1)
	}
	if c&0x80 != 0 {
		return int16(s)
	}
	return int16(-s)
}

// encode writes the codes of pcm to dst, which is as long.
func (c Codec) encode(dst []byte, pcm []int16) {
	dst = dst[:len(pcm)]
	if c == PCMA {
		for i, v := range pcm {
			dst[i] = encodeALaw(v)
		}
		return
	}
	for i, v := range pcm {
		dst[i] = encodeULaw(v)
	}
}

// decode returns the sample of one code.
func (c Codec) decode(code byte) int16 {
	if c == PCMA {
		return decodeALaw(code)
	}
	return decodeULaw(code)
}

// ULaw writes the µ-law codes of pcm to dst, which is as long.
func ULaw(dst []byte, pcm []int16) { PCMU.encode(dst, pcm) }

// Linear appends the samples that codes stand for.
func (c Codec) Linear(dst []int16, codes []byte) []int16 {
	for _, code := range codes {
		dst = append(dst, c.decode(code))
	}
	return dst
}
