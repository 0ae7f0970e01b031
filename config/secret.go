package config

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

// Secret says where a secret is kept: file:PATH, env:NAME or cred:NAME (a
// systemd credential). It prints as «secret».
type Secret string

// String hides even the place.
func (s Secret) String() string { return "«secret»" }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// wellFormed reports whether s names a place and not the secret itself.
func (s Secret) wellFormed() bool {
	kind, place, ok := strings.Cut(string(s), ":")
	return ok && place != "" && (kind == "file" || kind == "env" || kind == "cred")
}

// What others may not do with a file that holds a secret. Where a service has a
// user of its own, systemd lets that user read a credential by an ACL, whose mask
// stands in the bits of the group (0440); nobody else gets into the folder.
const (
	ofFiles       = 0o077
	ofCredentials = 0o037
)

// Read fetches the secret, without the newline that editors leave. Files that
// others may read are refused: a secret that everybody can read is none.
func (s Secret) Read() (string, error) {
	if s == "" {
		return "", nil
	}
	if !s.wellFormed() {
		return "", errors.New("a secret is file:PATH, env:NAME or cred:NAME")
	}
	kind, place, _ := strings.Cut(string(s), ":")
	switch kind {
	case "env":
		v, ok := os.LookupEnv(place)
		if !ok || v == "" {
			return "", fmt.Errorf("environment variable %s is not set", place)
		}
		return v, nil
	case "cred":
		dir := os.Getenv("CREDENTIALS_DIRECTORY")
		if dir == "" {
			return "", errors.New("no systemd credentials here: LoadCredential= is missing in the unit")
		}
		return readFile(filepath.Join(dir, filepath.Base(place)), ofCredentials)
	default:
		return readFile(place, ofFiles)
	}
}

func readFile(path string, forbidden os.FileMode) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if info.Mode().Perm()&forbidden != 0 {
		return "", fmt.Errorf("%s can be read by others: chmod 600 it", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	v := strings.TrimRight(string(b), "\r\n")
	if v == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return v, nil
}
