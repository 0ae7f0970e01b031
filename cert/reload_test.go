package cert_test

import (
	"context"
	"crypto/tls"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"vestibule/cert"
)

// A renewal is picked up without a restart, a half-written one is not, and no
// handshake fails in between.
func TestT67GivenFilesAreReloaded(t *testing.T) {
	files := given(t, 1, "door.example.org")
	renewed, key := issue(t, 2, time.Now().Add(100*365*24*time.Hour), "door.example.org")
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		c := must(t, cert.Config{Hosts: []string{"door.example.org"}, Files: []cert.Files{files}})
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx) }()
		serves := func(want int64) {
			t.Helper()
			time.Sleep(2 * time.Minute) // the bubble's clock: two looks at the files
			synctest.Wait()
			state, err := shake(t, c.TLS(), &tls.Config{ServerName: "door.example.org", Time: time.Now})
			if err != nil {
				t.Fatal(err)
			}
			if got := state.PeerCertificates[0].SerialNumber.Int64(); got != want {
				t.Errorf("got certificate %d, want %d", got, want)
			}
		}
		serves(1)
		if err := os.WriteFile(files.Cert, renewed, 0o644); err != nil {
			t.Fatal(err)
		}
		serves(1) // its key is still the old one
		if err := os.WriteFile(files.Key, key, 0o600); err != nil {
			t.Fatal(err)
		}
		serves(2)
		if err := os.Remove(files.Key); err != nil {
			t.Fatal(err)
		}
		serves(2)
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	})
}
