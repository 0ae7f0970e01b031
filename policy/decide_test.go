package policy_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"vestibule/meeting"
	"vestibule/policy"
)

// noon is in the middle of the meeting of every test.
func noon() time.Time { return time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC) }

// guest is an invited person who signed in, while the host is inside.
func guest() policy.Facts {
	return policy.Facts{
		Now: noon(),
		Meeting: policy.Meeting{
			Phase: meeting.Open, HostInside: true,
			Starts: noon().Add(-time.Hour), Ends: noon().Add(time.Hour),
			Opens: noon().Add(-2 * time.Hour), Closes: noon().Add(2 * time.Hour),
		},
		Invitation: policy.Invitation{Present: true, MatchesClaim: true, AddressMatches: true},
		Person: policy.Person{
			Verified: true, Method: meeting.OIDC, Issuer: "https://id.example.org", ACR: "eidas1",
			AMR: []string{"pwd", "otp"}, EmailVerified: true, EmailDomain: "example.org",
		},
	}
}

func host() policy.Facts {
	f := guest()
	f.Invitation = policy.Invitation{}
	f.Person.Role = meeting.Host
	return f
}

func TestDecideByDefault(t *testing.T) {
	wait := policy.Decision{Verdict: policy.Wait, Rule: "invited"}
	admit := policy.Decision{Verdict: policy.Admit, Rule: "admitted-before"}
	asHost := policy.Decision{Verdict: policy.Admit, Rule: policy.ForHost}
	refuse := func(r meeting.Reason) policy.Decision {
		return policy.Decision{Rule: policy.BuiltIn, Reason: r}
	}
	change := func(f policy.Facts, how func(*policy.Facts)) policy.Facts { how(&f); return f }
	for name, c := range map[string]struct {
		facts policy.Facts
		want  policy.Decision
	}{
		"nothing known":   {policy.Facts{}, refuse(meeting.Unverified)},
		"invited":         {guest(), wait},
		"host away":       {change(guest(), func(f *policy.Facts) { f.Meeting.HostInside = false; f.Meeting.Phase = meeting.Planned }), wait},
		"mailbox only":    {change(guest(), func(f *policy.Facts) { f.Person.Method = meeting.Mailbox }), wait},
		"uninvited":       {change(guest(), func(f *policy.Facts) { f.Invitation = policy.Invitation{} }), policy.Decision{Rule: policy.NoRule, Reason: meeting.NotInvited}},
		"somebody else":   {change(guest(), func(f *policy.Facts) { f.Invitation.MatchesClaim = false }), policy.Decision{Rule: "somebody-else", Reason: meeting.NotYou}},
		"used elsewhere":  {change(guest(), func(f *policy.Facts) { f.Invitation.UsedElsewhere = true }), wait},
		"back":            {change(guest(), func(f *policy.Facts) { f.Back = true }), admit},
		"unverified":      {change(guest(), func(f *policy.Facts) { f.Person.Verified = false }), refuse(meeting.Unverified)},
		"unproved":        {change(guest(), func(f *policy.Facts) { f.Person.Method = meeting.Unproved }), refuse(meeting.Unverified)},
		"unknown method":  {change(guest(), func(f *policy.Facts) { f.Person.Method = 99 }), refuse(meeting.Unverified)},
		"unknown phase":   {change(guest(), func(f *policy.Facts) { f.Meeting.Phase = 99 }), refuse(meeting.Over)},
		"revoked":         {change(guest(), func(f *policy.Facts) { f.Invitation.Revoked = true }), refuse(meeting.Revoked)},
		"revoked back":    {change(guest(), func(f *policy.Facts) { f.Invitation.Revoked, f.Back = true, true }), refuse(meeting.Revoked)},
		"ended":           {change(guest(), func(f *policy.Facts) { f.Meeting.Phase = meeting.Ended }), refuse(meeting.Over)},
		"cancelled":       {change(guest(), func(f *policy.Facts) { f.Meeting.Phase = meeting.Cancelled }), refuse(meeting.CalledOff)},
		"expelled":        {change(guest(), func(f *policy.Facts) { f.Person.Banned, f.Back = true, true }), refuse(meeting.Removed)},
		"opening":         {change(guest(), func(f *policy.Facts) { f.Now = f.Meeting.Opens }), wait},
		"too early":       {change(guest(), func(f *policy.Facts) { f.Now = f.Meeting.Opens.Add(-time.Second) }), refuse(meeting.TooEarly)},
		"no opening time": {change(guest(), func(f *policy.Facts) { f.Meeting.Opens = time.Time{}; f.Now = f.Meeting.Starts.Add(-1) }), refuse(meeting.TooEarly)},
		"closing":         {change(guest(), func(f *policy.Facts) { f.Now = f.Meeting.Closes }), wait},
		"too late":        {change(guest(), func(f *policy.Facts) { f.Now = f.Meeting.Closes.Add(time.Second) }), refuse(meeting.Over)},
		"no closing time": {change(guest(), func(f *policy.Facts) { f.Meeting.Closes = time.Time{}; f.Now = f.Meeting.Ends.Add(1) }), refuse(meeting.Over)},
		"locked":          {change(guest(), func(f *policy.Facts) { f.Meeting.Locked = true }), refuse(meeting.IsLocked)},
		"locked and back": {change(guest(), func(f *policy.Facts) { f.Meeting.Locked, f.Back = true, true }), admit},
		"host":            {host(), asHost},
		"host early":      {change(host(), func(f *policy.Facts) { f.Now = f.Meeting.Opens.Add(-time.Hour) }), asHost},
		"co-host": {change(host(), func(f *policy.Facts) {
			f.Invitation = policy.Invitation{Present: true, MatchesClaim: true, Role: meeting.Host}
		}), asHost},
		"host too late": {change(host(), func(f *policy.Facts) { f.Meeting.Phase = meeting.Ended }), refuse(meeting.Over)},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, policy.Default().Decide(c.facts)); diff != "" {
				t.Errorf("Decide: (-want +got)\n%s", diff)
			}
		})
	}
}

