package room

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/webrtc/v4"

	"vestibule/dialin/media"
)

// leg is one caller in one room. It implements media.Leg.
type leg struct {
	identity string
	party    *party
	// leave takes the caller out of the party; twice is no fault.
	leave func()
	// own is the caller's voice on its way to the rest of the party, only Say
	// puts into it; said is what the party has heard of it. at is how far the
	// caller has listened; all of it, and what follows, guarded by party.mu.
	own  speaker
	said [span]int16
	at   int64
	// here: of the party; inside: in the room; fit: heard well since it was last
	// out of its reach; away: out of it now, since then. deaf counts how often
	// nothing was heard.
	here, inside, fit, away bool
	since                   time.Time
	deaf                    int

	track  atomic.Pointer[lksdk.LocalTrack]
	cancel func()
	// remove has the conference server put the caller out, again takes them in
	// once more. Join sets both.
	remove func()
	again  func() error
	muted  atomic.Bool
	voice  voice // only Say
	hold   int   // how far the tone of who waits has played; only Hear
	once   sync.Once
	work   sync.WaitGroup

	// lookMu lets one look at a time.
	lookMu sync.Mutex

	mu   sync.Mutex
	room *lksdk.Room // guarded by mu, like all below
	pub  *lksdk.LocalTrackPublication
	// joined says that there is somebody to put out, taken that it is not, or
	// not any more, this caller.
	joined, taken bool
	closed        bool
	renewing      bool
	// others is who was there when it was last told; torn is set while the
	// client reconnects, and nobody seems to be.
	others map[string]bool
	torn   bool
	breaks int

	signalMu sync.Mutex
	signals  chan media.Signal // sent to and closed under signalMu
	ended    bool              // guarded by signalMu

	limiter media.Limiter // only Hear
	sum     []int32
}

func newLeg(identity string, p *party, cancel func()) *leg {
	l := &leg{identity: identity, party: p, cancel: cancel, signals: make(chan media.Signal, 64)}
	l.voice = newVoice(&l.track)
	l.leave = func() { p.leave(l) }
	p.add(l)
	return l
}

// Say implements media.Room.
func (l *leg) Say(pcm []int16) {
	if l.muted.Load() {
		l.voice.pause(len(pcm))
		l.own.pause(len(pcm))
		return
	}
	l.voice.say(pcm)
	l.own.say(pcm)
}

// Hear implements media.Room: the sum of all voices but the caller's own.
func (l *leg) Hear(pcm []int16) { l.hear(pcm, time.Now()) }

func (l *leg) hear(pcm []int16, now time.Time) {
	for len(l.sum) < len(pcm) {
		l.sum = append(l.sum, 0)
	}
	sum := l.sum[:len(pcm)]
	if away := l.party.hear(l, sum, now); away > bearable {
		l.wait(sum)
	} else {
		l.hold = 0
	}
	l.limiter.Limit(pcm, sum)
}

// bearable is how long nobody is told that the room is out of reach.
const bearable = 3 * time.Second

// holdTone is made once: it is long, and everybody waits when the conference
// server is away.
var holdTone = sync.OnceValue(media.HoldTone)

// wait adds the tone of who waits: silence alone sounds as if the line were dead.
func (l *leg) wait(sum []int32) {
	tone := holdTone()
	for i := range sum {
		sum[i] += int32(tone[l.hold])
		l.hold = (l.hold + 1) % len(tone)
	}
}

// Mute implements media.Leg.
func (l *leg) Mute(on bool) {
	l.mute(on)
	l.mu.Lock()
	pub := l.pub
	l.mu.Unlock()
	if pub != nil {
		pub.SetMuted(on) // else published does
	}
}

// Signals implements media.Leg.
func (l *leg) Signals() <-chan media.Signal { return l.signals }

// Yield is Close for a caller whose next call has taken their place: whoever is
// in the room under their identity stays.
func (l *leg) Yield() {
	l.mu.Lock()
	l.taken = true
	l.mu.Unlock()
	l.Close()
}

