package meeting

import "time"

// Mute is a host who takes somebody's sound from the room. It changes nothing of
// what is kept: they speak again when they like.
type Mute struct{ By Key }

func (e Mute) apply(d *Docs, _ time.Time) (What, string, Key, *Refusal) {
	if no := byHost(d, e.By); no != nil {
		return "", "", "", no
	}
	switch {
	case d.Admission.ID == "":
		return "", "", "", Refuse(NotFound)
	case d.Admission.State != Admitted:
		return "", "", "", Refuse(Stale)
	}
	return WasMuted, "host", e.By, nil
}
