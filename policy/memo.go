package policy

import (
	"sync/atomic"

	"vestibule/meeting"
)

// bits are the facts that are a matter of yes or no, or of a few words. Most
// rules look at nothing else; then the same bits are always decided alike.
type bits uint16

const (
	oidcBit bits = 1 << iota
	mailboxBit
	memberBit
	emailBit
	phaseBit
	lockedBit
	insideBit
	beforeBit
	backBit
	invitedBit
	asBit
	claimBit
	addressBit
	usedBit
	memberLinkBit
	admitsBit

	methodBits = oidcBit | mailboxBit // a dial-in code has both, a telephone neither
)

// bits never reaches Cedar with a method, phase or role that has no word:
// builtIn refuses those.
func (f *Facts) bits() bits {
	var b bits
	for _, fact := range [...]struct {
		bit bits
		is  bool
	}{
		{oidcBit, f.Person.Method == meeting.OIDC || f.Person.Method == meeting.DialCode},
		{mailboxBit, f.Person.Method == meeting.Mailbox || f.Person.Method == meeting.DialCode},
		{memberBit, f.Person.Member},
		{emailBit, f.Person.EmailVerified},
		{phaseBit, f.Meeting.Phase == meeting.Open},
		{lockedBit, f.Meeting.Locked},
		{insideBit, f.Meeting.HostInside},
		{beforeBit, f.Meeting.JoinBeforeHost},
		{backBit, f.Back},
		{invitedBit, f.Invitation.Present},
		{asBit, f.Invitation.Role == meeting.Host},
		{claimBit, f.Invitation.MatchesClaim},
		{addressBit, f.Invitation.AddressMatches},
		{usedBit, f.Invitation.UsedElsewhere},
		{memberLinkBit, f.Invitation.Members},
		{admitsBit, f.Meeting.AdmitsMembers},
	} {
		if fact.is {
			b |= fact.bit
		}
	}
	return b
}

// memo remembers decisions by the bits that the rules look at: asking Cedar
// takes microseconds and some thirty allocations, and a full waiting room asks
// the same thing a thousand times. It is never out of date, because the rules
// never change and the bits are all that they see.
type memo struct {
	mask bits
	seen [1 << 16]atomic.Pointer[Decision]
}

// newMemo returns nil where an attribute is looked at that bits do not hold.
func newMemo(records ...attributes) *memo {
	m := &memo{}
	for _, as := range records {
		for _, a := range as {
			if a.bits == 0 {
				return nil
			}
			m.mask |= a.bits
		}
	}
	return m
}

func (m *memo) recall(b bits) (Decision, bool) {
	if m == nil {
		return Decision{}, false
	}
	if d := m.seen[b&m.mask].Load(); d != nil {
		return *d, true
	}
	return Decision{}, false
}

func (m *memo) keep(b bits, d Decision) {
	if m != nil {
		m.seen[b&m.mask].Store(&d)
	}
}
