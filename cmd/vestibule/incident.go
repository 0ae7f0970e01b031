package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"vestibule/config"
	"vestibule/house"
	"vestibule/lobby"
	"vestibule/meeting"
)

func incidentsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "incidents",
		Short: "Read what hosts reported when they put somebody out",
		Long: "Reads the store directly, so that no API key gives access to it: whoever may read\n" +
			"the configuration's secrets may read incidents.",
	}
	path := c.PersistentFlags().StringP("config", "c", "/etc/vestibule/vestibule.yaml", "configuration file")
	asJSON := c.PersistentFlags().Bool("json", false, "print JSON")
	list := &cobra.Command{Use: "list", Short: "One line for each, the oldest first", Args: cobra.NoArgs}
	since := list.Flags().Duration("since", 365*24*time.Hour, "how far back")
	list.RunE = func(cmd *cobra.Command, _ []string) error {
		return withLobby(*path, func(l *lobby.Lobby) error {
			all, err := l.Incidents(cmd.Context(), time.Now().Add(-*since))
			if err != nil {
				return err
			}
			if *asJSON {
				return printJSON(cmd.OutOrStdout(), append([]meeting.Incident{}, all...))
			}
			return listIncidents(cmd.OutOrStdout(), all)
		})
	}
	show := &cobra.Command{Use: "show REFERENCE", Short: "Everything that was kept of one", Args: cobra.ExactArgs(1)}
	show.RunE = func(cmd *cobra.Command, args []string) error {
		return withLobby(*path, func(l *lobby.Lobby) error {
			i, err := l.Incident(cmd.Context(), args[0])
			var no *meeting.Refusal
			if errors.As(err, &no) {
				return errors.New("no incident has this reference, or it was kept until its time")
			}
			if err != nil {
				return err
			}
			if *asJSON {
				return printJSON(cmd.OutOrStdout(), i)
			}
			return showIncident(cmd.OutOrStdout(), &i)
		})
	}
	c.AddCommand(list, show)
	return c
}

// withLobby opens the house of a configuration as far as its store.
func withLobby(path string, do func(*lobby.Lobby) error) error {
	f, err := config.Load(path)
	if err != nil {
		return err
	}
	b, err := f.Build(slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer func() { _ = b.Store.Close() }() // nothing was written
	h, err := house.New(b.House)
	if err != nil {
		return err
	}
	return do(h.Lobby)
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func listIncidents(w io.Writer, all []meeting.Incident) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "REFERENCE\tWHEN\tWHO\tPROVED BY\tREPORTED BY\tMEETING")
	for i := range all {
		x := &all[i]
		fmt.Fprintf(t, "%s\t%s\t%q\t%s\t%q\t%s\n", x.Reference, x.At.Format(time.RFC3339), x.Name, proof(&x.Person), x.By.Name, x.Meeting)
	}
	return t.Flush()
}

func showIncident(w io.Writer, i *meeting.Incident) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	p, e := &i.Person, &i.Person.Evidence
	// Quoted: what people wrote must not act on a terminal (T68).
	for _, l := range [][2]string{
		{"reference", i.Reference},
		{"when", i.At.Format(time.RFC3339)},
		{"meeting", string(i.Meeting)},
		{"title", quote(i.Title)},
		{"shown as", quote(i.Name)},
		{"invited as", quote(i.Invited)},
		{"proved by", proof(p)},
		{"issuer", quote(p.Issuer)},
		{"subject", quote(p.Subject)},
		{"name", quote(p.Name)},
		{"address", quote(p.Email)},
		{"organisation", quote(e.Organisation)},
		{"assurance", quote(e.ACR)},
		{"proved at", clock(e.At)},
		{"browser", quote(i.Agent)},
		{"line", quote(i.Line.Kind)},
		{"line from", quote(i.Line.Address)},
		{"admission", i.Admission},
		{"knocked", clock(i.Knocked)},
		{"entered", clock(i.Entered)},
		{"reported by", quote(i.By.Name)},
		{"reporter", quote(string(i.By.Key))},
		{"kept until", clock(i.Until)},
	} {
		if l[1] != "" {
			fmt.Fprintf(t, "%s\t%s\n", l[0], l[1])
		}
	}
	for _, c := range i.Cuts {
		word := "not confirmed"
		if c.Confirmed {
			word = fmt.Sprintf("%d ms", c.Milliseconds)
		}
		fmt.Fprintf(t, "cut: %s\t%s\n", c.What, word)
	}
	return t.Flush()
}

func quote(s string) string {
	if s == "" {
		return ""
	}
	return fmt.Sprintf("%q", s)
}

func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

// proof is how somebody was proved, in one word.
func proof(p *meeting.Person) string {
	return [...]string{"nothing", "dial-in code", "mailbox", "telephone", "sign-in"}[min(p.Evidence.Method, meeting.OIDC)]
}
