package meeting

import "time"

// DoublePause is how long a host is told once of another device: whoever holds a
// stolen pass could fill their page.
const DoublePause = time.Minute

// Double is another device that came with the pass of somebody whose first one
// is in the room. Took says that it is in the first one's place now; else it was
// turned away.
type Double struct {
	Took bool
}

func (e Double) apply(d *Docs, now time.Time) (What, string, Key, *Refusal) {
	a := &d.Admission
	told := &a.Doubled
	if e.Took {
		told = &a.Replaced
	}
	if a.State != Admitted || now.Sub(*told) < DoublePause {
		return "", "", "", nil
	}
	a.Doubled, *told = now, now
	if e.Took {
		return Replaced, "", "", nil
	}
	return Doubled, "", "", nil
}
