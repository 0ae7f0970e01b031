package media

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
)

// Session is the sound of one call. Its methods may be called by anybody.
type Session struct {
	conn    Conn
	control Conn // nil: no reports
	digits  chan rune
	done    chan struct{}
	ended   sync.Once
	work    sync.WaitGroup

	inMu sync.Mutex
	in   receiver // guarded by inMu

	held atomic.Bool // set under outMu

	pressMu sync.Mutex
	presses presses // guarded by pressMu

	outMu  sync.Mutex
	out    sender // guarded by outMu, like all below
	player player
	room   Room
	sent   uint64
	behind uint64
	unsent uint64
	octets uint64

	// Only the clock uses these. quiet is how many samples ago the device was
	// last reported to.
	quiet      int
	tones      dtmf
	onTone     func(rune)
	heard, say [maxFrame]int16
}

// maxFrame is the most samples that one packet of ours has.
const maxFrame = Rate * 60 / 1000

// Stats is what a session counted.
type Stats struct {
	// Received, Lost, Late and Foreign count packets from the caller: taken,
	// missing, too late to be played, and refused because of their source,
	// number, kind or key.
	Received, Lost, Late, Foreign uint64
	// Sent counts ours; Behind those of them that left 10 ms late or more,
	// Unsent those that the network did not take.
	Sent, Behind, Unsent uint64
	// Delay is how long the jitter buffer holds sound back now.
	Delay time.Duration
	// Heard is when the last good packet came; before the first, when the
	// session began. A caller silent for long has gone.
	Heard time.Time
}

// Start begins to send and to listen. The front end calls it when the caller
// has confirmed the answer (the ACK), not before. remote is the address of
// the offer: packets from any other host are refused, and the port that the
// first good one comes from is the only one from then on. keys encrypt the
// media; nil leaves it in the clear.
func (p *Port) Start(remote netip.AddrPort, f Format, keys *Keys) (*Session, error) {
	s := p.session()
	if err := s.Update(remote, f, keys); err != nil {
		return nil, err
	}
	s.work.Go(s.listen)
	s.work.Go(s.clock)
	if s.control != nil {
		s.work.Go(s.hearReports)
	}
	return s, nil
}

func (p *Port) session() *Session {
	s := &Session{
		conn: p.conn, control: p.control, out: newSender(), tones: newDTMF(),
		digits: make(chan rune, 32), done: make(chan struct{}),
	}
	s.onTone = s.toneHeard
	s.in.plain = make([]byte, 0, maxDatagram)
	s.in.stats.Heard = time.Now()
	return s
}

// Update takes what a later offer of the same call agreed on (re-INVITE). A
// changed address or key is to be locked anew.
func (s *Session) Update(remote netip.AddrPort, f Format, keys *Keys) error {
	f, err := f.check()
	if !remote.IsValid() || remote.Addr().IsUnspecified() || remote.Addr().IsMulticast() || remote.Port() == 0 {
		err = errors.Join(err, errors.New("media: no address to send to"))
	}
	if err := errors.Join(err, keys.check()); err != nil {
		return err
	}
	s.inMu.Lock()
	defer s.inMu.Unlock()
	s.outMu.Lock()
	defer s.outMu.Unlock()
	if err := s.in.agree(remote, f, keys); err != nil {
		return err
	}
	if s.in.locked {
		remote = s.in.from
	}
	return s.out.agree(remote, f, keys)
}

// Play plays the sounds one after the other instead of what is playing; over
// a bridged room, which is turned down meanwhile. The channel is closed when
// the last one has been sent, or when something else takes their place.
func (s *Session) Play(sounds ...Sound) <-chan struct{} {
	done := make(chan struct{})
	s.outMu.Lock()
	defer s.outMu.Unlock()
	select {
	case <-s.done:
		close(done)
	default:
		s.player.play(sounds, false, done)
	}
	return done
}

// Loop plays a sound again and again until Play, Loop or Stop.
func (s *Session) Loop(sound Sound) {
	s.outMu.Lock()
	defer s.outMu.Unlock()
	s.player.play([]Sound{sound}, true, nil)
}

// Stop ends what plays.
func (s *Session) Stop() {
	s.outMu.Lock()
	defer s.outMu.Unlock()
	s.player.stop()
}

// Digits are the keys pressed, 0 to 9, *, # and A to D, however they came, each
// once. Nobody reading for 32 digits loses the rest. Never log them (T57). The
// channel is not closed.
func (s *Session) Digits() <-chan rune { return s.digits }

// Press enters a digit that came by another way than media (SIP INFO, H.245).
// Whatever is no digit is left out.
func (s *Session) Press(digit rune) { s.press(digit, signalled) }

