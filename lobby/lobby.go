// Package lobby is where guests arrive, prove who they are, wait and are seen,
// and where a host lets them in, refuses them or puts them out.
//
// It refuses to let anybody into the room who is not admitted in the store, and
// to tell a stranger whether a meeting exists.
package lobby

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"vestibule/mail"
	"vestibule/meeting"
	"vestibule/policy"
	"vestibule/sms"
	"vestibule/store"
)

// Documents is where meetings are kept. An implementation MUST commit all of a
// change or nothing, refuse it with store.ErrConflict when a document read has
// changed, and wrap every doubt in store.ErrUnavailable.
type Documents interface {
	Read(ctx context.Context, m meeting.ID, names ...string) (map[string]store.Doc, error)
	All(ctx context.Context, m meeting.ID) (map[string]store.Doc, error)
	Commit(ctx context.Context, m meeting.ID, c store.Commit) (answer []byte, replayed bool, err error)
	Events(ctx context.Context, m meeting.ID, after string, limit int) ([]store.Event, error)
	Watch(ctx context.Context, wake func(meeting.ID)) error
}

// Shelf finds a host's meetings and those with mails due, keeps dial-in numbers
// and live calls, counts attempts, and lets nodes tell each other who is
// connected to them. Count and Lease MUST be atomic; Release MUST leave alone
// what was indexed since it was leased; Roster MUST forget a node that says
// nothing for the life of its last word, and wake those who watch when it
// changes.
type Shelf interface {
	Index(ctx context.Context, owner string, m meeting.ID, ends, expires time.Time) error
	Owned(ctx context.Context, owner string, from time.Time, limit int) ([]meeting.ID, error)
	Lease(ctx context.Context, owner string, now, until time.Time, limit int) ([]meeting.ID, error)
	Release(ctx context.Context, owner string, m meeting.ID, until, next time.Time) error
	Count(ctx context.Context, kind, key string, limit int, window time.Duration) (bool, error)
	Roster(ctx context.Context, m meeting.ID, node string, who []byte, life time.Duration) (others [][]byte, err error)
	Values
}

// Values keeps small values for a time. Get MUST answer nil for none.
type Values interface {
	Put(ctx context.Context, kind, key string, data []byte, ttl time.Duration) error
	Get(ctx context.Context, kind, key string) ([]byte, error)
	Delete(ctx context.Context, kind, key string) error
}

// Backend is the conference server. Open MUST be idempotent; Remove of a person
// who is not there MUST be no error.
type Backend interface {
	Open(ctx context.Context, room string) error
	Remove(ctx context.Context, room, admission string) error
	Close(ctx context.Context, room string) error
}

// Mailer hands mails over. It MUST answer *mail.Fault when the mail's own
// server refuses, and name no address in an error.
type Mailer interface {
	Invitation(ctx context.Context, m mail.Invite) error
	Cancel(ctx context.Context, m mail.Invite) error
	Reminder(ctx context.Context, m mail.Invite) error
	Code(ctx context.Context, m mail.Code) error
}

// Texter hands codes to telephones. It MUST answer *sms.Fault when they cannot
// leave, and name no number in an error.
type Texter interface {
	Code(ctx context.Context, c sms.Code) error
}

// Cutter ends every channel of one admission on this node, at once and for
// good. It MUST return when that is done, and nil when there was none.
type Cutter interface {
	Cut(ctx context.Context, admission string) error
}

// Channel is a Cutter with the word the host is shown for it.
type Channel struct {
	Name string // "signalling", "relay"
	Cutter
}

// Relay carries media beside the connections that the front counts. Holds MUST
// answer whether it has relays of an admission on this node or would give any;
// Rest MUST end them if idle says so, asked while none is given, and give none
// until it issues credentials again.
type Relay interface {
	Cutter
	Holds(admission string) bool
	Rest(ctx context.Context, admission string, idle func() bool) error
}

