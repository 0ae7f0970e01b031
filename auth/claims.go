package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"vestibule/meeting"
)

// maxName bounds a name, in characters; the rest is cut.
const maxName = 120

// claims are a JSON object, its keys taken exactly as written.
type claims map[string]any

func decode(body []byte) (claims, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var c claims
	if err := d.Decode(&c); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one value")
	}
	if c == nil {
		return nil, errors.New("null")
	}
	return c, nil
}

// all returns the values at a path: "idp_id", or "ref.practices[].code"
// through objects and lists. A claim whose name holds dots is found too.
func (c claims) all(path string) []string {
	if v, ok := c[path]; ok {
		return flat(v)
	}
	var v any = map[string]any(c)
	for step := range strings.SplitSeq(path, ".") {
		v = into(v, strings.TrimSuffix(step, "[]"))
	}
	return flat(v)
}

// into goes one step into an object, or into each object of a list.
func into(v any, step string) any {
	switch v := v.(type) {
	case map[string]any:
		return v[step]
	case []any:
		var vs []any
		for _, e := range v {
			if n := into(e, step); n != nil {
				vs = append(vs, n)
			}
		}
		return vs
	default:
		return nil
	}
}

func flat(v any) []string {
	switch v := v.(type) {
	case string:
		if v != "" {
			return []string{v}
		}
	case json.Number:
		return []string{v.String()}
	case bool:
		return []string{strconv.FormatBool(v)}
	case []any:
		var s []string
		for _, e := range v {
			s = append(s, flat(e)...)
		}
		return s
	}
	return nil
}

func (c claims) time(name string) (time.Time, bool) {
	n, ok := c[name].(json.Number)
	if !ok {
		return time.Time{}, false
	}
	f, err := n.Float64()
	if err != nil || f <= 0 || f > 1e11 {
		return time.Time{}, false
	}
	return time.Unix(int64(f), 0), true
}

// true reports whether a claim is the boolean true. Some providers write it
// as a string.
func (c claims) true(name string) bool { return c[name] == true || c[name] == "true" }

// sources returns where claims about the person are read, first come first.
// What is said about the sign-in itself is read from the ID token alone.
func (p *provider) sources(id identity) []claims {
	if p.ClaimsFrom == "userinfo" {
		return []claims{id.userinfo}
	}
	return []claims{id.token, id.userinfo}
}

// find returns the values of the first source that has the claim.
func find(from []claims, path string) ([]string, claims) {
	for _, c := range from {
		if v := c.all(path); len(v) > 0 {
			return v, c
		}
	}
	return nil, nil
}

// join returns the first values of several claims: "given_name usual_name".
func join(from []claims, paths, by string) (s string, complete bool) {
	var parts []string
	complete = true
	for path := range strings.FieldsSeq(paths) {
		v, _ := find(from, path)
		if len(v) == 0 {
			complete = false
			continue
		}
		parts = append(parts, v[0])
	}
	return strings.Join(parts, by), complete && len(parts) > 0
}

// person makes a person of what was checked.
func (p *provider) person(id identity, now time.Time) (meeting.Person, error) {
	from := p.sources(id)
	subject := id.subject
	if p.ClaimMap.Subject != "sub" {
		var ok bool
		if subject, ok = join(from, p.ClaimMap.Subject, "/"); !ok || len(subject) > 255 ||
			strings.Count(subject, "/") != len(strings.Fields(p.ClaimMap.Subject))-1 {
			return meeting.Person{}, p.doubt(meeting.Unverified, "subject_claim")
		}
	}
	email, verified, check := p.email(from)
	if check != "" {
		return meeting.Person{}, p.doubt(meeting.Unverified, check)
	}
	acr, _ := id.token["acr"].(string)
	organisation, _ := join(from, p.ClaimMap.Organisation, ", ")
	if words := p.Organisations[organisation]; words != "" {
		organisation = words
	}
	person := meeting.Person{
		Issuer: id.issuer, Subject: subject, Name: p.name(from), Email: email,
		Evidence: meeting.Evidence{
			Method: meeting.OIDC, Provider: p.Name, ProviderID: p.ID, Organisation: clean(organisation),
			EmailVerified: verified, ACR: acr, AMR: id.token.all("amr"), At: now,
		},
	}
	for _, r := range p.Allow {
		if !r.holds(from, person) {
			return meeting.Person{}, p.doubt(meeting.NotInvited, "allow")
		}
	}
	person.Evidence.Member = p.Member.Claim != "" && p.Member.holds(from, person)
	person.Evidence.Claims = p.kept(from)
	return person, nil
}

func (p *provider) name(from []claims) string {
	paths := []string{p.ClaimMap.Name}
	if p.ClaimMap.Name == "" {
		paths = []string{"name", "given_name family_name", "given_name usual_name"}
	}
	for _, path := range paths {
		if s, ok := join(from, path, " "); ok {
			return clean(s)
		}
	}
	s, _ := join(from, paths[len(paths)-1], " ")
	return clean(s)
}

// email returns the address and whether it is verified. Both come from the
// same source, so that one's address is not vouched for by another.
func (p *provider) email(from []claims) (address string, verified bool, check string) {
	v, source := find(vouching(from), p.ClaimMap.Email)
	if len(v) == 0 {
		v, source = find(from, p.ClaimMap.Email)
	}
	if len(v) == 0 {
		return "", false, ""
	}
	if !meeting.Address(v[0]) {
		return "", false, "email"
	}
	switch p.EmailVerified {
	case "assume":
		// Even then the provider's own no is a no.
		if source["email_verified"] != nil && !source.true("email_verified") {
			return "", false, "email_verified"
		}
		return v[0], true, ""
	case "ignore":
		return v[0], false, ""
	default:
		if !source.true("email_verified") {
			return "", false, "email_verified"
		}
		return v[0], true, ""
	}
}

// vouching returns the sources that say, yes or no, if their address is
// verified.
func vouching(from []claims) []claims {
	return slices.DeleteFunc(slices.Clone(from), func(c claims) bool { return c["email_verified"] == nil })
}

func (p *provider) kept(from []claims) map[string][]string {
	var kept map[string][]string
	for _, k := range p.Keep {
		if v, _ := find(from, k); len(v) > 0 {
			if kept == nil {
				kept = map[string][]string{}
			}
			kept[k] = v
		}
	}
	return kept
}

// holds reports whether the person carries one of the rule's values.
func (r Rule) holds(from []claims, person meeting.Person) bool {
	if r.Claim == "email" {
		return r.holdsAddress(person)
	}
	values, _ := find(from, r.Claim)
	return slices.ContainsFunc(values, func(v string) bool {
		return slices.Contains(r.Values, v) || slices.Contains(r.Values, "*")
	})
}

func (r Rule) holdsAddress(person meeting.Person) bool {
	if !person.Evidence.EmailVerified {
		return false
	}
	a := meeting.FoldAddress(person.Email)
	return slices.ContainsFunc(r.Values, func(v string) bool {
		v = meeting.FoldAddress(v)
		if strings.HasPrefix(v, "@") {
			return strings.HasSuffix(a, v)
		}
		return v == "*" || v == a
	})
}

// clean makes a name of what a provider wrote: one line without controls or
// marks that change the direction of what follows.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), unicode.IsControl(r):
			return ' '
		case r == unicode.ReplacementChar, unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs):
			return -1
		default:
			return r
		}
	}, norm.NFC.String(s))
	rs := []rune(strings.Join(strings.Fields(s), " "))
	return string(rs[:min(len(rs), maxName)])
}