func (s *Session) press(r rune, from source) {
	s.pressMu.Lock()
	defer s.pressMu.Unlock()
	if !s.presses.pass(r, from, time.Now()) {
		return
	}
	select {
	case s.digits <- r:
	default:
	}
}

// Hold stops sending, and keeps what the caller's device plays meanwhile out
// of the room.
func (s *Session) Hold(on bool) {
	s.outMu.Lock()
	defer s.outMu.Unlock()
	s.held.Store(on)
}

// Bridge joins the caller to a room; nil takes them out of it. When it returns
// the room before is no longer called.
func (s *Session) Bridge(r Room) {
	s.outMu.Lock()
	defer s.outMu.Unlock()
	s.room = r
}

// Stats returns the counts so far.
func (s *Session) Stats() Stats {
	s.inMu.Lock()
	st := s.in.stats
	st.Delay = s.in.jitter.Delay()
	s.inMu.Unlock()
	s.outMu.Lock()
	defer s.outMu.Unlock()
	st.Sent, st.Behind, st.Unsent = s.sent, s.behind, s.unsent
	return st
}

// Close ends the session and gives its port back. It returns when nothing is
// sent any more. Closing twice is no fault.
func (s *Session) Close() {
	s.ended.Do(func() {
		s.outMu.Lock()
		close(s.done)
		s.player.stop()
		s.room = nil
		s.outMu.Unlock()
		_ = s.conn.Close()
		if s.control != nil {
			_ = s.control.Close()
		}
	})
	s.work.Wait()
}

// maxDatagram is longer than any packet we believe.
const maxDatagram = 1500

// listen reads the port until it is closed.
func (s *Session) listen() {
	b := make([]byte, maxDatagram)
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// A device that has hung up answers with ICMP; that is no reason
			// to stop listening, but none to spin either.
			select {
			case <-s.done:
				return
			case <-time.After(ptimeDefault):
			}
			continue
		}
		if r := s.packet(b[:n], from); r != 0 {
			s.press(r, event)
		}
	}
}

const ptimeDefault = 20 * time.Millisecond

func (s *Session) packet(b []byte, from netip.AddrPort) rune {
	s.inMu.Lock()
	defer s.inMu.Unlock()
	was := s.in.from
	r := s.in.packet(b, from, time.Now())
	if s.in.locked && s.in.from != was {
		s.outMu.Lock()
		defer s.outMu.Unlock()
		s.out.to = s.in.from
	}
	return r
}

// clock sends a packet each ptime, whatever the packets of the other side do.
func (s *Session) clock() {
	next := time.Now()
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-t.C:
		}
		late := time.Since(next)
		d := s.tick(late)
		next = next.Add(d)
		if late > 5*d {
			next = time.Now().Add(d) // The machine slept; do not send it all at once.
		}
		t.Reset(time.Until(next))
	}
}

// tick is one packet's time: the caller's sound goes to the room, the room's
// and the prompts' to the caller. It returns how long it was.
func (s *Session) tick(late time.Duration) time.Duration {
	s.inMu.Lock()
	n := s.in.format.samples()
	heard := s.heard[:n]
	s.in.jitter.Take(heard)
	s.quiet += n
	due := s.control != nil && s.quiet >= int(reportEvery*Rate/time.Second)
	var block []rtcp.ReceptionReport
	if due {
		block = s.in.block()
	}
	s.inMu.Unlock()
	if !s.held.Load() { // music on hold has tones of its own
		s.tones.hear(heard, s.onTone)
	}

	s.outMu.Lock()
	defer s.outMu.Unlock()
	d := s.out.format.Ptime
	select {
	case <-s.done:
		return d
	default:
	}
	if due {
		s.quiet = 0
		s.tell(block, time.Now())
	}
	if s.held.Load() {
		s.out.pause(n)
		return d
	}
	b, err := s.out.frame(s.mix(heard))
	if err == nil {
		_, err = s.conn.WriteToUDPAddrPort(b, s.out.to)
	}
	if err != nil {
		s.unsent++ // Their number is all there is to say: the next one may pass.
		return d
	}
	s.sent++
	s.octets += uint64(n)
	if late >= 10*time.Millisecond {
		s.behind++
	}
	return d
}

func (s *Session) toneHeard(r rune) { s.press(r, inBand) }

// mix hands the caller's sound to the room and returns what the caller hears.
func (s *Session) mix(heard []int16) []int16 {
	say := s.say[:len(heard)]
	if s.room == nil {
		clear(say)
	} else {
		s.room.Say(heard)
		s.room.Hear(say)
		if s.player.playing() {
			for i := range say {
				say[i] /= 4
			}
		}
	}
	s.player.add(say)
	return say
}
