package meeting

import "time"

// Correct gives an invitation the name, address and number it should have had,
// and a new link in the place of the old one: whoever was given that is not whom
// the host meant. All three are set; the claim asked and the role stay.
type Correct struct {
	By                 Key
	Name, Email, Phone string
}

func (e Correct) apply(d *Docs, now time.Time) (What, string, Key, *Refusal) {
	if no := byHost(d, e.By); no != nil {
		return "", "", "", no
	}
	v := &d.Invitation
	switch {
	case v.ID == "" || v.Shared || v.Members:
		return "", "", "", Refuse(NotFound)
	case v.Name == e.Name && v.Email == e.Email && v.Phone == e.Phone:
		return "", "", "", nil
	case v.Misled(e.Email):
		return "", "", "", Refuse(Stale) // a mail left meanwhile
	}
	if FoldAddress(v.Email) != FoldAddress(e.Email) {
		v.Told = false
	}
	v.Name, v.Email, v.Phone = e.Name, e.Email, e.Phone
	return Revoke{By: e.By, Reissue: true}.apply(d, now)
}

// Misled reports whether another address than the given one may have been sent
// the invitation. Its calendar entry is then taken back there, which one
// invitation with one address cannot do for two.
func (v *Invitation) Misled(email string) bool {
	return v.Email != "" && FoldAddress(v.Email) != FoldAddress(email) && v.reached()
}