// Whoever says they are the host, or is invited as one, is a guest until the
// lobby has found them among the hosts; and a mailbox commands nothing.
func TestT41HostRoleIsNotAClaim(t *testing.T) {
	rules := load(t, `@id("all") permit (principal, action, resource);`)
	f := guest()
	f.Invitation.Role = meeting.Host
	f.Meeting.Locked = true
	if got := rules.Decide(f); got.Reason != meeting.IsLocked {
		t.Errorf("invited as host, locked: got %+v, want %v", got, meeting.IsLocked)
	}
	f = host()
	f.Person.Method = meeting.Mailbox
	if got := rules.Decide(f); got.Verdict != policy.Refuse || got.Reason != meeting.NotHost {
		t.Errorf("host by mailbox: got %+v, want %v", got, meeting.NotHost)
	}
}

func TestT42HostIsNeverLockedOut(t *testing.T) {
	for name, rules := range map[string]*policy.Rules{
		"default":   policy.Default(),
		"no rules":  nil,
		"zero":      {},
		"forbidden": load(t, "permit (principal, action, resource);\n@reason(\"locked\") forbid (principal, action, resource);"),
	} {
		f := host()
		f.Meeting.Locked, f.Meeting.HostInside = true, false
		if got := rules.Decide(f); got.Verdict != policy.Admit {
			t.Errorf("%s: got %+v, want admit", name, got)
		}
		f.Person.Role = meeting.Guest
		if got := rules.Decide(f); got.Verdict != policy.Refuse {
			t.Errorf("%s: a guest in a locked meeting: got %+v, want refuse", name, got)
		}
	}
}

// The most generous rules of all cannot lift what is built in.
func TestRulesLiftNoLimit(t *testing.T) {
	rules := load(t, `@id("all") permit (principal, action, resource);`)
	if got := rules.Decide(guest()); got.Verdict != policy.Admit || got.Rule != "all" {
		t.Fatalf("guest: got %+v, want admit by all", got)
	}
	for want, how := range map[meeting.Reason]func(*policy.Facts){
		meeting.Removed:    func(f *policy.Facts) { f.Person.Banned = true },
		meeting.CalledOff:  func(f *policy.Facts) { f.Meeting.Phase = meeting.Cancelled },
		meeting.Over:       func(f *policy.Facts) { f.Meeting.Phase = meeting.Ended },
		meeting.Revoked:    func(f *policy.Facts) { f.Invitation.Revoked = true },
		meeting.Unverified: func(f *policy.Facts) { f.Person.Verified = false },
		meeting.TooEarly:   func(f *policy.Facts) { f.Now = f.Meeting.Opens.Add(-1) },
		meeting.IsLocked:   func(f *policy.Facts) { f.Meeting.Locked = true },
	} {
		f := guest()
		how(&f)
		if got := rules.Decide(f); got != (policy.Decision{Rule: policy.BuiltIn, Reason: want}) {
			t.Errorf("got %+v, want %v", got, want)
		}
	}
}

// A link that was used before never admits by itself.
func TestT03UsedLinkWaitsWhateverTheRules(t *testing.T) {
	f := guest()
	f.Invitation.UsedElsewhere = true
	got := load(t, `permit (principal, action, resource);`).Decide(f)
	if got.Verdict != policy.Wait {
		t.Errorf("got %+v, want wait", got)
	}
}

