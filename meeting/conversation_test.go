package meeting_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"vestibule/meeting"
)

var update = flag.Bool("update", false, "write what the conversations answer into testdata")

// TestConversations plays testdata/*.txtar. A file tells its story above the
// script; in the script a line that begins with ">" is said to the machine, the
// lines below it are what the machine answers. -update writes the answers.
func TestConversations(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no conversations: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for i := range a.Files {
				want := string(a.Files[i].Data)
				got := play(t, want)
				if diff := cmp.Diff(want, got); diff != "" && !*update {
					t.Errorf("%s (-want +got):\n%s", a.Files[i].Name, diff)
				}
				a.Files[i].Data = []byte(got)
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func play(t *testing.T, script string) string {
	t.Helper()
	w := newWorld()
	var out strings.Builder
	for line := range strings.Lines(script) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "#"), line == "":
			fmt.Fprintln(&out, line)
		case strings.HasPrefix(line, ">"):
			fmt.Fprintln(&out, line)
			out.WriteString(w.say(t, strings.Fields(line[1:])))
		}
	}
	return out.String()
}

// world is what a store would hold of one meeting.
type world struct {
	now         time.Time
	starts      time.Time
	meeting     meeting.Meeting
	invitations map[string]meeting.Invitation
	admissions  map[string]meeting.Admission
}

func newWorld() *world {
	starts := time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC)
	return &world{
		now: starts, starts: starts,
		invitations: map[string]meeting.Invitation{}, admissions: map[string]meeting.Admission{},
	}
}

// words are the arguments of a line: plain words and key=value.
type words []string

func (w words) has(word string) bool { return slices.Contains(w, word) }

func (w words) value(key string) string {
	for _, s := range w {
		if v, ok := strings.CutPrefix(s, key+"="); ok {
			return v
		}
	}
	return ""
}

func (w *world) say(t *testing.T, line words) string {
	t.Helper()
	who := person(line.value("by"), w.now)
	by := who.Key()
	switch line[0] {
	case "clock": // since the start
		d, err := time.ParseDuration(line[1])
		if err != nil {
			t.Fatal(err)
		}
		w.now = w.starts.Add(d)
		return ""
	case "meeting":
		w.create(line, by)
		return ""
	case "invite":
		v := meeting.Invitation{ID: line[1], Name: line[1], Email: line[1] + "@exemple.fr"}
		if line.has("phone") {
			v.Phone = "+33612345642"
		}
		if line.has("host") {
			v.Role = meeting.Host
		}
		w.invitations[v.ID] = v
		return ""
	case "knock":
		return w.knock(line)
	case "may":
		d := w.docs("", line[1])
		return answer(nil, d.MayEnter(w.now))
	case "show":
		return w.show()
	case "lock", "unlock":
		return w.apply("", "", meeting.Lock{By: by, On: line[0] == "lock"})
	case "end", "cancel":
		return w.apply("", "", meeting.End{By: by, Cancel: line[0] == "cancel"})
	case "revoke", "reissue":
		return w.apply(line[1], "", meeting.Revoke{By: by, Reissue: line[0] == "reissue"})
	case "code":
		return w.apply(line[1], "", meeting.SendCode{By: way(line), MAC: []byte(line[2]), Attempt: line.value("attempt")})
	case "try":
		return w.apply(line[1], "", meeting.TryCode{MACs: map[meeting.Method][]byte{way(line): []byte(line[2])}})
	case "mailed":
		return w.apply(line[1], "", meeting.MailTold{State: meeting.MailBounced, Fault: line.value("fault")})
	case "answer":
		return w.apply("", line[1], meeting.Answer{
			By: by, Admit: line.has("yes"), Name: line.value("saw"), Why: meeting.Why(line.value("why")), Farewell: line.value("say"),
		})
	case "hold":
		return w.apply("", line[1], meeting.Hold{By: by, Message: line.value("say")})
	case "ask":
		return w.apply("", line[1], meeting.Ask{By: by, Question: line.value("say")})
	case "reply":
		n, _ := strconv.Atoi(line.value("to"))
		return w.apply("", line[1], meeting.Reply{Asks: n, Text: line.value("say")})
	case "rename":
		return w.apply("", line[1], meeting.Rename{By: by, Name: line.value("name")})
	case "stay":
		return w.apply("", line[1], meeting.Stay{})
	case "lapse":
		return w.apply("", line[1], meeting.Lapse{})
	case "talk":
		return w.talk(line[1])
	case "leave":
		return w.apply("", line[1], meeting.Leave{})
	case "expel":
		return w.apply("", line[1], meeting.Expel{By: by})
	case "step":
		return w.apply("", line[1], meeting.Step{Device: line.value("device"), MAC: []byte(line.value("ticket"))})
	case "redeem":
		return w.apply("", line[1], meeting.Redeem{MAC: []byte(line.value("ticket")), Pass: []byte(line.value("pass"))})
	}
	t.Fatalf("unknown word %q", line[0])
	return ""
}

func (w *world) create(line words, by meeting.Key) {
	w.meeting = meeting.Meeting{
		ID: "m1", Owner: meeting.Contact{Key: by}, Hosts: []meeting.Key{by},
		Starts: w.starts, Ends: w.starts.Add(time.Hour),
		Settings: meeting.Settings{Early: 15 * time.Minute, Grace: 30 * time.Minute, JoinBeforeHost: line.has("before-host")},
	}
}

