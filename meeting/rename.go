package meeting

import "time"

// MaxRenamings bounds how often one who waits may change the name they show:
// the host must be able to read it.
const MaxRenamings = 5

// Rename gives somebody who waits or is inside another display name. What they
// proved stays as it is.
type Rename struct {
	By   Key
	Name string // cleaned
}

func (e Rename) apply(d *Docs, now time.Time) (What, string, Key, *Refusal) {
	if no := byHost(d, e.By); no != nil {
		return "", "", "", no
	}
	a := &d.Admission
	switch {
	case a.ID == "":
		return "", "", "", Refuse(NotFound)
	case e.Name == "":
		return "", "", "", &Refusal{Reason: Invalid, Field: "name"}
	case a.State != Waiting && a.State != Admitted, a.Role == Host:
		return "", "", "", Refuse(Stale) // a host's name is their own
	case a.Name == e.Name:
		return "", "", "", nil
	}
	a.Name, a.Named = e.Name, Named{By: e.By, At: now}
	return Renamed, "host", e.By, nil
}

// Named is who last gave an admission another display name than the one they
// knocked with. Zero: nobody.
type Named struct {
	// By is the host; empty when it was the guest.
	By Key       `json:"by,omitempty"`
	At time.Time `json:"at,omitzero"`
	// Was is the guest's own name before they changed it.
	Was string `json:"was,omitempty"`
	// Count is how often the guest changed it.
	Count int `json:"count,omitempty"`
}

// ByGuest reports whether the guest changed their name while they waited.
func (n *Named) ByGuest() bool { return n.By == "" && n.Count > 0 }

// rename is a guest who waits and knocks again under another name. What a host
// chose stays.
func (a *Admission) rename(name string, now time.Time) (What, *Refusal) {
	switch {
	case name == a.Name, a.Named.By != "":
		return "", nil
	case a.Named.Count >= MaxRenamings:
		return "", Refuse(TooMany)
	}
	a.Named = Named{At: now, Was: a.Name, Count: a.Named.Count + 1}
	a.Name = name
	return Renamed, nil
}
