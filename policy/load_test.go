package policy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"vestibule/meeting"
	"vestibule/policy"
)

// Each file is a site's rules and the faults they must be refused with.
func TestFaults(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no testdata: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			rules, want := a.Files[0], strings.TrimSpace(string(a.Files[1].Data))
			_, err = policy.Load(rules.Name, rules.Data)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("Load: (-want +got)\n%s\n%s", diff, got)
			}
		})
	}
}

// Each attribute of the schema reaches the rules, also when the same question
// was answered before.
func TestEveryAttribute(t *testing.T) {
	seen := map[string]bool{}
	for condition, set := range map[string]func(*policy.Facts){
		`principal.method == "mailbox"`:           func(f *policy.Facts) { f.Person.Method = meeting.Mailbox },
		`principal.method == "telephone"`:         func(f *policy.Facts) { f.Person.Method = meeting.Telephone },
		`principal.method == "dial_code"`:         func(f *policy.Facts) { f.Person.Method = meeting.DialCode },
		`principal.method != "oidc"`:              func(f *policy.Facts) { f.Person.Method = meeting.DialCode },
		`principal.issuer == "https://other"`:     func(f *policy.Facts) { f.Person.Issuer = "https://other" },
		`principal.member`:                        func(f *policy.Facts) { f.Person.Member = true },
		`principal.acr == "eidas3"`:               func(f *policy.Facts) { f.Person.ACR = "eidas3" },
		`principal.amr.contains("face")`:          func(f *policy.Facts) { f.Person.AMR = []string{"pwd", "face"} },
		`!principal.email_verified`:               func(f *policy.Facts) { f.Person.EmailVerified = false },
		`principal.email_domain == "clinic.test"`: func(f *policy.Facts) { f.Person.EmailDomain = "Clinic.test" },
		`principal.email_domain == ""`:            func(f *policy.Facts) { f.Person.EmailVerified = false },
		`principal.organisation == "Clinic"`:      func(f *policy.Facts) { f.Person.Organisation = "Clinic" },
		`resource.phase == "planned"`:             func(f *policy.Facts) { f.Meeting.Phase = meeting.Planned },
		`resource.locked`:                         func(f *policy.Facts) { f.Meeting.Locked, f.Back = true, true },
		`!resource.host_inside`:                   func(f *policy.Facts) { f.Meeting.HostInside = false },
		`resource.join_before_host`:               func(f *policy.Facts) { f.Meeting.JoinBeforeHost = true },
		`resource.starts > context.now`:           func(f *policy.Facts) { f.Meeting.Starts = f.Now.Add(time.Minute) },
		`resource.ends < context.now`:             func(f *policy.Facts) { f.Meeting.Ends = f.Now.Add(-time.Minute) },
		`context.now > resource.ends`:             func(f *policy.Facts) { f.Now = f.Meeting.Ends.Add(time.Minute) },
		`context.back`:                            func(f *policy.Facts) { f.Back = true },
		`!context.invited`:                        func(f *policy.Facts) { f.Invitation.Present = false },
		`context.invited_as == "host"`:            func(f *policy.Facts) { f.Invitation.Role = meeting.Host },
		`!context.claim_matches`:                  func(f *policy.Facts) { f.Invitation.MatchesClaim = false },
		`!context.address_matches`:                func(f *policy.Facts) { f.Invitation.AddressMatches = false },
		`context.used_elsewhere`:                  func(f *policy.Facts) { f.Invitation.UsedElsewhere = true },
		`context.member_link`:                     func(f *policy.Facts) { f.Invitation.Members, f.Person.Member = true, true },
		`resource.admits_members`:                 func(f *policy.Facts) { f.Meeting.AdmitsMembers = true },
		// A rule about a whole record sees all of it.
		`context has back && context != {now: context.now, back: false, invited: true, invited_as: "guest",
		  claim_matches: true, address_matches: true, used_elsewhere: false, member_link: false}`: func(f *policy.Facts) { f.Back = true },
	} {
		rules := load(t, `permit (principal, action == Action::"wait", resource) when { `+condition+` };`)
		for range 2 {
			f := guest()
			if got := rules.Decide(f); got.Verdict != policy.Refuse {
				t.Errorf("%s: before: got %+v, want refuse", condition, got)
			}
			set(&f)
			if got := rules.Decide(f); got.Verdict != policy.Wait {
				t.Errorf("%s: after: got %+v, want wait", condition, got)
			}
		}
		for _, m := range regexp.MustCompile(`(principal|resource|context)\.(\w+)`).FindAllStringSubmatch(condition, -1) {
			seen[m[2]] = true
		}
	}
	for _, name := range policy.AttributeNames() {
		if !seen[name] {
			t.Errorf("attribute %s is not tested", name)
		}
	}
}

// The schema a site reads and the attributes it gets are the same.
func TestSchemaIsWhatRulesGet(t *testing.T) {
	schema, err := os.ReadFile("schema.cedarschema")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, m := range regexp.MustCompile(`(?m)^ +(\w+): (?:Bool|String|Set<String>|datetime),$`).FindAllSubmatch(schema, -1) {
		want = append(want, string(m[1]))
	}
	if diff := cmp.Diff(want, policy.AttributeNames()); diff != "" {
		t.Errorf("schema and attributes differ: (-schema +attributes)\n%s", diff)
	}
}

// The rule named is the first of the file, and the reason is that of the
// question that was asked last.
func TestReasons(t *testing.T) {
	const mfa = `@id("mfa") @reason("sign_in") forbid (principal, action == Action::"admit", resource);`
	for name, c := range map[string]struct {
		rules string
		want  policy.Decision
	}{
		"forbids to admit, may wait": {
			mfa + `@id("w") permit (principal, action, resource);`,
			policy.Decision{Verdict: policy.Wait, Rule: "w"},
		},
		"forbids to admit, may not wait": {
			mfa + `permit (principal, action == Action::"admit", resource);`,
			policy.Decision{Rule: "mfa", Reason: meeting.SignIn},
		},
		"forbids both": {
			mfa + `@id("no") @reason("host_away") forbid (principal, action == Action::"wait", resource); permit (principal, action, resource);`,
			policy.Decision{Rule: "no", Reason: meeting.HostAway},
		},
		"without a reason": {
			`@id("no") forbid (principal, action, resource); permit (principal, action, resource);`,
			policy.Decision{Rule: "no", Reason: meeting.NotInvited},
		},
		"without an id": {
			"\n\n" + `permit (principal, action in [Action::"admit"], resource);`,
			policy.Decision{Verdict: policy.Admit, Rule: "test.cedar:3"},
		},
		"the first of two": {
			`@id("z") permit (principal, action, resource); @id("a") permit (principal, action, resource);`,
			policy.Decision{Verdict: policy.Admit, Rule: "z"},
		},
		"nothing applies": {
			`@id("members") permit (principal, action, resource) when { principal.member };`,
			policy.Decision{Rule: policy.NoRule, Reason: meeting.NotInvited},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, load(t, c.rules).Decide(guest())); diff != "" {
				t.Errorf("Decide: (-want +got)\n%s", diff)
			}
		})
	}
}

// Whatever the file holds, Load answers.
func FuzzLoad(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.txtar")
	for _, file := range files {
		if a, err := txtar.ParseFile(file); err == nil {
			f.Add(a.Files[0].Data)
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		rules, err := policy.Load("fuzz.cedar", src)
		if (rules == nil) == (err == nil) {
			t.Fatalf("Load = %v, %v", rules, err)
		}
		rules.Decide(guest())
	})
}
