package lobby

import (
	"slices"
	"strings"

	"vestibule/meeting"
)

// Voucher is an identity provider and the claims that it keeps.
type Voucher struct {
	ID   string
	Keep []string
}

// Require completes the claim that an invitation shall ask, or answers which part of
// it is wrong: "claim" where nobody could ever meet it, "provider" where it must
// be said who vouches for it, or "value".
func (l *Lobby) Require(m meeting.Match) (asked meeting.Match, wrong string) {
	known := m.Provider == "" || slices.ContainsFunc(l.c.Vouchers, func(v Voucher) bool { return v.ID == m.Provider })
	switch {
	case m == meeting.Match{}:
		return m, ""
	case !known:
		return m, "provider"
	case m.Claim == meeting.EmailClaim:
		return m, bad(!meeting.Address(m.Value), "value")
	case m.Claim == meeting.DomainClaim:
		m.Value = strings.TrimPrefix(meeting.FoldAddress(m.Value), "@")
		return m, bad(!meeting.Address("x@"+m.Value), "value")
	case m.Value == "":
		return m, "value"
	}
	var who []string
	claim := m.Claim
	for _, v := range l.c.Vouchers {
		kept := v.keeps(m.Claim)
		if kept != "" && (m.Provider == "" || m.Provider == v.ID) {
			who, claim = append(who, v.ID), kept
		}
	}
	switch len(who) {
	case 0:
		return m, "claim"
	case 1:
		m.Claim, m.Provider = claim, who[0]
		return m, ""
	}
	return m, "provider"
}

// CutMatch takes the claim out of a line that somebody wrote: "RPPS:899700218896",
// "sub:u1@provider" or "@corp.fr" for any address there. It judges nothing:
// see Require.
func CutMatch(line string) (rest string, m meeting.Match) {
	words := strings.Fields(line)
	i := slices.IndexFunc(words, func(w string) bool {
		claim, value, ok := strings.Cut(w, ":")
		return strings.HasPrefix(w, "@") || ok && claim != "" && value != "" && !strings.ContainsAny(claim, "<@+\"")
	})
	if i < 0 {
		return line, m
	}
	if domain, ok := strings.CutPrefix(words[i], "@"); ok {
		m = meeting.Match{Claim: meeting.DomainClaim, Value: domain}
	} else {
		m.Claim, m.Value, _ = strings.Cut(words[i], ":")
		// What follows the last @ of an address has a dot, an id has none.
		if at := strings.LastIndexByte(m.Value, '@'); at > 0 && !strings.Contains(m.Value[at:], ".") {
			m.Value, m.Provider = m.Value[:at], m.Value[at+1:]
		}
	}
	return strings.Join(slices.Delete(words, i, i+1), " "), m
}

// WriteMatch is CutMatch backwards; empty for what no line can say.
func WriteMatch(m meeting.Match) string {
	word := m.Claim + ":" + m.Value
	switch {
	case m.Claim == "":
		return ""
	case m.Claim == meeting.DomainClaim && m.Provider == "":
		word = "@" + m.Value
	case m.Provider != "":
		word += "@" + m.Provider
	}
	if rest, again := CutMatch(word); rest != "" || again != m {
		return ""
	}
	return word
}

// ClaimName is what an invitee is called of whom a host wrote a claim and no
// name: enough to tell one line from another.
func ClaimName(m meeting.Match) string {
	switch m.Claim {
	case "":
		return ""
	case meeting.DomainClaim, meeting.EmailClaim:
		return CleanText(m.Value, MaxName)
	}
	r := []rune(m.Value)
	return CleanText(m.Claim+" …"+string(r[max(0, len(r)-2):]), MaxName)
}

func bad(is bool, what string) string {
	if is {
		return what
	}
	return ""
}

// keeps answers a claim as the provider spells it; empty: it does not vouch for
// it.
func (v Voucher) keeps(claim string) string {
	all := append([]string{meeting.SubjectClaim}, v.Keep...)
	if i := slices.Index(all, claim); i >= 0 {
		return all[i]
	}
	if i := slices.IndexFunc(all, func(c string) bool { return strings.EqualFold(c, claim) }); i >= 0 {
		return all[i]
	}
	return ""
}

// require completes the claims of a list, and answers the line of the first that
// cannot be asked, from 1; zero: none.
func (l *Lobby) require(list []Invitee) (line int) {
	for i := range list {
		var wrong string
		if list[i].Match, wrong = l.Require(list[i].Match); wrong != "" {
			return i + 1
		}
	}
	return 0
}
