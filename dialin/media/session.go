package media

import (
	"net/netip"
	"time"
)

// Session is the sound of one call. Its methods may be called by anybody.
type Session struct{}

// Stats is what a session counted.
type Stats struct {
	// Received, Lost, Late and Foreign count packets from the caller: taken,
	// missing, too late to be played, and refused because of their source,
	// number, kind or key.
	Received, Lost, Late, Foreign uint64
	// Sent counts ours; Behind those of them that left 10 ms late or more.
	Sent, Behind uint64
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
	panic("not yet")
}

// Update takes what a later offer of the same call agreed on (re-INVITE). A
// changed address or key is to be locked anew.
func (s *Session) Update(remote netip.AddrPort, f Format, keys *Keys) error { panic("not yet") }

// Play plays the sounds one after the other instead of what is playing; over
// a bridged room, which is turned down meanwhile. The channel is closed when
// the last one has been sent, or when something else takes their place.
func (s *Session) Play(sounds ...Sound) <-chan struct{} { panic("not yet") }

// Loop plays a sound again and again until Play, Loop or Stop.
func (s *Session) Loop(sound Sound) { panic("not yet") }

// Stop ends what plays.
func (s *Session) Stop() { panic("not yet") }

// Digits are the keys pressed, 0 to 9, *, # and A to D, however they came, each
// once. Nobody reading for 32 digits loses the rest. Never log them (T57).
func (s *Session) Digits() <-chan rune { panic("not yet") }

// Press enters a digit that came by another way than media (SIP INFO, H.245).
// Whatever is no digit is left out.
func (s *Session) Press(digit rune) { panic("not yet") }

// Hold stops sending, and keeps what the caller's device plays meanwhile out
// of the room.
func (s *Session) Hold(on bool) { panic("not yet") }

// Bridge joins the caller to a room; nil takes them out of it. When it returns
// the room before is no longer called.
func (s *Session) Bridge(r Room) { panic("not yet") }

// Stats returns the counts so far.
func (s *Session) Stats() Stats { panic("not yet") }

// Close ends the session and gives its port back. It returns when nothing is
// sent any more. Closing twice is no fault.
func (s *Session) Close() { panic("not yet") }