func (w *world) knock(line words) string {
	k := meeting.Knock{
		ID: line[1], Person: person(line.value("who"), w.now), Name: line.value("name"), Device: line.value("device"),
		Line:      meeting.Line{Kind: line.value("line")},
		Consented: w.now, Admit: line.has("admit"), Wait: line.has("wait"), Rule: "rule", Why: reason(line.value("refuse")),
	}
	if line.has("host") {
		k.Role = meeting.Host
	}
	if line.has("unasked") {
		k.Consented = time.Time{}
	}
	seats := w.meeting.Seats
	invitation := line.value("via")
	if invitation != "" {
		seats = w.invitations[invitation].Seats
	}
	old := ""
	for _, s := range seats {
		if s.Person == k.Person.Key() && s.Device == k.Device {
			old = s.Admission
		}
	}
	return w.apply(invitation, old, k)
}

// person reads "mail:jeanne", "oidc:claire" or "nobody:x".
func person(s string, at time.Time) meeting.Person {
	how, name, _ := strings.Cut(s, ":")
	switch how {
	case "mail":
		return meeting.MailboxPerson(name+"@exemple.fr", at)
	case "oidc":
		return meeting.Person{
			Issuer: "https://id.example", Subject: name,
			Evidence: meeting.Evidence{Method: meeting.OIDC, At: at},
		}
	}
	return meeting.Person{Subject: name}
}

func reason(word string) meeting.Reason {
	for r := range meeting.NameChanged {
		if r.String() == word {
			return r
		}
	}
	return meeting.NotFound
}

func (w *world) docs(invitation, admission string) meeting.Docs {
	d := meeting.Docs{Meeting: w.meeting, Admission: w.admissions[admission]}
	if invitation == "" {
		invitation = d.Admission.Invitation
	}
	d.Invitation = w.invitations[invitation]
	return d
}

func (w *world) apply(invitation, admission string, e meeting.Event) string {
	d, entries, no := meeting.Apply(w.docs(invitation, admission), e, w.now)
	w.meeting = d.Meeting
	if d.Invitation.ID != "" {
		w.invitations[d.Invitation.ID] = d.Invitation
	}
	if d.Admission.ID != "" {
		w.admissions[d.Admission.ID] = d.Admission
	}
	return answer(entries, no)
}

// way is how a code travels: by mail, or with sms by telephone.
func way(line words) meeting.Method {
	if line.has("sms") {
		return meeting.Telephone
	}
	return meeting.Mailbox
}

// tries is how many wrong answers the newest code had.
func tries(v *meeting.Invitation) int {
	if n := len(v.Code.Open); n > 0 {
		return v.Code.Open[n-1].Tries
	}
	return 0
}

func answer(entries []meeting.Entry, no *meeting.Refusal) string {
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&b, "%s", e.What)
		for _, s := range []string{e.Admission, e.Invitation} {
			if s != "" {
				fmt.Fprintf(&b, " %s", s)
			}
		}
		if e.By != "" {
			fmt.Fprintf(&b, " by %s", e.By[strings.Index(string(e.By), "|")+1:])
		}
		if e.Rule != "" {
			fmt.Fprintf(&b, " (%s)", e.Rule)
		}
		if e.Was != "" {
			fmt.Fprintf(&b, " %q, before %q", e.Name, e.Was)
		}
		b.WriteByte('\n')
	}
	switch {
	case no != nil && no.Left > 0:
		fmt.Fprintf(&b, "no: %s, %d left\n", no.Reason, no.Left)
	case no != nil:
		fmt.Fprintf(&b, "no: %s\n", no.Reason)
	case len(entries) == 0:
		b.WriteString("yes\n")
	}
	return b.String()
}

func (w *world) show() string {
	var b strings.Builder
	phase := [...]string{"planned", "open", "ended", "cancelled"}[w.meeting.Phase]
	fmt.Fprintf(&b, "meeting %s locked=%v hosts=%d seats=%d banned=%d\n", phase, w.meeting.Locked, len(w.meeting.Hosts), len(w.meeting.Seats), len(w.meeting.Banned))
	states := [...]string{"outside", "waiting", "admitted", "refused", "left", "expelled"}
	for _, id := range sorted(w.admissions) {
		a := w.admissions[id]
		fmt.Fprintf(&b, "%s %s via %q elsewhere=%v\n", id, states[a.State], a.Invitation, a.Elsewhere)
	}
	for _, id := range sorted(w.invitations) {
		v := w.invitations[id]
		if v.Tried != (meeting.Tried{}) {
			fmt.Fprintf(&b, "link %s tried codes=%d knocks=%d\n", id, v.Tried.Codes, v.Tried.Knocks)
		}
		fmt.Fprintf(&b, "link %s seats=%d generation=%d revoked=%v sent=%d tries=%d\n", id, len(v.Seats), v.Generation, v.Revoked, len(v.Code.Sent), tries(&v))
	}
	return b.String()
}

// talk shows what both sides see of one admission.
func (w *world) talk(id string) string {
	a := w.admissions[id]
	t := a.Talk
	return fmt.Sprintf("%s shown as %q held=%v %q asked %d %q reply %q farewell %q %q\n", id, a.Name, !t.Held.IsZero(), t.Message, t.Asks, t.Question, t.Reply, t.Why, t.Farewell)
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
