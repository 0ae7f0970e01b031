package auth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"vestibule/auth"
	"vestibule/auth/authtest"
)

// pemOf writes a key as openssl does.
func pemOf(t *testing.T, kind string, der []byte, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func pkcs8(t *testing.T, k any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(k)
	return pemOf(t, "PRIVATE KEY", der, err)
}

// A client proved by its key, of each kind, as RFC 7523 asks; the provider
// checks all of it and takes no assertion twice.
func TestPrivateKeyJWT(t *testing.T) {
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(p256)
	for name, c := range map[string]struct {
		pem    []byte
		public crypto.PublicKey
	}{
		"RSA":                   {pkcs8(t, r), r.Public()},
		"RSA, PKCS #1":          {pemOf(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(r), nil), r.Public()},
		"P-256, SEC 1":          {append([]byte("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"), pemOf(t, "EC PRIVATE KEY", sec1, err)...), p256.Public()},
		"P-384":                 {pkcs8(t, p384), p384.Public()},
		"Ed25519":               {pkcs8(t, ed), ed.Public()},
		"the key of a stranger": {pkcs8(t, p256), p384.Public()},
	} {
		t.Run(name, func(t *testing.T) {
			key, err := auth.ParseKey(c.pem)
			if err != nil {
				t.Fatal(err)
			}
			op := authtest.New(issuer, authtest.NewKey("k1", jose.ES256))
			op.ClientKey = c.public
			o := hospital(t, op, func(p *auth.Provider) { p.ClientSecret, p.Key, p.KeyID = "", key, "door-1" })
			want := "accepted"
			if name == "the key of a stranger" {
				want = "fault"
			}
			for range 2 { // each with an assertion of its own
				_, _, err = signIn(t.Context(), o, op)
				if got := outcome(err); got != want {
					t.Errorf("outcome = %s, want %s: %v", got, want, err)
				}
				silent(t, err)
			}
		})
	}
}

func TestParseKeyRefuses(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(p224.Public())
	for want, text := range map[string][]byte{
		"holds no PEM":         []byte("hunter2"),
		"no private key that":  pemOf(t, "PUBLIC KEY", public, err),
		"holds no private key": pemOf(t, "PRIVATE KEY", []byte("hunter2"), nil),
		"2048 bits":            pkcs8(t, small),
		"want RSA, P-256":      pkcs8(t, p224),
	} {
		if _, err := auth.ParseKey(text); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("ParseKey = %v, want %q", err, want)
		}
	}
}

func TestNewRefusesHalfAProof(t *testing.T) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	good := auth.Provider{ID: "a", Name: "A", Issuer: issuer, ClientID: "c", Key: key, PKCE: "off"}
	for want, edit := range map[string]func(*auth.Provider){
		"":                        func(*auth.Provider) {},
		"private_key_jwt needs":   func(p *auth.Provider) { p.Key, p.ClientSecret, p.ClientAuth = nil, "s", "private_key_jwt" },
		"by a secret already":     func(p *auth.Provider) { p.ClientSecret = "s" },
		"by a secret already\x00": func(p *auth.Provider) { p.ClientAuth = "post" },
		"without a secret needs":  func(p *auth.Provider) { p.Key = nil },
	} {
		p := good
		edit(&p)
		_, err := auth.New(auth.Config{Callback: callback, Providers: []auth.Provider{p}})
		if want = strings.TrimSuffix(want, "\x00"); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("New = %v, want %q", err, want)
		}
	}
}
