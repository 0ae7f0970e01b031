package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"vestibule/config"
	"vestibule/house"
)

// farewell is how long requests under way may take once the door closes.
const farewell = 10 * time.Second

func serveCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "serve",
		Short: "Open the door",
		Args:  cobra.NoArgs,
	}
	path := configFlag(c)
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		f, err := config.Load(*path)
		if err != nil {
			return err
		}
		log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level(f.Log.Level)}))
		b, err := f.Build(log)
		if err != nil {
			return err
		}
		return serve(cmd.Context(), b, log)
	}
	return c
}

func level(s string) slog.Level {
	var l slog.Level
	_ = l.UnmarshalText([]byte(s)) // checked with the file; info otherwise
	return l
}

// listeners are the sockets of the door.
type listeners struct{ https, http, ops, lmtp net.Listener }

// serve opens the house and keeps it open until ctx ends.
func serve(ctx context.Context, b *config.Built, log *slog.Logger) error {
	defer func() { _ = b.Store.Close() }() // nothing is left to write
	h, err := house.New(b.House)
	if err != nil {
		return err
	}
	if err := b.Certs.Load(ctx); err != nil {
		return fmt.Errorf("loading certificates: %w", err)
	}
	on, err := listen(ctx, b.File)
	if err != nil {
		return err
	}
	if err := h.Listen(ctx); err != nil {
		return err
	}
	log.InfoContext(ctx, "door open", slog.String("version", version()), slog.String("https", on.https.Addr().String()))
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return b.Certs.Run(ctx) })
	g.Go(func() error { return h.Run(ctx) })
	g.Go(func() error { return house.Serve(ctx, h.Guard(on.https), h.Handler(), b.Certs.TLS(), farewell, log) })
	if on.http != nil {
		g.Go(func() error {
			return house.Serve(ctx, h.Guard(on.http), b.Certs.HTTPChallenge(http.NotFoundHandler()), nil, time.Second, log)
		})
	}
	if on.ops != nil {
		g.Go(func() error { return house.Serve(ctx, on.ops, h.Ops(b.File.Listen.Ops), nil, time.Second, log) })
	}
	if on.lmtp != nil {
		g.Go(func() error { return b.Mail.Receive(ctx, on.lmtp, h.Lobby) })
	}
	err = g.Wait()
	log.InfoContext(context.WithoutCancel(ctx), "door closed")
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// listen opens every socket before anything is served.
func listen(ctx context.Context, f *config.File) (on listeners, err error) {
	open := func(address, key string) net.Listener {
		if address == "" {
			return nil
		}
		ln, lerr := bind(ctx, address)
		if lerr != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", key, lerr))
			return nil
		}
		return ln
	}
	on.https = open(f.Listen.HTTPS, "listen.https")
	on.http = open(f.Listen.HTTP, "listen.http")
	on.ops = open(f.Listen.Ops, "listen.ops")
	on.lmtp = open(f.Mail.Bounces.LMTP, "mail.bounces.lmtp")
	if path, unix := strings.CutPrefix(f.Mail.Bounces.LMTP, house.UnixPrefix); unix && on.lmtp != nil {
		// The mail server is another user. What it brings is checked, and
		// anybody here could bring it to a port.
		if cerr := os.Chmod(path, 0o666); cerr != nil { //nolint:gosec // a socket to write to
			err = errors.Join(err, fmt.Errorf("mail.bounces.lmtp: %w", cerr))
		}
	}
	return on, err
}

// bind opens a TCP address or a Unix socket. One that an earlier process left
// behind is in the way and answers nobody.
func bind(ctx context.Context, address string) (net.Listener, error) {
	var lc net.ListenConfig
	path, unix := strings.CutPrefix(address, house.UnixPrefix)
	if !unix {
		return lc.Listen(ctx, "tcp", address)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("removing an old socket: %w", err)
		}
	}
	return lc.Listen(ctx, "unix", path)
}