// Config says what the lobby stands on.
type Config struct {
	Documents Documents
	Shelf     Shelf
	Backend   Backend
	Renamer   Renamer // nil: the conference server cannot rename
	Muter     Muter   // nil: the conference server cannot mute
	Mailer    Mailer  // nil: no mail leaves, links are handed over by the host
	Texter    Texter  // nil: no SMS leaves
	Cutters   []Channel
	Rules     *policy.Rules // nil: the built-in rules
	// Secret keys every fingerprint and link; at least 32 bytes. Changing it
	// kills every link and code.
	Secret []byte
	// Door is the door origin, for the links in mails: "https://visio.example.org".
	Door string
	// Dial is what a telephone or room device dials to reach the door, as
	// mails say it: "sip:visio.example.org", "+33 5 61 00 00 00". Empty: there
	// is no phone door, and nobody gets a number or code.
	Dial []string
	// Emails is what hosts see of the addresses of those they invite. Default
	// EmailsFull.
	Emails Emails
	// Names is the site's rule for guests' names. Default NamesFree.
	Names NameRule
	// Vouchers are the providers that invitations may ask a claim of.
	Vouchers []Voucher
	// SharedCodes lets a host open one code for a meeting that anybody may
	// dial. It proves nobody: who comes by it is never let in by a rule.
	SharedCodes bool
	// Chime tells callers by a short tone of who comes and goes, where the host
	// does not say.
	Chime bool
	// LinkInCalendar puts the personal link into calendar entries, which others
	// may be able to read.
	LinkInCalendar bool
	// Remind is how long before the start invitees are reminded, where the
	// host does not say. Zero: they are not. Each at most 7 days.
	Remind meeting.Reminders
	// Contact is whom a guest may call, shown in mails and pages.
	Contact string
	// Early is how long before its start a link begins to work, where the host
	// does not say. Zero: not before it; at most 24h.
	Early time.Duration
	// Grace is how long after its end a meeting may still be entered, where the
	// host does not say. Zero: no longer; at most 12h.
	Grace time.Duration
	// Keep is how long after its end a meeting's documents are kept. Default
	// 24h; 1h to 8760h (CNIL: traces at most one year).
	Keep time.Duration
	// KeepIncidents is how long what a host reported is kept, whatever becomes
	// of its meeting. Default 4320h; 24h to 8760h (CNIL: at most one year).
	KeepIncidents time.Duration
	// State is a folder of this node's own, where an expulsion that the store
	// did not confirm survives a restart. Empty: it does not.
	State  string
	Logger *slog.Logger
}

// Lobby is the product. Its methods may be called at the same time.
type Lobby struct {
	c    Config
	log  *slog.Logger
	node string // told from others, in rosters

	mu       sync.Mutex
	followed map[meeting.ID]*live // guarded by mu
	passes   sync.Map             // [32]byte fingerprint of a pass -> *Seat
	journal  journal
	seats    sync.Map           // admission id -> *Seat
	losses   []loss             // guarded by mu: whose channels are still to be cut
	outlaws  sync.Map           // outlaw -> time.Time at which the store confirmed, zero before
	flights  singleflight.Group // refreshes under way for Live, by meeting
	sends    singleflight.Group // codes on their way, by attempt
	dirty    chan *live
	lost     chan struct{} // losses has something
	removing chan struct{} // a place for each removal at the conference server
	posting  chan struct{} // a mail may be due
	pace     pace
	relay    Relay // nil: none
}

// The bounds of a meeting's opening hours.
const (
	maxEarly = 24 * time.Hour
	maxGrace = 12 * time.Hour

	// MaxRemind bounds how long before the start somebody is reminded.
	MaxRemind = 7 * 24 * time.Hour
)

