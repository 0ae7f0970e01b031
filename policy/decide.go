package policy

import (
	"cmp"

	"github.com/cedar-policy/cedar-go"

	"vestibule/meeting"
)

// Decide answers a knock. Without rules it refuses everybody but hosts.
func (r *Rules) Decide(f Facts) Decision {
	if d, ok := builtIn(&f); ok {
		return d
	}
	if r == nil || len(r.rules) == 0 {
		return Decision{Rule: NoRule, Reason: meeting.NotInvited}
	}
	d, ok := r.memo.recall(f.bits())
	if !ok {
		d = r.evaluate(f)
		r.memo.keep(f.bits(), d)
	}
	if d.Verdict == Admit && f.Invitation.UsedElsewhere {
		// Whoever brings a link that others used is shown to the host,
		// whatever the rules think of them (T03).
		return Decision{Verdict: Wait, Rule: BuiltIn}
	}
	return d
}

// evaluate asks the rules: admit, else wait, else the reason why not.
func (r *Rules) evaluate(f Facts) Decision {
	q := r.request(&f)
	admits, noAdmit := r.ask(q, r.admit, toAdmit())
	if admits != nil {
		return Decision{Verdict: Admit, Rule: admits.name}
	}
	waits, noWait := r.ask(q, r.wait, toWait())
	if waits != nil {
		return Decision{Verdict: Wait, Rule: waits.name}
	}
	if no := cmp.Or(noWait, noAdmit); no != nil {
		return Decision{Rule: no.name, Reason: no.reason}
	}
	return Decision{Rule: NoRule, Reason: meeting.NotInvited}
}

// builtIn decides what no rule may decide otherwise.
func builtIn(f *Facts) (Decision, bool) {
	m, p := &f.Meeting, &f.Person
	opens, closes := m.Opens, m.Closes
	if opens.IsZero() {
		opens = m.Starts
	}
	if closes.IsZero() {
		closes = m.Ends
	}
	refuse := func(r meeting.Reason) (Decision, bool) { return Decision{Rule: BuiltIn, Reason: r}, true }
	switch {
	case p.Banned:
		return refuse(meeting.Removed)
	case m.Phase == meeting.Cancelled:
		return refuse(meeting.CalledOff)
	case m.Phase > meeting.Open || f.Now.After(closes):
		return refuse(meeting.Over)
	case f.Invitation.Revoked:
		return refuse(meeting.Revoked)
	case f.Invitation.Shared && f.Now.Before(opens):
		return refuse(meeting.TooEarly)
	case f.Invitation.Shared && m.Locked && !f.Back:
		return refuse(meeting.IsLocked)
	case f.Invitation.Shared && f.Invitation.Present:
		// Whoever comes by a code that many share is let in by a host, never
		// by a rule (T52).
		return Decision{Verdict: Wait, Rule: BuiltIn}, true
	case !p.Verified || p.Method == meeting.Unproved || p.Method > meeting.OIDC:
		return refuse(meeting.Unverified)
	case f.Invitation.Members && (!p.Member || p.Method != meeting.OIDC):
		return refuse(meeting.NotInvited)
	case p.Role == meeting.Host && p.Method != meeting.OIDC:
		// A mailbox is not enough to command (T41).
		return refuse(meeting.NotHost)
	case p.Role == meeting.Host:
		return Decision{Verdict: Admit, Rule: ForHost}, true
	case f.Now.Before(opens):
		return refuse(meeting.TooEarly)
	case m.Locked && !f.Back:
		// The host's lock does not hang on a rule that a site may forget.
		return refuse(meeting.IsLocked)
	}
	return Decision{}, false
}

// ask puts one question to the rules that concern it. It returns the rule that
// permits, or the one that forbids, or neither.
func (r *Rules) ask(q *request, rules list, action cedar.EntityUID) (permit, forbid *rule) {
	answer, diag := cedar.Authorize(rules, q, cedar.Request{
		Principal: personID(), Action: action, Resource: meetingID(), Context: q.context,
	})
	// Cedar skips a rule that cannot be evaluated (an overflow, say). For one
	// that forbids that would open the door, so here it forbids.
	for i := range diag.Errors {
		if bad := r.rules[diag.Errors[i].PolicyID]; bad != nil && bad.forbids {
			return nil, bad
		}
	}
	if len(diag.Reasons) == 0 {
		return nil, nil
	}
	first := r.rules[diag.Reasons[0].PolicyID]
	if answer == cedar.Allow {
		return first, nil
	}
	return nil, first
}
