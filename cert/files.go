package cert

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"
)

// soon is how long before its end a given certificate is complained of.
const soon = 14 * 24 * time.Hour

// Load reads the given files and puts them to use together, or none of them:
// the old ones are kept on any fault. Where an authority is used it does
// nothing. Run loads by itself; call it before listening, and on SIGHUP.
func (c *Certs) Load(ctx context.Context) error {
	return c.load(ctx, time.Now())
}

func (c *Certs) load(ctx context.Context, now time.Time) error {
	if len(c.c.Files) == 0 {
		return nil
	}
	given := map[string]*tls.Certificate{}
	var faults []error
	for _, f := range c.c.Files {
		pair, err := f.read()
		if err != nil {
			faults = append(faults, err)
			continue
		}
		for _, host := range c.c.Hosts {
			if pair.Leaf.VerifyHostname(host) == nil && given[host] == nil {
				given[host] = pair
			}
		}
		if left := pair.Leaf.NotAfter.Sub(now); left < soon {
			c.l.WarnContext(ctx, "certificate ends soon", slog.String("file", f.Cert), slog.Duration("left", left))
		}
	}
	for _, host := range c.c.Hosts {
		if given[host] == nil {
			faults = append(faults, fmt.Errorf("host %s: none of the given certificates is for it", host))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return err
	}
	c.given.Store(&given)
	return nil
}

func (f Files) read() (*tls.Certificate, error) {
	info, err := os.Stat(f.Key)
	if err != nil {
		return nil, fmt.Errorf("reading the key: %w", err)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return nil, fmt.Errorf("key %s: everybody on this machine may read it; want mode 0600 or 0640", f.Key)
	}
	pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w", f.Cert, f.Key, err)
	}
	return &pair, nil
}

// stamp tells whether files were replaced since they were last read.
func (c *Certs) stamp() string {
	var s string
	for _, f := range c.c.Files {
		for _, name := range [...]string{f.Cert, f.Key} {
			if info, err := os.Stat(name); err == nil {
				s += fmt.Sprintln(info.ModTime().UnixNano(), info.Size())
			} else {
				s += "gone\n"
			}
		}
	}
	return s
}

// watch loads the files, and again whenever they change. A renewal writes two
// files, one after the other: between the two they do not fit, and the old
// pair stays until they do.
func (c *Certs) watch(ctx context.Context) error {
	seen := c.stamp()
	if err := c.Load(ctx); err != nil {
		return fmt.Errorf("loading the given certificates: %w", err)
	}
	tick := time.NewTicker(c.c.Reload)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := c.stamp()
		if now == seen {
			continue
		}
		if err := c.Load(ctx); err != nil {
			c.l.ErrorContext(ctx, "certificates kept as they were", slog.Any("error", err))
			continue
		}
		seen = now
		c.l.InfoContext(ctx, "certificates loaded")
	}
}
