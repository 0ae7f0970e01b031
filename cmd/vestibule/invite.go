package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vestibule/config"
	"vestibule/lobby"
	"vestibule/meeting"
)

// invitation is what the command line says of one invitee.
type invitation struct {
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
	Phone string `json:"phone,omitempty"`
	Role  string `json:"role,omitempty"`
	Match *claim `json:"match,omitempty"`
}

// claim is what a sign-in must show.
type claim struct {
	Claim    string `json:"claim"`
	Value    string `json:"value"`
	Provider string `json:"provider,omitempty"`
}

// wish is a meeting as asked for.
type wish struct {
	Title       string       `json:"title"`
	Starts      time.Time    `json:"starts"`
	Ends        time.Time    `json:"ends"`
	Zone        string       `json:"zone,omitempty"`
	Lang        string       `json:"lang,omitempty"`
	Invitations []invitation `json:"invitations"`
}

// asked are the flags of invite.
type asked struct {
	server, key, ca                   string
	title, start, zone, lang, attempt string
	duration                          time.Duration
	guests, hosts                     []string
	csv                               string
	json                              bool
}

func inviteCommand() *cobra.Command {
	var a asked
	c := &cobra.Command{
		Use:   `invite --key file:KEY --title TITLE --start TIME --guest "J. D. <mail>"…`,
		Short: "Make a meeting, mail its guests, and print their personal links",
		Long: "Makes a meeting by the API of a door that runs, and prints each guest's personal\n" +
			"link. The key is named by where it is kept (file:PATH, env:NAME or cred:NAME): what\n" +
			"stands on a command line can be read by everybody on the machine.",
		Example: `  vestibule invite --server https://visio.example.org --key file:/etc/agenda/key \
    --title "Consultation J. D." --start "2026-11-24 14:00" --duration 45m \
    --guest "J. D. <jeanne@example.org>" --host martin@example.org`,
		Args: cobra.NoArgs,
	}
	path := configFlag(c)
	f := c.Flags()
	f.StringVar(&a.server, "server", "", "the door's address; default: door of the configuration")
	f.StringVar(&a.key, "key", "", "where the API key is kept: file:PATH, env:NAME or cred:NAME")
	f.StringVar(&a.ca, "ca", "", "PEM file of the authority that signed the door's certificate; default: the system's")
	f.StringVar(&a.title, "title", "", "as guests read it; initials keep calendars discreet")
	f.StringVar(&a.start, "start", "", `"2026-11-24 14:00" in the zone, or RFC 3339; default: now`)
	f.DurationVar(&a.duration, "duration", 30*time.Minute, "how long")
	f.StringVar(&a.zone, "zone", "", "time zone, such as Europe/Paris; default: of this machine for --start, the site's in mails")
	f.StringVar(&a.lang, "lang", "", "of the mails: fr or en; default: the site's")
	f.StringArrayVar(&a.guests, "guest", nil, `"J. D. <mail> +33612345678", or less of it, and "RPPS:899…" or "@corp.example" for what the sign-in must show; once for each`)
	f.StringVar(&a.csv, "csv", "", "a list of guests and hosts: name, mail, role, phone, identity; every fault is told with its line")
	f.StringArrayVar(&a.hosts, "host", nil, "like --guest, for those who may admit and expel")
	f.StringVar(&a.attempt, "attempt", "", "the same word makes the same meeting once, for ten minutes; default: random")
	f.BoolVar(&a.json, "json", false, "print JSON")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if a.server == "" {
			file, err := config.Load(*path)
			if err != nil {
				return fmt.Errorf("no --server, and no configuration to read it from:\n%w", err)
			}
			a.server = file.Door
		}
		w, err := a.wish(time.Now())
		if err != nil {
			return err
		}
		d, err := newDoor(a.server, a.key, a.ca)
		if err != nil {
			return err
		}
		m, err := d.meet(cmd.Context(), w, a.attempt)
		if err != nil {
			return err
		}
		return m.print(cmd.OutOrStdout(), a.json)
	}
	return c
}

