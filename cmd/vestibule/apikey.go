package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"vestibule/api"
)

func apikeyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "apikey --id NAME",
		Short: "Make a key for a program of yours, and what to write into the configuration",
		Long: "Prints a fresh key once, and its hash for the configuration under api.keys.\n" +
			"The key is kept nowhere: give it to the program, as a file that it alone reads.",
		Args: cobra.NoArgs,
	}
	id := c.Flags().String("id", "", "name of the key: a-z, 0-9 and dash, at most 32")
	scopes := c.Flags().StringSlice("scope", []string{"meetings:read", "meetings:write", "invitations:write"}, "what it allows: "+strings.Join(api.Scopes(), ", "))
	owner := c.Flags().String("owner", "", "in whose name the program invites, as guests read it")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		key, hash, err := api.NewKey(*id)
		if err != nil {
			return fmt.Errorf("--id: %w", err)
		}
		k := api.Key{ID: *id, Hash: hash, Scopes: *scopes, Owner: api.Owner{Name: *owner}}
		if *owner == "" {
			k.Owner.Name = *id
		}
		if err := k.Check(); err != nil {
			return err
		}
		// The key alone goes to standard output, so that it can be sent into
		// a file without being seen.
		fmt.Fprintf(cmd.ErrOrStderr(), "# Under api.keys of the configuration:\n    - id: %s\n      hash: %q\n      scopes: [%s]\n      owner: {name: %q}\n# The key, shown this once:\n",
			k.ID, hash, quotedList(k.Scopes), k.Owner.Name)
		_, err = fmt.Fprintln(cmd.OutOrStdout(), key)
		return err
	}
	return c
}

func quotedList(list []string) string {
	all := make([]string, len(list))
	for i, s := range list {
		all[i] = fmt.Sprintf("%q", s)
	}
	return strings.Join(all, ", ")
}
