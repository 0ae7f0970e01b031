package cert

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// pause is how long to wait after the storage has failed.
const pause = time.Minute

// managed is what speaks to the authority while Run runs.
type managed struct {
	config *certmagic.Config
	issuer *certmagic.ACMEIssuer
}

// manage loads or obtains a certificate for each host and renews them.
func (c *Certs) manage(ctx context.Context) error {
	roots, err := c.roots()
	if err != nil {
		return err
	}
	out := newCore(ctx, c.l, c.c.Email)
	log := zap.New(out)
	cache := certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return c.managed.Load().config, nil },
		Logger:           log,
	})
	defer cache.Stop()
	config := certmagic.New(cache, certmagic.Config{
		Storage: &certmagic.FileStorage{Path: c.c.StorageDir},
		Logger:  log,
	})
	issuer := certmagic.NewACMEIssuer(config, certmagic.ACMEIssuer{
		CA: c.c.Directory, Email: c.c.Email, Agreed: c.c.Agree, TrustedRoots: roots,
		AltHTTPPort: c.c.HTTPPort, AltTLSALPNPort: c.c.HTTPSPort, Logger: log,
	})
	config.Issuers = []certmagic.Issuer{issuer}
	m := &managed{config: config, issuer: issuer}
	c.managed.Store(m)

	var wg sync.WaitGroup
	for _, host := range c.c.Hosts {
		wg.Go(func() { c.keep(ctx, m, host, out) })
	}
	wg.Wait()
	<-ctx.Done() // certmagic's own goroutine renews until then
	return nil
}

func (c *Certs) roots() (*x509.CertPool, error) {
	if c.c.CAFile == "" {
		return nil, nil // the system's
	}
	pem, err := os.ReadFile(c.c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("reading the authority's roots: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("reading the authority's roots: no certificate in %s", c.c.CAFile)
	}
	return pool, nil
}

// keep returns once the host has a certificate that need not be renewed, or
// ctx ends. Whatever is in the storage is served from the first moment.
func (c *Certs) keep(ctx context.Context, m *managed, host string, out core) {
	for ctx.Err() == nil {
		err := m.ensure(ctx, host)
		if err == nil {
			c.l.InfoContext(ctx, "certificate ready", slog.String("host", host))
			return
		}
		if ctx.Err() != nil {
			return
		}
		c.l.ErrorContext(ctx, "certificate not ready", slog.String("host", host), slog.String("error", out.redact(err.Error())))
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// ensure uses the functions that certmagic calls Async: they block, try again
// by themselves at a pace that authorities accept, and never ask questions on
// the terminal.
func (m *managed) ensure(ctx context.Context, host string) error {
	crt, err := m.config.CacheManagedCertificate(ctx, host)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = m.config.ObtainCertAsync(ctx, host)
	case err != nil:
		return fmt.Errorf("reading the stored certificate: %w", err)
	case crt.NeedsRenewal(m.config):
		err = m.config.RenewCertAsync(ctx, host, false)
	default:
		return nil
	}
	if err != nil {
		return fmt.Errorf("asking the authority: %w", err)
	}
	if _, err = m.config.CacheManagedCertificate(ctx, host); err != nil {
		return fmt.Errorf("reading the new certificate: %w", err)
	}
	return nil
}
