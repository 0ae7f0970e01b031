package policy

import (
	"strings"

	"github.com/cedar-policy/cedar-go"

	"vestibule/meeting"
)

// attribute is one line of the schema and how it is read from Facts.
type attribute struct {
	name string
	// bits is where Facts.bits keeps it; none where it is not a matter of yes
	// or no.
	bits  bits
	value func(f *Facts) cedar.Value
}

// attributes are the lines of one record.
type attributes []attribute

func personAttributes() attributes {
	return attributes{
		{"method", methodBits, func(f *Facts) cedar.Value { return method(f.Person.Method) }},
		{"issuer", 0, func(f *Facts) cedar.Value { return cedar.String(f.Person.Issuer) }},
		{"member", memberBit, func(f *Facts) cedar.Value { return cedar.Boolean(f.Person.Member) }},
		{"acr", 0, func(f *Facts) cedar.Value { return cedar.String(f.Person.ACR) }},
		{"amr", 0, func(f *Facts) cedar.Value { return set(f.Person.AMR) }},
		{"email_verified", emailBit, func(f *Facts) cedar.Value { return cedar.Boolean(f.Person.EmailVerified) }},
		{"email_domain", 0, func(f *Facts) cedar.Value { return emailDomain(f) }},
		{"organisation", 0, func(f *Facts) cedar.Value { return cedar.String(f.Person.Organisation) }},
	}
}

func meetingAttributes() attributes {
	return attributes{
		{"phase", phaseBit, func(f *Facts) cedar.Value { return phase(f.Meeting.Phase) }},
		{"locked", lockedBit, func(f *Facts) cedar.Value { return cedar.Boolean(f.Meeting.Locked) }},
		{"host_inside", insideBit, func(f *Facts) cedar.Value { return cedar.Boolean(f.Meeting.HostInside) }},
		{"join_before_host", beforeBit, func(f *Facts) cedar.Value { return cedar.Boolean(f.Meeting.JoinBeforeHost) }},
		{"admits_members", admitsBit, func(f *Facts) cedar.Value { return cedar.Boolean(f.Meeting.AdmitsMembers) }},
		{"starts", 0, func(f *Facts) cedar.Value { return cedar.NewDatetime(f.Meeting.Starts) }},
		{"ends", 0, func(f *Facts) cedar.Value { return cedar.NewDatetime(f.Meeting.Ends) }},
	}
}

func contextAttributes() attributes {
	return attributes{
		{"now", 0, func(f *Facts) cedar.Value { return cedar.NewDatetime(f.Now) }},
		{"back", backBit, func(f *Facts) cedar.Value { return cedar.Boolean(f.Back) }},
		{"invited", invitedBit, func(f *Facts) cedar.Value { return cedar.Boolean(f.Invitation.Present) }},
		{"invited_as", asBit, func(f *Facts) cedar.Value { return role(f.Invitation.Role) }},
		{"claim_matches", claimBit, func(f *Facts) cedar.Value { return cedar.Boolean(f.Invitation.MatchesClaim) }},
		{"address_matches", addressBit, func(f *Facts) cedar.Value { return cedar.Boolean(f.Invitation.AddressMatches) }},
		{"used_elsewhere", usedBit, func(f *Facts) cedar.Value { return cedar.Boolean(f.Invitation.UsedElsewhere) }},
		{"member_link", memberLinkBit, func(f *Facts) cedar.Value { return cedar.Boolean(f.Invitation.Members) }},
	}
}

func method(m meeting.Method) cedar.String {
	switch m {
	case meeting.OIDC:
		return "oidc"
	case meeting.Mailbox:
		return "mailbox"
	case meeting.Telephone:
		return "telephone"
	case meeting.DialCode:
		return "dial_code"
	default:
		return ""
	}
}

func phase(p meeting.Phase) cedar.String {
	if p == meeting.Open {
		return "open"
	}
	return "planned"
}

func role(r meeting.Role) cedar.String {
	if r == meeting.Host {
		return "host"
	}
	return "guest"
}

// spellings are the words an attribute can have, so that a misspelt one is a
// fault and not a rule that never applies.
func spellings(attribute string) []string {
	switch attribute {
	case "method":
		return []string{"oidc", "mailbox", "telephone", "dial_code"}
	case "phase":
		return []string{"planned", "open"}
	case "invited_as":
		return []string{"guest", "host"}
	default:
		return nil
	}
}

// emailDomain is empty unless the address is verified: anybody can claim an
// address at a hospital.
func emailDomain(f *Facts) cedar.String {
	if !f.Person.EmailVerified {
		return ""
	}
	return cedar.String(strings.ToLower(f.Person.EmailDomain))
}

func set(words []string) cedar.Set {
	values := make([]cedar.Value, len(words))
	for i, w := range words {
		values[i] = cedar.String(w)
	}
	return cedar.NewSet(values...)
}

// pick keeps the attributes that the rules look at. Building the rest would
// cost more than deciding.
func (a attributes) pick(used map[string]bool) attributes {
	var kept attributes
	for _, at := range a {
		if used[at.name] {
			kept = append(kept, at)
		}
	}
	return kept
}

func (a attributes) record(f *Facts) cedar.Record {
	if len(a) == 0 {
		return cedar.Record{}
	}
	m := make(cedar.RecordMap, len(a))
	for _, at := range a {
		m[cedar.String(at.name)] = at.value(f)
	}
	return cedar.NewRecord(m)
}

// personID, meetingID and the two questions are the same in every request.
func personID() cedar.EntityUID  { return cedar.EntityUID{Type: "Person", ID: "knocking"} }
func meetingID() cedar.EntityUID { return cedar.EntityUID{Type: "Meeting", ID: "this"} }
func toAdmit() cedar.EntityUID   { return cedar.EntityUID{Type: "Action", ID: "admit"} }
func toWait() cedar.EntityUID    { return cedar.EntityUID{Type: "Action", ID: "wait"} }

// request is one knock in Cedar's terms. It implements cedar.EntityGetter.
type request struct {
	person  cedar.Entity
	meeting cedar.Entity
	context cedar.Record
}

// Get implements cedar.EntityGetter.
func (q *request) Get(uid cedar.EntityUID) (cedar.Entity, bool) {
	switch uid {
	case q.person.UID:
		return q.person, true
	case q.meeting.UID:
		return q.meeting, true
	default:
		return cedar.Entity{}, false
	}
}

func (r *Rules) request(f *Facts) *request {
	return &request{
		person:  cedar.Entity{UID: personID(), Attributes: r.person.record(f)},
		meeting: cedar.Entity{UID: meetingID(), Attributes: r.meeting.record(f)},
		context: r.context.record(f),
	}
}