// Close implements media.Leg.
func (l *leg) Close() {
	l.once.Do(func() {
		l.mu.Lock()
		l.closed = true
		room, ours := l.room, l.joined && !l.taken
		l.mu.Unlock()
		l.end(media.NoSignal)
		if ours {
			// The client says goodbye and hangs up on the answer, and then its
			// word may be lost with it: the server would keep a ghost.
			l.remove()
		}
		if room != nil {
			room.Disconnect()
		}
		l.cancel()
	})
	l.work.Wait()
}

// begin runs f, and Close waits for it; not after Close.
func (l *leg) begin(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.work.Go(f)
	return true
}

// ready begins to tell of what happens; those who are there now were before.
func (l *leg) ready() {
	now := l.present()
	l.mu.Lock()
	l.others = now
	l.mu.Unlock()
	l.party.ready(l)
}

// client is that of the conference that counts now; nil before there is one.
func (l *leg) client() *lksdk.Room {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.room
}

// remote asks the client who is there. It calls back while it holds its own
// lock, so ours must not be held.
func (l *leg) remote() []*lksdk.RemoteParticipant {
	if c := l.client(); c != nil {
		return c.GetRemoteParticipants()
	}
	return nil
}

func (l *leg) present() map[string]bool {
	now := map[string]bool{}
	for _, p := range l.remote() {
		now[p.Identity()] = true
	}
	return now
}

// signal tells of s unless nobody has listened for long.
func (l *leg) signal(s media.Signal) {
	l.signalMu.Lock()
	defer l.signalMu.Unlock()
	if l.ended {
		return
	}
	select {
	case l.signals <- s:
	default:
	}
}

// end tells the last signal, which is never lost, and no other after it. Who is
// out of the room hears nothing of it, whether or not anybody hangs up.
func (l *leg) end(s media.Signal) {
	l.leave()
	l.signalMu.Lock()
	defer l.signalMu.Unlock()
	if l.ended {
		return
	}
	l.ended = true
	defer close(l.signals)
	for s != media.NoSignal {
		select {
		case l.signals <- s:
			return
		default:
		}
		select {
		case <-l.signals: // the oldest makes room
		default:
		}
	}
}

// callback is what a conference client calls. One that does not count yet, or
// any more, changes nothing.
func (l *leg) callback(client func() *lksdk.Room) *lksdk.RoomCallback {
	now := func(f func()) {
		if l.client() == client() {
			f()
		}
	}
	cb := lksdk.NewRoomCallback()
	cb.OnParticipantConnected = func(*lksdk.RemoteParticipant) { l.look() }
	cb.OnParticipantDisconnected = func(*lksdk.RemoteParticipant) { l.look() }
	cb.OnReconnecting = func() { now(func() { l.setTorn(true) }) }
	cb.OnReconnected = func() { now(func() { l.setTorn(false) }) }
	cb.OnDisconnected = func() { now(func() { l.disconnected(client().DisconnectReason()) }) }
	cb.OnActiveSpeakersChanged = func(all []lksdk.Participant) { now(func() { l.active(all) }) }
	cb.OnLocalTrackPublished = func(t *lksdk.LocalTrackPublication, _ *lksdk.LocalParticipant) {
		now(func() { l.published(t) }) // and again after the client has started anew
	}
	cb.OnTrackPublished = func(t *lksdk.RemoteTrackPublication, p *lksdk.RemoteParticipant) {
		now(func() { l.ask(t, p.Identity()) })
	}
	cb.OnTrackSubscribed = func(t *webrtc.TrackRemote, _ *lksdk.RemoteTrackPublication, p *lksdk.RemoteParticipant) {
		now(func() { l.receive(t, p.Identity()) })
	}
	cb.OnTrackUnsubscribed = func(t *webrtc.TrackRemote, _ *lksdk.RemoteTrackPublication, _ *lksdk.RemoteParticipant) {
		l.party.forget(t)
	}
	cb.OnTrackMuted = func(t lksdk.TrackPublication, _ lksdk.Participant) { l.mutedBy(t, true) }
	cb.OnTrackUnmuted = func(t lksdk.TrackPublication, _ lksdk.Participant) { l.mutedBy(t, false) }
	return cb
}

