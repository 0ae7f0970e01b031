package media

// player is what the caller is played, beside the room. The session's lock
// guards it.
type player struct {
	queue []Sound
	at    int // in queue[0]
	again bool
	done  chan struct{} // nil when nobody waits
}

// play begins with other sounds and ends what played before.
func (p *player) play(sounds []Sound, again bool, done chan struct{}) {
	p.stop()
	for _, s := range sounds {
		if len(s) > 0 {
			p.queue = append(p.queue, s)
		}
	}
	p.again, p.done = again, done
	if len(p.queue) == 0 {
		p.stop()
	}
}

func (p *player) stop() {
	if p.done != nil {
		close(p.done)
	}
	clear(p.queue)
	p.queue, p.at, p.again, p.done = p.queue[:0], 0, false, nil
}

func (p *player) playing() bool { return len(p.queue) > 0 }

// add mixes the next samples into out, over what is there.
func (p *player) add(out []int16) {
	for len(out) > 0 && len(p.queue) > 0 {
		s := p.queue[0][p.at:]
		n := min(len(out), len(s))
		for i, v := range s[:n] {
			out[i] = int16(min(max(int(out[i])+int(v), -32768), 32767))
		}
		out = out[n:]
		if p.at += n; p.at < len(p.queue[0]) {
			return
		}
		p.at = 0
		if !p.again {
			p.queue = append(p.queue[:0], p.queue[1:]...)
		}
	}
	if len(p.queue) == 0 && p.done != nil {
		p.stop()
	}
}
