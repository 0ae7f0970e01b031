package lobby

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"vestibule/meeting"
	"vestibule/store"
)

// outcome is what a change answered; it is remembered for the attempt.
type outcome struct {
	No        *meeting.Refusal `json:"no,omitempty"`
	Meeting   meeting.ID       `json:"meeting,omitempty"`
	Admission string           `json:"admission,omitempty"`
	Value     string           `json:"value,omitempty"`
	By        meeting.Method   `json:"by,omitempty"`

	again bool // remembered: this attempt was made before
}

// tx gathers what one attempt at a change has read and wants written.
type tx struct {
	ctx     context.Context
	l       *Lobby
	id      meeting.ID
	read    map[string]store.Doc
	decoded map[string]any // what was read, decoded once
	c       store.Commit
	changed bool
	rounds  int // round trips that read
}

// peek reads the header and one admission, to look only.
func (l *Lobby) peek(ctx context.Context, id meeting.ID, admission string) (meeting.Docs, error) {
	t := &tx{ctx: ctx, l: l, id: id, read: map[string]store.Doc{}}
	t.c.Reads = map[string]uint64{}
	return t.docs("", admission)
}

// load reads documents that are not read yet, in one round trip.
func (t *tx) load(names ...string) error {
	var missing []string
	for _, n := range names {
		if _, ok := t.read[n]; !ok {
			missing = append(missing, n)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	got, err := t.l.c.Documents.Read(t.ctx, t.id, missing...)
	if err != nil {
		return fmt.Errorf("reading meeting %s: %w", t.id, err)
	}
	t.rounds++
	for _, n := range missing {
		t.read[n] = got[n]
		t.c.Reads[n] = got[n].Version
	}
	return nil
}

// docs returns the header and, where named, the invitation and admission.
func (t *tx) docs(invitation, admission string) (d meeting.Docs, err error) {
	names := []string{header}
	if invitation != "" {
		names = append(names, invitationName(invitation))
	}
	if admission != "" {
		names = append(names, admissionName(admission))
	}
	if err := t.load(names...); err != nil {
		return d, err
	}
	err = decode(t, header, &d.Meeting)
	if invitation != "" {
		err = errors.Join(err, decode(t, invitationName(invitation), &d.Invitation))
	}
	if admission != "" {
		err = errors.Join(err, decode(t, admissionName(admission), &d.Admission))
	}
	return d, err
}

// decode gives out what was read. Callers share what it points to: nobody
// changes it, meeting.Apply least of all.
func decode[T any](t *tx, name string, into *T) error {
	if v, ok := t.decoded[name].(T); ok {
		*into = v
		return nil
	}
	v := t.read[name].Value
	if v == nil {
		return nil
	}
	if err := json.Unmarshal(v, into); err != nil {
		// The document's text must not reach a log: it names persons.
		return fmt.Errorf("decoding document of meeting %s", t.id)
	}
	if t.decoded == nil {
		t.decoded = map[string]any{}
	}
	t.decoded[name] = *into
	return nil
}

// apply runs one event and stages the documents that changed.
func (t *tx) apply(d meeting.Docs, e meeting.Event, now time.Time) (meeting.Docs, *meeting.Refusal, error) {
	next, entries, no := meeting.Apply(d, e, now)
	err := errors.Join(
		t.put(header, next.Meeting.ID != "", &next.Meeting),
		t.put(invitationName(next.Invitation.ID), next.Invitation.ID != "", &next.Invitation),
		t.put(admissionName(next.Admission.ID), next.Admission.ID != "", &next.Admission),
	)
	for i := range entries {
		err = errors.Join(err, t.log(&entries[i]))
	}
	return next, no, err
}

// put stages a document if it differs from what was read.
func (t *tx) put(name string, there bool, v any) error {
	if !there {
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding document of meeting %s: %w", t.id, err)
	}
	if string(b) == string(t.read[name].Value) {
		return nil
	}
	if _, ok := t.c.Reads[name]; !ok {
		t.c.Reads[name] = 0
	}
	t.changed = true
	for i := range t.c.Writes {
		if t.c.Writes[i].Name == name {
			t.c.Writes[i].Value = b // a later event of the same change
			return nil
		}
	}
	t.c.Writes = append(t.c.Writes, store.Write{Name: name, Value: b})
	return nil
}

func (t *tx) log(e *meeting.Entry) error {
	b, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encoding event of meeting %s: %w", t.id, err)
	}
	t.c.Events = append(t.c.Events, b)
	t.changed = true
	return nil
}

// still answers store.ErrConflict when what was read is no longer what stands.
// A commit asks the same of the store; an answer that changes nothing must ask
// for itself, else it may mix two moments: an admission of before an expulsion
// with a link of after it.
func (t *tx) still() error {
	if t.rounds < 2 {
		return nil // of one moment
	}
	names := slices.Collect(maps.Keys(t.read))
	got, err := t.l.c.Documents.Read(t.ctx, t.id, names...)
	if err != nil {
		return fmt.Errorf("reading meeting %s: %w", t.id, err)
	}
	for _, n := range names {
		if got[n].Version != t.read[n].Version {
			return store.ErrConflict
		}
	}
	return nil
}

// maxTries bounds how often a change is decided anew when others were quicker.
const maxTries = 24

// change decides and commits until nobody was quicker. The outcome's refusal is
// the answer; an error is a fault or a store that does not answer.
func (l *Lobby) change(ctx context.Context, id meeting.ID, attempt string, decide func(*tx) (outcome, error)) (outcome, error) {
	for try := range maxTries {
		t := &tx{ctx: ctx, l: l, id: id, read: map[string]store.Doc{}}
		t.c = store.Commit{Attempt: attempt, Reads: map[string]uint64{}, Durable: true}
		out, err := decide(t)
		if err != nil {
			return outcome{}, err
		}
		if t.changed {
			out, err = t.commit(out)
		} else {
			err = t.still()
		}
		switch {
		case err == nil && t.changed:
			l.wake(id)
			return out, nil
		case err == nil:
			return out, nil
		case !errors.Is(err, store.ErrConflict):
			return outcome{}, err
		}
		select {
		case <-ctx.Done():
			return outcome{}, fmt.Errorf("changing meeting %s: %w", id, ctx.Err())
		case <-time.After(time.Duration(rand.Int64N(int64(1+try))) * time.Millisecond): //nolint:gosec // jitter, no secret
		}
	}
	return outcome{No: meeting.Refuse(meeting.Busy)}, nil
}

func (t *tx) commit(out outcome) (outcome, error) {
	var err error
	if t.c.Answer, err = json.Marshal(out); err != nil {
		return out, fmt.Errorf("encoding answer: %w", err)
	}
	answer, replayed, err := t.l.c.Documents.Commit(t.ctx, t.id, t.c)
	if err != nil {
		return out, fmt.Errorf("changing meeting %s: %w", t.id, err)
	}
	if replayed {
		out = outcome{}
		if err := json.Unmarshal(answer, &out); err != nil {
			return out, fmt.Errorf("decoding answer of meeting %s", t.id)
		}
		out.again = true
	}
	return out, nil
}

// answered turns an outcome into what callers return: nil or the refusal.
func answered(out outcome, err error) error {
	if err != nil {
		return err
	}
	if out.No != nil {
		return out.No
	}
	return nil
}

// tag scopes an attempt id to one operation; no attempt stays none.
func tag(operation, attempt string) string {
	if attempt == "" {
		return ""
	}
	return operation + ":" + attempt
}
