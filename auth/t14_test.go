package auth_test

import (
	"net/url"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"vestibule/auth"
	"vestibule/auth/authtest"
)

const otherIssuer = "https://id.town.example"

// town is a second provider beside the hospital's.
type both struct {
	o              *auth.OIDC
	hospital, town *authtest.Provider
}

func newBoth(t *testing.T, edit func(*auth.Provider)) both {
	t.Helper()
	k := authtest.NewKey("k1", jose.ES256)
	b := both{hospital: authtest.New(issuer, k), town: authtest.New(otherIssuer, authtest.NewKey("k1", jose.ES256))}
	var ps []auth.Provider
	for id, op := range map[string]*authtest.Provider{"hospital": b.hospital, "town": b.town} {
		p := auth.Provider{
			ID: id, Name: id, Issuer: op.Issuer, ClientID: op.ClientID, ClientSecret: op.ClientSecret,
			Logout: []string{"rp", "backchannel"},
		}
		if edit != nil {
			edit(&p)
		}
		ps = append(ps, p)
	}
	var err error
	b.o, err = auth.New(auth.Config{
		Providers: ps, Callback: callback,
		Transport: authtest.Net{"id.hospital.example": b.hospital, "id.town.example": b.town},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// begin starts a sign-in and returns what the browser brings back.
func (b both) begin(t *testing.T, id string) (url.Values, auth.Transaction) {
	t.Helper()
	redirect, tx, err := b.o.Start(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	op := b.hospital
	if id == "town" {
		op = b.town
	}
	back, err := op.Authorize(redirect)
	if err != nil {
		t.Fatal(err)
	}
	return back, tx
}

// T14: what belongs to one provider or browser is of no use with another, and
// no provider is sent a code that is not its own.
func TestT14MixUp(t *testing.T) {
	for _, c := range []struct {
		name string
		want string
		// swap changes what comes back to the town's callback.
		swap func(town, hospital url.Values, townTx, hospitalTx *auth.Transaction)
	}{
		{"whole answer of the other", "state", func(town, hospital url.Values, _, _ *auth.Transaction) {
			for k := range town {
				town[k] = hospital[k]
			}
		}},
		{"transaction of the other", "other_provider", func(_, _ url.Values, tx, other *auth.Transaction) { *tx = *other }},
		{"answer and transaction of the other", "other_provider", func(town, hospital url.Values, tx, other *auth.Transaction) {
			for k := range town {
				town[k] = hospital[k]
			}
			*tx = *other
		}},
		{"state of the other", "state", func(town, hospital url.Values, _, _ *auth.Transaction) { town["state"] = hospital["state"] }},
		{"iss of the other", "iss_parameter", func(town, hospital url.Values, _, _ *auth.Transaction) { town["iss"] = hospital["iss"] }},
		{"code and iss of the other", "iss_parameter", func(town, hospital url.Values, _, _ *auth.Transaction) {
			town["code"], town["iss"] = hospital["code"], hospital["iss"]
		}},
		{"browser that never started", "no_transaction", func(_, _ url.Values, tx, _ *auth.Transaction) { *tx = auth.Transaction{} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBoth(t, nil)
			townBack, townTx := b.begin(t, "town")
			hospitalBack, hospitalTx := b.begin(t, "hospital")
			c.swap(townBack, hospitalBack, &townTx, &hospitalTx)
			_, _, err := b.o.Finish(t.Context(), "town", townBack, townTx)
			if got := outcome(err); got != c.want {
				t.Errorf("outcome = %s, want %s", got, c.want)
			}
			if n := b.town.Hits("/token") + b.hospital.Hits("/token"); n != 0 {
				t.Errorf("%d token requests, want none", n)
			}
			// Nothing lost: the next one signs in.
			back, tx := b.begin(t, "town")
			if _, _, err := b.o.Finish(t.Context(), "town", back, tx); err != nil {
				t.Errorf("the next honest sign-in: %v", err)
			}
			if b.hospital.Hits("/token") != 0 {
				t.Error("the other provider saw a token request")
			}
		})
	}
}

// T14: a code of another person, put into one's own answer (code injection).
func TestT14CodeOfAnother(t *testing.T) {
	for _, pkce := range []string{"on", "off"} {
		b := newBoth(t, func(p *auth.Provider) { p.PKCE = pkce })
		victim, _ := b.begin(t, "town")
		back, tx := b.begin(t, "town")
		back["code"] = victim["code"]
		want := "invalid_grant" // PKCE binds the code to the browser,
		if pkce == "off" {
			want = "nonce" // and without it the nonce does.
		}
		_, _, err := b.o.Finish(t.Context(), "town", back, tx)
		if got := outcome(err); got != want {
			t.Errorf("pkce %s: outcome = %s, want %s", pkce, got, want)
		}
	}
}

func TestT14Replay(t *testing.T) {
	b := newBoth(t, nil)
	back, tx := b.begin(t, "town")
	if _, _, err := b.o.Finish(t.Context(), "town", back, tx); err != nil {
		t.Fatal(err)
	}
	_, _, err := b.o.Finish(t.Context(), "town", back, tx)
	if got := outcome(err); got != "replayed" {
		t.Errorf("outcome = %s, want replayed", got)
	}
	if n := b.town.Hits("/token"); n != 1 {
		t.Errorf("%d token requests, want 1", n)
	}
}

// A code that was spent proves nobody in a new transaction, though its state is
// that of the browser.
func TestT13CodeReplayed(t *testing.T) {
	t.Run("code-replayed", func(t *testing.T) {
		b := newBoth(t, nil)
		spent, tx := b.begin(t, "town")
		if _, _, err := b.o.Finish(t.Context(), "town", spent, tx); err != nil {
			t.Fatal(err)
		}
		back, tx := b.begin(t, "town")
		back["code"] = spent["code"]
		if _, _, err := b.o.Finish(t.Context(), "town", back, tx); outcome(err) != "invalid_grant" {
			t.Errorf("outcome = %s, want invalid_grant", outcome(err))
		}
	})
}

func TestT14PKCERemoved(t *testing.T) {
	b := newBoth(t, nil)
	back, tx := b.begin(t, "town")
	tx.Verifier = ""
	_, _, err := b.o.Finish(t.Context(), "town", back, tx)
	if got := outcome(err); got != "pkce" {
		t.Errorf("outcome = %s, want pkce", got)
	}
	if b.town.Hits("/token") != 0 {
		t.Error("the code was sent without its proof")
	}
}
