// Command vestibule-demo opens a whole house to try, on this machine and for
// this machine.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"vestibule/deploy/demo"
)

func main() {
	c := demo.Config{Out: os.Stdout}
	verbose := false
	flag.StringVar(&c.Listen, "listen", "127.0.0.1:8443", "`HOST:PORT` of the four houses; port 0 takes a free one")
	flag.StringVar(&c.ReadyFile, "ready-file", "", "write a description there, in JSON, once everything answers")
	flag.StringVar(&c.Redis, "redis", "", "`URL` of a redis-server to keep the state in (default: in memory)")
	flag.StringVar(&c.Leg, "leg", "", "put admitted callers through to this `SIP` address in place of the room")
	flag.StringVar(&c.Tap, "tap", "", "write what the door says to the conference server into this `FILE`")
	flag.BoolVar(&c.Trust, "trust", false, "have this user's Chromium accept the certificates until the end")
	flag.StringVar(&c.Language, "lang", language(), "fr or en")
	flag.BoolVar(&verbose, "verbose", false, "log everything to standard error")
	flag.Parse()
	if verbose {
		c.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if err := run(c); err != nil {
		fmt.Fprintln(os.Stderr, "vestibule-demo:", err)
		os.Exit(1)
	}
}

func run(c demo.Config) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends at once
	d, err := demo.New(c)
	if err != nil {
		return err
	}
	return d.Run(ctx)
}

// language is the one the person's terminal is set to.
func language() string {
	for _, v := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if l := os.Getenv(v); l != "" {
			if strings.HasPrefix(l, "fr") {
				return "fr"
			}
			return "en"
		}
	}
	return "en"
}
