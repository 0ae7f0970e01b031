package meeting

import "time"

// Alter gives a meeting other times, another title or other settings. What
// invitees must know of raises Sequence.
type Alter struct {
	By       Key
	Title    string
	Starts   time.Time
	Ends     time.Time
	Zone     string
	Lang     string
	Settings Settings
	Expires  time.Time
	// Attempt asks for the same alteration at most once.
	Attempt string
}

func (e Alter) apply(d *Docs, now time.Time) (What, string, Key, *Refusal) {
	if no := byHost(d, e.By); no != nil {
		return "", "", "", no
	}
	m := &d.Meeting
	if e.Attempt != "" && m.Altered == e.Attempt {
		return "", "", "", nil // the first answer was lost
	}
	if no := d.open(now); no != nil {
		return "", "", "", no
	}
	told := m.Title != e.Title || !m.Starts.Equal(e.Starts) || !m.Ends.Equal(e.Ends) || m.Zone != e.Zone
	if !told && m.Lang == e.Lang && m.Settings == e.Settings {
		return "", "", "", nil
	}
	m.Title, m.Starts, m.Ends, m.Zone, m.Lang = e.Title, e.Starts, e.Ends, e.Zone, e.Lang
	m.Settings, m.Expires, m.Altered = e.Settings, e.Expires, e.Attempt
	if told {
		m.Sequence++
	}
	return WasAltered, "host", e.By, nil
}