// wish reads the flags, and tells everything that is wrong with them.
func (a *asked) wish(now time.Time) (wish, error) {
	w := wish{Title: a.title, Zone: a.zone, Lang: a.lang}
	var faults []error
	fault := func(bad bool, what string) {
		if bad {
			faults = append(faults, errors.New(what))
		}
	}
	fault(a.title == "", "--title: is missing")
	fault(a.key == "", "--key: is missing: file:PATH, env:NAME or cred:NAME")
	fault(len(a.guests) == 0 && a.csv == "", "--guest: nobody is invited")
	fault(a.duration < time.Minute, "--duration: want at least 1m")
	loc, err := time.LoadLocation(a.zone)
	if a.zone == "" {
		loc, err = time.Local, nil
	}
	fault(err != nil, "--zone: want a name such as Europe/Paris")
	if w.Starts = now.Truncate(time.Second); a.start != "" && err == nil {
		w.Starts, err = when(a.start, loc)
		fault(err != nil, `--start: want "2026-11-24 14:00" or RFC 3339`)
	}
	w.Ends = w.Starts.Add(a.duration)
	for _, list := range []struct {
		flag, role string
		lines      []string
	}{{"--guest", "", a.guests}, {"--host", "host", a.hosts}} {
		for _, line := range list.lines {
			i, ok := readInvitee(line)
			// The line is not repeated: it names a person.
			fault(meeting.NearlyPhone(lobby.Besides(line)), list.flag+": a number is written with its country code: +33 6 12 34 56 78")
			fault(!ok, list.flag+`: want "J. D. <mail>", "mail", a name, and perhaps +33 6 12 34 56 78`)
			i.Role = list.role
			w.Invitations = append(w.Invitations, i)
		}
	}
	listed, bad := a.roster()
	w.Invitations = append(w.Invitations, listed...)
	return w, errors.Join(append(faults, bad...)...)
}

// roster reads the file of a list. A line is told by its number, not repeated:
// it names a person.
func (a *asked) roster() (list []invitation, faults []error) {
	if a.csv == "" {
		return nil, nil
	}
	b, err := os.ReadFile(a.csv)
	if err != nil {
		return nil, []error{fmt.Errorf("--csv: %w", err)}
	}
	lines, err := lobby.ReadList(b)
	if err != nil {
		return nil, []error{fmt.Errorf("--csv: %w", err)}
	}
	seen := map[string]int{}
	for _, l := range lines {
		i, ok := readInvitee(l.Text)
		if l.Role == meeting.Host {
			i.Role = "host"
		}
		mail := meeting.FoldAddress(i.Email)
		switch {
		case meeting.NearlyPhone(lobby.Besides(l.Text)):
			faults = append(faults, fmt.Errorf("--csv: line %d: a number is written with its country code: +33 6 12 34 56 78", l.N))
			continue
		case !ok || mail != "" && !meeting.Address(mail):
			faults = append(faults, fmt.Errorf("--csv: line %d: the address cannot be used", l.N))
			continue
		case i.Role == "host" && mail == "" && i.Match == nil:
			faults = append(faults, fmt.Errorf("--csv: line %d: a host needs an address", l.N))
			continue
		case mail != "" && seen[mail] > 0:
			faults = append(faults, fmt.Errorf("--csv: line %d: is on line %d already", l.N, seen[mail]))
			continue
		}
		seen[mail] = l.N
		list = append(list, i)
	}
	return list, faults
}

func when(s string, loc *time.Location) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	t, err := time.ParseInLocation("2006-01-02 15:04", strings.Replace(s, "T", " ", 1), loc)
	return t, err
}

// readInvitee reads "Name <mail> +33… RPPS:1…", or less. The door checks the rest.
func readInvitee(line string) (invitation, bool) {
	rest, match := lobby.CutMatch(line)
	rest, phone := meeting.CutPhone(rest)
	i, ok := readMailbox(rest)
	i.Phone = phone
	if match.Claim != "" {
		i.Match = &claim{match.Claim, match.Value, match.Provider}
		if rest == "" {
			i.Name, ok = lobby.ClaimName(match), true
		}
	}
	return i, ok
}

func readMailbox(line string) (invitation, bool) {
	name, rest, ok := strings.Cut(line, "<")
	if ok {
		address, after, closed := strings.Cut(rest, ">")
		i := invitation{Name: strings.Trim(strings.TrimSpace(name), `"`), Email: strings.TrimSpace(address)}
		return i, closed && strings.TrimSpace(after) == "" && strings.Contains(i.Email, "@")
	}
	line = strings.TrimSpace(line)
	if strings.Contains(line, "@") {
		return invitation{Email: line}, !strings.ContainsAny(line, " \t")
	}
	return invitation{Name: line}, line != ""
}

// made is a meeting with everybody's link.
type made struct {
	Meeting     json.RawMessage `json:"meeting"`
	Invitations []invited       `json:"invitations"`

	title, console string
}

type invited struct {
	Name  string `json:"name"`
	Email string `json:"email,omitempty"`
	Phone string `json:"phone,omitempty"`
	Role  string `json:"role"`
	Link  string `json:"link"`
	Mail  struct {
		State string `json:"state"`
	} `json:"mail"`
}

func (m *made) print(out io.Writer, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(m)
	}
	if _, err := fmt.Fprintf(out, "%s\n%s\n\n", m.title, m.console); err != nil {
		return err
	}
	for _, i := range m.Invitations {
		who := i.Name
		if i.Email != "" {
			who += " <" + i.Email + ">"
		}
		if i.Phone != "" {
			who += " " + i.Phone
		}
		if _, err := fmt.Fprintf(out, "%s\n  %s\n", who, i.Link); err != nil {
			return err
		}
	}
	return nil
}
