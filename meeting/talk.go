package meeting

import "time"

// MaxWords bounds what host and guest say to one another through the door, in
// characters.
const MaxWords = 300

// Talk is what the host and one who waits said to one another. It is shown to
// these two alone, stands in no entry of the trail, and is forgotten with the
// admission's document.
type Talk struct {
	// Held is when the host last asked the guest to hold on; zero: never.
	Held time.Time `json:"held,omitzero"`
	// Message is what the host said with it.
	Message string `json:"message,omitempty"`
	// Question is the host's one question; Asks counts them, so that an answer
	// to an earlier one is not taken for an answer to this.
	Question string `json:"question,omitempty"`
	Asks     int    `json:"asks,omitempty"`
	// Reply is the guest's answer. It is typed and proves nothing.
	Reply   string    `json:"reply,omitempty"`
	Replied time.Time `json:"replied,omitzero"`
	// Why and Farewell are the reason and the words that went with a refusal.
	Why      Why    `json:"why,omitempty"`
	Farewell string `json:"farewell,omitempty"`
}

// Open reports whether a question still has no answer.
func (t *Talk) Open() bool { return t.Question != "" && t.Replied.IsZero() }

// Why is the reason a host chose for a refusal, shown in the guest's own
// language. Empty gives none.
type Why string

// The reasons a host may give.
const (
	NoWhy   Why = ""
	Another Why = "another" // this is another meeting than the guest's
	Later   Why = "later"   // not now: come back or be called
	Unknown Why = "unknown" // the host does not know who this is
)

// Known reports whether the reason is one that pages have words for.
func (w Why) Known() bool { return w == NoWhy || w == Another || w == Later || w == Unknown }

// waiter answers the one who waits, for a host who wants to talk to them.
func waiter(d *Docs, by Key) (*Admission, *Refusal) {
	if no := byHost(d, by); no != nil {
		return nil, no
	}
	switch {
	case d.Admission.ID == "":
		return nil, Refuse(NotFound)
	case d.Admission.State != Waiting:
		return nil, Refuse(Stale)
	}
	return &d.Admission, nil
}

// Hold asks one who waits for a little more patience, with words or without. A
// caller keeps hearing that they wait: words would not reach them.
type Hold struct {
	By      Key
	Message string // cleaned
}

func (e Hold) apply(d *Docs, now time.Time) (What, string, Key, *Refusal) {
	a, no := waiter(d, e.By)
	switch {
	case no != nil:
		return "", "", "", no
	case e.Message != "" && a.Line.Kind != "":
		return "", "", "", &Refusal{Reason: Invalid, Field: "message"}
	case !a.Talk.Held.IsZero() && a.Talk.Message == e.Message:
		return "", "", "", nil
	}
	a.Talk.Held, a.Talk.Message = now, e.Message
	return WasHeld, "host", e.By, nil
}

// Ask puts one question to one who waits on a page. A new one takes the place
// of the last.
type Ask struct {
	By       Key
	Question string // cleaned
}

func (e Ask) apply(d *Docs, _ time.Time) (What, string, Key, *Refusal) {
	a, no := waiter(d, e.By)
	switch {
	case no != nil:
		return "", "", "", no
	case e.Question == "" || a.Line.Kind != "": // a telephone has nothing to read it from
		return "", "", "", &Refusal{Reason: Invalid, Field: "question"}
	case a.Talk.Open() && a.Talk.Question == e.Question:
		return "", "", "", nil
	}
	a.Talk.Question, a.Talk.Reply, a.Talk.Replied = e.Question, "", time.Time{}
	a.Talk.Asks++
	return WasAsked, "host", e.By, nil
}

// Reply is a guest's answer to the question with the number. Whoever answers
// is still there.
type Reply struct {
	Asks int
	Text string // cleaned
}

func (e Reply) apply(d *Docs, now time.Time) (What, string, Key, *Refusal) {
	a := &d.Admission
	switch {
	case a.ID == "":
		return "", "", "", Refuse(NotFound)
	case a.State != Waiting || !a.Talk.Open() || a.Talk.Asks != e.Asks:
		return "", "", "", Refuse(Stale)
	case e.Text == "":
		return "", "", "", &Refusal{Reason: Invalid, Field: "reply"}
	}
	a.Talk.Reply, a.Talk.Replied, a.Stayed = e.Text, now, now
	return Replied, "", "", nil
}