// look tells of those who came and went since the last look. The client calls
// back in any order, and for everybody when it reconnects, so what counts is
// who is there.
func (l *leg) look() {
	l.lookMu.Lock()
	defer l.lookMu.Unlock()
	l.mu.Lock()
	breaks := l.breaks
	l.mu.Unlock()
	now := l.present()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.torn || l.breaks != breaks || l.others == nil {
		return
	}
	for id := range now {
		if !l.others[id] {
			l.signal(media.Joined)
		}
	}
	for id := range l.others {
		if !now[id] {
			l.signal(media.Left)
		}
	}
	l.others = now
}

func (l *leg) setTorn(on bool) {
	l.mu.Lock()
	l.torn = on
	l.breaks++
	l.mu.Unlock()
	l.party.torn(l, on, time.Now())
	l.look()
}

// published takes the caller's voice as the room has it now. Nobody who was muted
// is heard again because the line broke.
func (l *leg) published(t *lksdk.LocalTrackPublication) {
	l.mu.Lock()
	l.pub = t
	l.mu.Unlock()
	switch {
	case l.muted.Load():
		t.SetMuted(true)
	case t.IsMuted(): // before anybody listened
		l.mute(true)
	}
}

func (l *leg) mutedBy(t lksdk.TrackPublication, on bool) {
	own, ok := t.(*lksdk.LocalTrackPublication)
	l.mu.Lock()
	ok = ok && own == l.pub
	l.mu.Unlock()
	if ok {
		l.mute(on)
	}
}

// mute is by the caller and by the host alike.
func (l *leg) mute(on bool) {
	if l.muted.Swap(on) == on {
		return
	}
	if on {
		l.signal(media.Muted)
	} else {
		l.signal(media.Unmuted)
	}
}

// disconnected tells why the room has ended for this caller. Who was put out,
// or whose next call has taken their place, leaves nobody behind to put out.
func (l *leg) disconnected(why livekit.DisconnectReason) {
	l.mu.Lock()
	if l.renewing && why == livekit.DisconnectReason_DUPLICATE_IDENTITY {
		l.mu.Unlock()
		return // by ourselves
	}
	switch why {
	case livekit.DisconnectReason_PARTICIPANT_REMOVED, livekit.DisconnectReason_DUPLICATE_IDENTITY,
		livekit.DisconnectReason_ROOM_DELETED, livekit.DisconnectReason_ROOM_CLOSED:
		l.taken = true
	default:
	}
	l.mu.Unlock()
	switch why {
	case livekit.DisconnectReason_CLIENT_INITIATED:
		l.end(media.NoSignal)
	case livekit.DisconnectReason_PARTICIPANT_REMOVED, livekit.DisconnectReason_DUPLICATE_IDENTITY:
		l.end(media.Removed)
	case livekit.DisconnectReason_ROOM_DELETED, livekit.DisconnectReason_ROOM_CLOSED:
		l.end(media.Over)
	default:
		l.end(media.Lost)
	}
}

// listen asks for all voices of the room.
func (l *leg) listen() {
	for _, p := range l.remote() {
		for _, t := range p.TrackPublications() {
			if t, ok := t.(*lksdk.RemoteTrackPublication); ok {
				l.ask(t, p.Identity())
			}
		}
	}
}

// ask asks for a track if it is sound that the party needs.
func (l *leg) ask(t *lksdk.RemoteTrackPublication, identity string) {
	if t.Kind() == lksdk.TrackKindAudio && l.party.wants(l, identity) {
		_ = t.SetSubscribed(true) // else the client reconnects, and asks again
	}
}
