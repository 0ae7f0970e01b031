// Command vestibule is the door in front of a videoconference server.
//
// It refuses to start on a configuration with any fault, and names them all.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1)
	}
}

// command is the whole command line.
func command() *cobra.Command {
	root := &cobra.Command{
		Use:           "vestibule",
		Short:         "The door in front of a videoconference server",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(serveCommand(), checkCommand(), inviteCommand(), incidentsCommand(), apikeyCommand(), versionCommand())
	return root
}

// configFlag is the flag that names the configuration file.
func configFlag(c *cobra.Command) *string {
	return c.Flags().StringP("config", "c", "/etc/vestibule/vestibule.yaml", "configuration file")
}
