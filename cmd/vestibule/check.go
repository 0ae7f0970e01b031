package main

import (
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/spf13/cobra"

	"vestibule/config"
)

func checkCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "check",
		Short: "Say everything that is wrong with a configuration, each with its place",
		Args:  cobra.NoArgs,
	}
	path := configFlag(c)
	example := c.Flags().Bool("example", false, "print a complete, commented configuration instead")
	shape := c.Flags().Bool("shape", false, "do not read the secrets and files that the configuration names")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if *example {
			_, err := cmd.OutOrStdout().Write(config.Example)
			return err
		}
		f, err := config.Load(*path)
		if err != nil {
			return err
		}
		if !*shape {
			if _, err := f.Build(slog.New(slog.DiscardHandler)); err != nil {
				return err
			}
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s: no fault found\n", *path)
		return nil
	}
	return c
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Say which vestibule this is",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "vestibule "+version())
			return err
		},
	}
}

// version is what the Go tool stamped into the program.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 && v == "(devel)" {
			v = s.Value[:12]
		}
	}
	return v + " " + info.GoVersion
}