// A rule that forbids and cannot be evaluated forbids.
func TestBrokenForbidForbids(t *testing.T) {
	const overflow = `{ 9223372036854775807 + 1 > 0 }`
	rules := load(t, "permit (principal, action, resource);\n@id(\"broken\") @reason(\"busy\") forbid (principal, action, resource) when "+overflow+";")
	want := policy.Decision{Rule: "broken", Reason: meeting.Busy}
	if got := rules.Decide(guest()); got != want {
		t.Errorf("forbid: got %+v, want %+v", got, want)
	}
	rules = load(t, `permit (principal, action, resource) when `+overflow+`;`)
	if got := rules.Decide(guest()); got.Verdict != policy.Refuse {
		t.Errorf("permit: got %+v, want refuse", got)
	}
}

// Any facts at all get a decision: never a panic, never an admission of
// somebody who proved nothing.
func TestDecideIsTotal(t *testing.T) {
	rules := map[string]*policy.Rules{
		"nil": nil, "default": policy.Default(),
		"all":      load(t, `permit (principal, action, resource);`),
		"whole":    load(t, `permit (principal, action, resource) when { context == context && principal.amr.contains(principal.acr) };`),
		"overflow": load(t, `permit (principal, action, resource) when { context.now.offset(duration("106751991167d")) > resource.starts };`),
	}
	rapid.Check(t, func(t *rapid.T) {
		times := rapid.Custom(func(t *rapid.T) time.Time {
			if rapid.Bool().Draw(t, "zero") {
				return time.Time{}
			}
			return time.Unix(rapid.Int64().Draw(t, "seconds"), 0)
		})
		f := policy.Facts{
			Now: times.Draw(t, "now"), Back: rapid.Bool().Draw(t, "back"),
			Meeting: policy.Meeting{
				Phase:  meeting.Phase(rapid.Uint8Range(0, 5).Draw(t, "phase")),
				Locked: rapid.Bool().Draw(t, "locked"), HostInside: rapid.Bool().Draw(t, "inside"),
				Starts: times.Draw(t, "starts"), Ends: times.Draw(t, "ends"),
				Opens: times.Draw(t, "opens"), Closes: times.Draw(t, "closes"),
			},
			Invitation: policy.Invitation{
				Present: rapid.Bool().Draw(t, "present"), Revoked: rapid.Bool().Draw(t, "revoked"),
				Role:         meeting.Role(rapid.Uint8Range(0, 3).Draw(t, "as")),
				MatchesClaim: rapid.Bool().Draw(t, "claim"), UsedElsewhere: rapid.Bool().Draw(t, "elsewhere"),
			},
			Person: policy.Person{
				Verified: rapid.Bool().Draw(t, "verified"),
				Method:   meeting.Method(rapid.Uint8Range(0, 5).Draw(t, "method")),
				Issuer:   rapid.String().Draw(t, "issuer"), ACR: rapid.String().Draw(t, "acr"),
				AMR:    rapid.SliceOf(rapid.String()).Draw(t, "amr"),
				Role:   meeting.Role(rapid.Uint8Range(0, 3).Draw(t, "role")),
				Banned: rapid.Bool().Draw(t, "banned"),
			},
		}
		for name, r := range rules {
			d := r.Decide(f)
			if d.Verdict > policy.Admit || d.Rule == "" {
				t.Fatalf("%s: Decide = %+v", name, d)
			}
			shut := !f.Person.Verified || f.Person.Method == meeting.Unproved || f.Person.Banned || f.Meeting.Phase > meeting.Open
			if shut && d.Verdict != policy.Refuse {
				t.Fatalf("%s: Decide = %+v, want refuse", name, d)
			}
			if again := r.Decide(f); again != d {
				t.Fatalf("%s: Decide = %+v, then %+v", name, d, again)
			}
		}
	})
}

func BenchmarkDecide(b *testing.B) {
	everything := `permit (principal, action == Action::"admit", resource) when {
		principal.method == "oidc" && principal.member && principal.issuer == "https://id.example.org" &&
		principal.amr.contains("otp") && principal.email_domain == "example.org" && resource.phase == "open" &&
		context.now < resource.ends && context.invited && context.address_matches };`
	before := guest()
	before.Back = true
	locked := guest()
	locked.Meeting.Locked = true
	for _, c := range []struct {
		name  string
		rules *policy.Rules
		facts policy.Facts
	}{
		{"default/wait", policy.Default(), guest()},
		{"default/back", policy.Default(), before},
		{"default/built-in", policy.Default(), locked},
		{"default/host", policy.Default(), host()},
		{"site/nine-attributes", load(b, everything), guest()},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.rules.Decide(c.facts)
			}
		})
	}
}

func load(t testing.TB, src string) *policy.Rules {
	t.Helper()
	r, err := policy.Load("test.cedar", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return r
}