// New returns a lobby, or every fault of the configuration.
func New(c Config) (*Lobby, error) {
	var faults []error
	fault := func(bad bool, what string) {
		if bad {
			faults = append(faults, errors.New("lobby: "+what))
		}
	}
	fault(c.Documents == nil, "Documents is missing")
	fault(c.Shelf == nil, "Shelf is missing")
	fault(c.Backend == nil, "Backend is missing")
	fault(len(c.Secret) < 32, "Secret needs at least 32 bytes")
	fault(c.Door == "", "Door is missing")
	c.Emails = or(c.Emails, EmailsFull)
	fault(c.Emails != EmailsFull && c.Emails != EmailsMasked && c.Emails != EmailsHidden, "Emails must be full, masked or hidden")
	c.Names = or(c.Names, NamesFree)
	fault(c.Names != NamesFree && c.Names != NamesInitials && c.Names != NamesIdentity, "Names must be free, initials or identity")
	c.Keep = or(c.Keep, 24*time.Hour)
	c.KeepIncidents = or(c.KeepIncidents, 180*24*time.Hour)
	fault(c.Early < 0 || c.Early > maxEarly, "Early must be between 0 and 24h")
	fault(c.Grace < 0 || c.Grace > maxGrace, "Grace must be between 0 and 12h")
	fault(c.Keep < time.Hour || c.Keep > 365*24*time.Hour, "Keep must be between 1h and 8760h")
	fault(c.KeepIncidents < 24*time.Hour || c.KeepIncidents > 365*24*time.Hour, "KeepIncidents must be between 24h and 8760h")
	fault(!goodReminders(c.Remind), "Remind must be between 0 and 168h")
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if c.Rules == nil {
		c.Rules = policy.Default()
	}
	l := &Lobby{
		c: c, log: c.Logger, node: rand.Text(), followed: map[meeting.ID]*live{},
		dirty: make(chan *live, 1024), lost: make(chan struct{}, 1), removing: make(chan struct{}, removals), posting: make(chan struct{}, posts), pace: steady(),
	}
	l.journal.check = func(line []byte) string { return hex.EncodeToString(l.mac("journal", line)[:8]) }
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	return l, nil
}

// Open reads what Config.State holds of expulsions that the store has still to
// be told of: those stay out from the first request on. Call it before Run.
func (l *Lobby) Open(ctx context.Context) error {
	if l.c.State == "" {
		l.log.WarnContext(ctx, "no state folder: an expulsion while the store is away is lost with this process")
		return nil
	}
	bad, err := l.journal.load(l.c.State)
	if bad > 0 {
		l.log.WarnContext(ctx, "unreadable lines in the journal of expulsions", slog.Int("lines", bad))
	}
	for _, u := range l.journal.pending() {
		l.log.InfoContext(ctx, "expulsion still to be confirmed", slog.String("meeting", string(u.meeting)), slog.String("admission", u.admission))
		for _, o := range u.outlaws() {
			l.outlaws.Store(o, time.Time{})
		}
	}
	return err
}

// AddCutter adds a channel that an expulsion must end. Call it before Run.
func (l *Lobby) AddCutter(c Channel) { l.c.Cutters = append(l.c.Cutters, c) }

// AddRelay adds the relay as a channel. Call it before Run.
func (l *Lobby) AddRelay(name string, r Relay) {
	l.relay = r
	l.AddCutter(Channel{Name: name, Cutter: r})
}

// Defaults answers the settings of a meeting whose host does not say.
func (l *Lobby) Defaults() meeting.Settings {
	return meeting.Settings{Early: l.c.Early, Grace: l.c.Grace, Remind: l.c.Remind, Chime: l.c.Chime}
}

// Dials reports whether there is a phone door.
func (l *Lobby) Dials() bool { return len(l.c.Dial) > 0 }

func goodReminders(r meeting.Reminders) bool {
	for _, d := range r {
		if d < 0 || d > MaxRemind {
			return false
		}
	}
	return true
}

func or[T comparable](v, d T) T {
	var zero T
	if v == zero {
		return d
	}
	return v
}
