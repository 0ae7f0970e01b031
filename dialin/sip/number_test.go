package sip_test

import (
	"strings"
	"testing"

	"vestibule/dialin/sip"
)

// Who withholds their number has none, in whatever words the trunk says so; and a
// number that is private counts, and is shown to nobody.
func TestWithheldNumbers(t *testing.T) {
	d := open(t, func(c *sip.Config) { c.Peers = trunk("127.0.0.51") })
	const shown, nobody = `"Jeanne" <sip:+33561000009@operator>`, `"Anonymous" <sip:anonymous@anonymous.invalid>`
	for name, c := range map[string]struct {
		from           string
		lines          []string
		number, claims string // of no number: a source of its own
	}{
		"shown":             {shown, nil, "+33561000009", "Jeanne +33561000009"},
		"vouched for":       {shown, []string{"P-Asserted-Identity: <tel:+33561000001;ext=5>"}, "+33561000001", "Jeanne +33561000001"},
		"a name is no word": {shown, []string{`P-Asserted-Identity: "sip:77;" <sip:+33561000001@operator>`}, "+33561000001", "Jeanne +33561000001"},
		"withheld":          {nobody, nil, "", "Anonymous"},
		"at the operator's": {`"Anonymous" <sip:Anonymous@operator>`, nil, "", "Anonymous"},
		"restricted":        {`<sip:restricted@operator>`, nil, "", "restricted"},
		"unavailable":       {`<sip:unavailable@operator>`, nil, "", "unavailable"},
		"unknown":           {`<sip:UNKNOWN@operator>`, nil, "", "UNKNOWN"},
		"some at nobody's":  {`<sip:77@anonymous.invalid>`, nil, "", "77"},
		"vouched: nobody":   {nobody, []string{"P-Asserted-Identity: " + nobody}, "", "Anonymous"},
		"vouched, withheld": {nobody, []string{"P-Asserted-Identity: <sip:+33561000001@operator>"}, "+33561000001", "Anonymous"},
		"id":                {nobody, []string{"P-Asserted-Identity: <sip:+33561000001@operator>", "Privacy: id;critical"}, "+33561000001", "Anonymous"},
		"id, with a From":   {shown, []string{"P-Asserted-Identity: <sip:+33561000001@operator>", "Privacy: id"}, "+33561000001", ""},
		"header":            {shown, []string{"Privacy: header"}, "+33561000009", ""},
		"user":              {shown, []string{"Privacy: user; id"}, "+33561000009", ""},
		"none":              {shown, []string{"Privacy: none"}, "+33561000009", "Jeanne +33561000009"},
	} {
		q := dialFrom(t, d, "udp", "127.0.0.51")
		q.raw(strings.ReplaceAll(q.request("INVITE", meetingURI, q.sdp(), c.lines...), `"Salle 1" <sip:salle1@phone>`, c.from))
		r := q.final("INVITE")
		if r.code != 200 {
			t.Fatalf("%s: INVITE is answered %q", name, r.start)
		}
		q.confirm(r, "")
		who := (<-d.calls).Caller()
		if who.Line.Claims != c.claims {
			t.Errorf("%s: the host sees %q, want %q", name, who.Line.Claims, c.claims)
		}
		if c.number == "" && (!strings.HasPrefix(who.Source, "peer:operator:call:") || who.Crowd != "peer:operator:withheld") {
			t.Errorf("%s: counts as %q in %q, want a source of its own, in the crowd of those who withhold", name, who.Source, who.Crowd)
		}
		if c.number != "" && (who.Source != "peer:operator:"+c.number || who.Crowd != "") {
			t.Errorf("%s: counts as %q in %q, want its number %s", name, who.Source, who.Crowd, c.number)
		}
	}
}
