package media

import "time"

// jitter puts the caller's sound in order and holds it back just long enough
// that it need not be interrupted. It works by timestamps, not by packets:
// sound of any packet size, doubled or out of order, falls into its place.
type jitter struct {
	codec Codec
	// ring has the codes that have come, marked with here, by timestamp.
	ring [ringSize]uint16
	play uint32 // the timestamp that is played next
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
	here     = 0x100

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
func (j *jitter) begin(ts uint32, delay int) {
	clear(j.ring[:])
	j.play, j.on = ts-uint32(delay), true
	j.least, j.most, j.mostBefore, j.packets = delay, delay, delay, 0
	j.lates, j.astray, j.hold, j.skip = 0, 0, 0, 0
}

// put takes the codes of one packet. It returns false when they come too late.
func (j *jitter) put(ts uint32, codes []byte) bool {
	if !j.on {
		j.begin(ts, minDelay)
	}
	ahead := int(int32(ts - j.play))
	if ahead < -maxDelay || ahead+len(codes) > ringSize {
		return j.stray(ts, codes)
	}
	j.astray = 0
	if j.learn(ahead); j.lates >= manyLate {
		j.begin(ts, j.spread())
		ahead = int(int32(ts - j.play))
	}
	late := 0
	if ahead < 0 {
		late = min(-ahead, len(codes))
	}
	for i := late; i < len(codes); i++ {
		j.ring[mod(ts+uint32(i))] = here | uint16(codes[i])
	}
	return late < len(codes)
}

// stray judges a packet from far away. The device may have set its clock anew:
// two packets that agree with each other are believed, one is not.
func (j *jitter) stray(ts uint32, codes []byte) bool {
	near := int32(ts - j.strayTS)
	j.strayTS = ts
	if j.astray++; j.astray < 2 || near < 0 || near > Rate {
		return false
	}
	j.begin(ts, j.spread())
	return j.put(ts, codes)
}

// spread is the delay that the packets of late would have needed.
func (j *jitter) spread() int {
	return min(max(max(j.most, j.mostBefore)-j.least+margin, minDelay), maxDelay)
}

// learn decides from how early packets come whether to fall back or catch up.
func (j *jitter) learn(ahead int) {
	// By the time it is played, the rest of hold will have passed.
	ahead += j.hold
	j.most, j.least = max(j.most, ahead), min(j.least, ahead)
	if ahead >= 0 {
		j.lates = 0
	} else {
		j.lates++
		need := min(margin-ahead, max(maxDelay-max(j.most, j.mostBefore), 0))
		j.hold += need
		j.most, j.mostBefore, j.least = j.most+need, j.mostBefore+need, j.least+need
		j.skip = 0
	}
	if j.packets++; j.packets < window {
		return
	}
	delay := max(j.most, j.mostBefore)
	if spare := min(j.least-2*margin, delay-minDelay); spare > 0 && j.hold == 0 {
		j.skip = min(spare/2+1, 2*margin)
		j.most, j.least = j.most-j.skip, j.least-j.skip
	} else if short := minDelay - delay; short > margin {
		j.hold += short
		j.most, j.least = j.most+short, j.least+short
	}
	j.mostBefore, j.packets = j.most, 0
	j.most, j.least = j.least, j.most
}

// take fills out with what is played next.
func (j *jitter) take(out []int16) {
	if j.skip > 0 {
		j.catchUp()
	}
	for i := range out {
		switch c := j.ring[mod(j.play)]; {
		case !j.on || j.hold > 0:
			j.hold = max(j.hold-1, 0)
			out[i] = j.conceal.missing()
			continue
		case c == 0:
			out[i] = j.conceal.missing()
		default:
			j.ring[mod(j.play)] = 0
			out[i] = j.conceal.good(j.codec.decode(byte(c)))
		}
		j.play++
	}
}

// catchUp leaves skip samples out, gliding over the place where they were.
func (j *jitter) catchUp() {
	n := uint32(j.skip)
	j.skip = 0
	for i := range uint32(blend) {
		a, b := j.ring[mod(j.play+i)], j.ring[mod(j.play+n+i)]
		if a != 0 && b != 0 {
			v := int(j.codec.decode(byte(a)))*(blend-int(i)) + int(j.codec.decode(byte(b)))*int(i)
			var code [1]byte
			j.codec.encode(code[:], []int16{int16(v / blend)})
			j.ring[mod(j.play+n+i)] = here | uint16(code[0])
		}
	}
	for range n {
		j.ring[mod(j.play)] = 0
		j.play++
	}
}

// delay is how long sound is held back at most.
func (j *jitter) delay() time.Duration {
	return time.Duration(max(j.most, j.mostBefore)) * time.Second / Rate
}
