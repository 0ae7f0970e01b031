// Package conference says what a conference server behind the door has to
// offer: rooms that the door opens and ends, a way to put one person out at
// once, and a list of the few paths a browser may reach.
//
// It refuses to know any protocol and imports no backend; each one lives in a
// package below it and passes the contract in conferencetest. Nothing here
// lets anybody in: Kind and Grants are shut when they are zero.
package conference

import (
	"context"
	"io"
	"net/http"
	"net/url"
)

// Backend is a conference server behind the door.
type Backend interface {
	Rooms
	Origin
	Passage
	Capabilities() Capabilities
}

// Rooms is what the door asks of a conference server. An implementation MUST
// be safe for concurrent use, MUST end when ctx ends, and MUST NOT put
// tokens, names or addresses into its errors.
type Rooms interface {
	// Open creates the room if it is absent. Opening twice is no fault.
	Open(ctx context.Context, room string) error
	// Remove puts the admitted person out at once, media included. A person
	// or room that is not there is no fault. It keeps nobody from coming
	// back: the caller revokes the admission before, and asks Participants
	// again after, for somebody who is just entering may be missed.
	Remove(ctx context.Context, room, admission string) error
	// Rename tells the others another name of the admitted person. A person
	// or room that is not there is no fault: the next token has the name.
	Rename(ctx context.Context, room, admission, name string) error
	// Mute takes the sound of the admitted person from the room: all of it
	// that they send now. They can speak again themselves, and nobody else
	// can make them. A person or room that is not there is no fault.
	Mute(ctx context.Context, room, admission string) error
	// Close ends the room for everybody. A room that is not there is no
	// fault.
	Close(ctx context.Context, room string) error
	// Participants lists the admissions that are in the room, as the
	// conference server sees it. A room that is not there is empty.
	Participants(ctx context.Context, room string) ([]string, error)
}

// Origin is where the conference server answers.
type Origin interface {
	// Upstream is its address; the result belongs to the caller.
	Upstream() *url.URL
	// Transport reaches it and nothing else may be configured: certificates,
	// no redirects, no proxy from the environment.
	Transport() http.RoundTripper
}

// Passage decides what passes between an admitted browser and the conference
// server. Its methods are called for live admissions only.
type Passage interface {
	// Allow says what a request is, judged by its method, its path exactly as
	// the browser escaped it, and whether it asks for a web socket. It MUST
	// refuse whatever it does not know.
	Allow(method, path string, upgrade bool) Kind
	// Prepare makes out the request that the conference server receives: it
	// adds the token, whatever the browser sent in its place, and takes away
	// what the browser has no business saying. It MUST return an error for
	// grants without admission or room and for a request Allow refuses; what
	// the browser is to blame for is a *meeting.Refusal.
	Prepare(out *http.Request, g Grants) error
	// Wrap stands between the two halves of an upgraded connection: Read
	// yields what goes to the browser, Write takes what comes from it. relay
	// is called when the server tells the participant of relays; a zero
	// Relay ends the connection. Read, Write and Close of the result MUST
	// NOT wait for one another, and Close MUST end the others at once.
	Wrap(backend io.ReadWriteCloser, g Grants, relay func() Relay, upgrade *http.Response) io.ReadWriteCloser
	// Scrub takes out of an answer that is no upgrade what the browser must
	// not see. Conference servers echo tokens in their complaints.
	Scrub(res *http.Response)
}

// Kind is what a request to the room origin is. The zero value is refused.
type Kind uint8

// The kinds of requests.
const (
	Refuse Kind = iota
	Page        // an ordinary request, answered and done
	Signal      // a web socket that lives as long as the participant is inside
)

// Grants is what one admitted person may do. The zero value grants nothing
// and is refused; an admitted person always hears and sees the others.
type Grants struct {
	// Admission is the admission id. It is the identity at the conference
	// server and the id of the token.
	Admission string
	// Room is the conference server's name of the meeting, minted by us.
	Room string
	// Name is what the other participants see.
	Name string
	// Host marks the host for the others. It gives no right at the
	// conference server: hosts rule at the door, not behind it.
	Host bool
	// Microphone, Camera and Screen may be published; Chat is any other data.
	Microphone, Camera, Screen, Chat bool
}

// Relay is one participant's own way through the TURN server.
type Relay struct {
	URLs                 []string
	Username, Credential string
}

// Zero reports whether the relay leads nowhere.
func (r Relay) Zero() bool {
	return len(r.URLs) == 0 || r.Username == "" || r.Credential == ""
}

// Capabilities is what a backend can do beyond being cut off at the door.
// The zero value can nothing.
type Capabilities struct {
	// Remove puts one person out on the server itself, at once.
	Remove bool
	// Rename gives somebody inside another name without a new token. Where
	// it is false, Rename does nothing.
	Rename bool
	// Mute silences one person. Where it is false, Mute does nothing.
	Mute bool
	// Close ends a meeting on the server itself.
	Close bool
	// Participants are known from the server.
	Participants bool
	// Relay is told to each participant, and no other way for media is.
	Relay bool
	// Grants are enforced one by one by the server.
	Grants bool
}
