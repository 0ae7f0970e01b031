package ca

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// label is the name under which the certificate stands in a browser's list,
// and by which an earlier demonstration's is found again.
const label = "vestibule demo"

// ErrNoCertutil says that the program which edits the browsers' list of
// authorities is missing.
var ErrNoCertutil = errors.New("certutil is missing: install it (Debian and Ubuntu: apt install libnss3-tools; Fedora: dnf install nss-tools)")

// Trust adds the authority to what this user's Chromium and Chrome believe,
// in $HOME/.pki/nssdb, and takes out those that earlier demonstrations left
// there. It is called when the person at the keyboard asked for it, never
// otherwise. It changes nothing for the system or for other users; Firefox
// keeps lists of its own and is not touched.
func (a *Authority) Trust(ctx context.Context) error {
	db, err := openList(ctx)
	if err != nil {
		return err
	}
	if err := db.forget(ctx); err != nil {
		return err
	}
	// C: may vouch for servers. No mail, no code signing.
	if _, err := db.certutil(ctx, a.PEM(), "-A", "-n", label, "-t", "C,,"); err != nil {
		return fmt.Errorf("adding the certificate: %w", err)
	}
	return nil
}

// Distrust takes the authority out again, along with any left by an earlier
// demonstration.
func (a *Authority) Distrust(ctx context.Context) error {
	db, err := openList(ctx)
	if err != nil {
		return err
	}
	return db.forget(ctx)
}

// list is a user's NSS database of certificates.
type list struct{ program, dir string }

// openList finds certutil and the database, and makes an empty database
// where the user's browser has not run yet.
func openList(ctx context.Context) (list, error) {
	program, err := exec.LookPath("certutil")
	if err != nil {
		return list{}, ErrNoCertutil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return list{}, fmt.Errorf("finding the home directory: %w", err)
	}
	db := list{program: program, dir: filepath.Join(home, ".pki", "nssdb")}
	if _, err := os.Stat(filepath.Join(db.dir, "cert9.db")); err == nil {
		return db, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return list{}, fmt.Errorf("looking for the browser's certificates: %w", err)
	}
	if err := os.MkdirAll(db.dir, 0o700); err != nil {
		return list{}, fmt.Errorf("making the browser's certificate directory: %w", err)
	}
	if _, err := db.certutil(ctx, nil, "-N", "--empty-password"); err != nil {
		return list{}, fmt.Errorf("making the browser's certificate list: %w", err)
	}
	return db, nil
}

// forget removes every certificate under our label, however many there are.
func (l list) forget(ctx context.Context) error {
	out, err := l.certutil(ctx, nil, "-L")
	if err != nil {
		return fmt.Errorf("reading the certificate list: %w", err)
	}
	for range strings.Count("\n"+out, "\n"+label+" ") {
		if _, err := l.certutil(ctx, nil, "-D", "-n", label); err != nil {
			return fmt.Errorf("removing a certificate: %w", err)
		}
	}
	return nil
}

func (l list) certutil(ctx context.Context, in []byte, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, l.program, append(args, "-d", "sql:"+l.dir)...)
	cmd.Stdin = bytes.NewReader(in)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("certutil: %w: %s", err, strings.TrimSpace(complaint.String()))
	}
	return out.String(), nil
}
