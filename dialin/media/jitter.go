package media

import "time"

// Buffer puts one voice in order and holds it back just long enough, between
// 40 and 200 ms, that it need not be interrupted. It works by timestamps, not
// by packets: sound of any packet size, doubled or out of order, falls into
// its place, and what is missing is bridged. The zero value is ready. It is
// used by one goroutine at a time.
type Buffer struct {
	// ring has the samples that have come, marked with here, by timestamp.
	ring [ringSize]uint32
	play uint32 // the timestamp that is played next
	end  uint32 // the timestamp after the last sample that has come
	on   bool   // play is set

	// ahead of this and the last window of packets: how long before its turn
	// the most and the least delayed one came, in samples.
	least, most, mostBefore int
	packets                 int
	lates                   int // in a row
	astray                  int // packets in a row that fit nowhere
	strayTS                 uint32

	hold int // samples by which to fall back
	skip int // samples by which to catch up

	conceal conceal
}

const (
	ringSize = 4096 // half a second
	here     = 1 << 16

	minDelay = Rate * 40 / 1000
	maxDelay = Rate * 200 / 1000
	margin   = Rate / 100
	window   = 100 // packets: 2 s of the usual ones
	// manyLate packets in a row are no jitter: the clock is set anew.
	manyLate = 10
	// maxPayload is the longest packet that is believed: 120 ms.
	maxPayload = Rate * 120 / 1000
)

func mod(ts uint32) uint32 { return ts % ringSize }

// begin sets the clock so that ts is played after the delay.
func (b *Buffer) begin(ts uint32, delay int) {
	clear(b.ring[:])
	b.play, b.end, b.on = ts-uint32(delay), ts, true
	b.least, b.most, b.mostBefore, b.packets = delay, delay, delay, 0
	b.lates, b.astray, b.hold, b.skip = 0, 0, 0, 0
}

// Put takes the samples of one packet. It returns false when they come too
// late.
func (b *Buffer) Put(ts uint32, pcm []int16) bool {
	if !b.on {
		b.begin(ts, minDelay)
	}
	ahead := int(int32(ts - b.play))
	if ahead < -maxDelay || ahead+len(pcm) > ringSize {
		return b.stray(ts, pcm)
	}
	b.astray = 0
	if b.learn(ahead); b.lates >= manyLate {
		b.begin(ts, b.spread())
		ahead = int(int32(ts - b.play))
	}
	late := 0
	if ahead < 0 {
		late = min(-ahead, len(pcm))
	}
	for i := late; i < len(pcm); i++ {
		b.ring[mod(ts+uint32(i))] = here | uint32(uint16(pcm[i]))
	}
	if end := ts + uint32(len(pcm)); int32(end-b.end) > 0 {
		b.end = end
	}
	return late < len(pcm)
}

// stray judges a packet from far away. The device may have set its clock anew:
// two packets that agree with each other are believed, one is not.
func (b *Buffer) stray(ts uint32, pcm []int16) bool {
	near := int32(ts - b.strayTS)
	b.strayTS = ts
	if b.astray++; b.astray < 2 || near < 0 || near > Rate {
		return false
	}
	b.begin(ts, b.spread())
	return b.Put(ts, pcm)
}

// spread is the delay that the packets of late would have needed.
func (b *Buffer) spread() int {
	return min(max(max(b.most, b.mostBefore)-b.least+margin, minDelay), maxDelay)
}

// learn decides from how early packets come whether to fall back or catch up.
func (b *Buffer) learn(ahead int) {
	// By the time it is played, the rest of hold will have passed.
	ahead += b.hold
	b.most, b.least = max(b.most, ahead), min(b.least, ahead)
	if ahead >= 0 {
		b.lates = 0
	} else {
		b.lates++
		need := min(margin-ahead, max(maxDelay-max(b.most, b.mostBefore), 0))
		b.hold += need
		b.most, b.mostBefore, b.least = b.most+need, b.mostBefore+need, b.least+need
		b.skip = 0
	}
	if b.packets++; b.packets < window {
		return
	}
	delay := max(b.most, b.mostBefore)
	if spare := min(b.least-2*margin, delay-minDelay); spare > 0 && b.hold == 0 {
		// What is above the bound goes at once, the rest by and by.
		b.skip = max(min(spare/2+1, 2*margin), min(spare, delay-maxDelay))
		b.most, b.least = b.most-b.skip, b.least-b.skip
	} else if short := minDelay - delay; short > margin {
		b.hold += short
		b.most, b.least = b.most+short, b.least+short
	}
	b.mostBefore, b.packets = b.most, 0
	b.most, b.least = b.least, b.most
}

// Take fills out with what is played next. It returns false when that is
// nothing but silence.
func (b *Buffer) Take(out []int16) bool {
	if b.skip > 0 {
		b.catchUp()
	}
	if !b.on || b.conceal.dead() && int32(b.end-b.play) <= 0 {
		held := min(b.hold, len(out))
		b.hold -= held
		b.play += uint32(len(out) - held)
		clear(out)
		return false
	}
	for i := range out {
		switch s := b.ring[mod(b.play)]; {
		case b.hold > 0:
			b.hold--
			out[i] = b.conceal.missing()
			continue
		case s == 0:
			out[i] = b.conceal.missing()
		default:
			b.ring[mod(b.play)] = 0
			out[i] = b.conceal.good(int16(s))
		}
		b.play++
	}
	return true
}

// catchUp leaves skip samples out, gliding over the place where they were.
func (b *Buffer) catchUp() {
	n := uint32(b.skip)
	b.skip = 0
	for i := range uint32(blend) {
		from, to := b.ring[mod(b.play+i)], b.ring[mod(b.play+n+i)]
		if from != 0 && to != 0 {
			v := int(int16(from))*(blend-int(i)) + int(int16(to))*int(i)
			b.ring[mod(b.play+n+i)] = here | uint32(uint16(v/blend))
		}
	}
	for range n {
		b.ring[mod(b.play)] = 0
		b.play++
	}
}

// Delay is how long sound is held back at most.
func (b *Buffer) Delay() time.Duration {
	return time.Duration(max(b.most, b.mostBefore)) * time.Second / Rate
}
