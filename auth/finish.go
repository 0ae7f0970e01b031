package auth

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"vestibule/meeting"
)

// Session is what is kept of a sign-in, so that it can be ended on either
// side. The ID token is a secret.
type Session struct {
	Provider string `json:"provider"`
	Issuer   string `json:"issuer"`
	Subject  string `json:"subject"` // the ID token's sub
	SID      string `json:"sid,omitempty"`
	// IDToken is there where signing out needs it. It is not kept as it is.
	IDToken string `json:"-"`
}

// Finish returns who came back from the provider. tx is what Start gave to
// this browser; the zero Transaction is a browser that never started.
//
// Who is not proved gets a *meeting.Refusal, inside a *Doubt; a provider that
// does not answer is *Unavailable; anything else is a fault of the site.
func (o *OIDC) Finish(ctx context.Context, provider string, query url.Values, tx Transaction) (meeting.Person, Session, error) {
	p, ok := o.provider(provider)
	if !ok {
		return meeting.Person{}, Session{}, fmt.Errorf("finishing sign-in: no provider %q", provider)
	}
	person, s, err := o.finish(ctx, p, query, tx, time.Now())
	if err != nil {
		o.tell(ctx, p, err)
		return meeting.Person{}, Session{}, err
	}
	return person, s, nil
}

// tell writes for the operator which check failed; the person reads less.
func (o *OIDC) tell(ctx context.Context, p *provider, err error) {
	var d *Doubt
	if errors.As(err, &d) {
		p.log.WarnContext(ctx, "sign-in refused",
			slog.String("check", d.Check), slog.String("reason", d.Refusal.Reason.String()))
	}
}

func (o *OIDC) finish(ctx context.Context, p *provider, query url.Values, tx Transaction, now time.Time) (meeting.Person, Session, error) {
	none := meeting.Person{}
	if err := p.returned(query, tx, now); err != nil {
		return none, Session{}, err
	}
	m, err := p.learn(ctx)
	if err != nil {
		return none, Session{}, err
	}
	if m.IssInResponse && query.Get("iss") == "" { // RFC 9207 §2.4.
		return none, Session{}, p.doubt(meeting.Invalid, "iss_missing")
	}
	if err := p.answered(query); err != nil {
		return none, Session{}, err
	}
	if !o.done.first("state "+tx.State, now, tx.Started.Add(SignInLife)) {
		return none, Session{}, p.doubt(meeting.SignIn, "replayed")
	}
	token, err := p.exchange(ctx, m, query.Get("code"), tx, now)
	if err != nil {
		return none, Session{}, err
	}
	id, err := p.identify(ctx, m, token, tx, now)
	if err != nil {
		return none, Session{}, err
	}
	if m.UserInfo != "" && p.ClaimsFrom != "id_token" {
		if id.userinfo, err = p.userinfo(ctx, m, token.AccessToken, id.subject, now); err != nil {
			return none, Session{}, err
		}
	}
	person, err := p.person(id, now)
	if err != nil {
		return none, Session{}, err
	}
	sid, _ := id.token["sid"].(string)
	s := Session{Provider: p.ID, Issuer: id.issuer, Subject: id.subject, SID: sid}
	if p.hints() {
		s.IDToken = id.raw
	}
	return person, s, nil
}

// returned checks that this browser asked this provider, before anything is
// sent to anybody.
func (p *provider) returned(query url.Values, tx Transaction, now time.Time) error {
	switch {
	case tx.State == "" || tx.Nonce == "":
		return p.doubt(meeting.SignIn, "no_transaction")
	case now.After(tx.Started.Add(SignInLife)), now.Before(tx.Started.Add(-p.Skew)):
		return p.doubt(meeting.SignIn, "transaction_expired")
	case tx.Provider != p.ID:
		return p.doubt(meeting.Invalid, "other_provider")
	}
	for _, k := range []string{"state", "code", "iss", "error"} {
		if len(query[k]) > 1 { // RFC 6749 §3.1: no parameter twice.
			return p.doubt(meeting.Invalid, "parameter_twice")
		}
	}
	if !same(query.Get("state"), tx.State) {
		return p.doubt(meeting.Invalid, "state")
	}
	if iss := query.Get("iss"); query.Has("iss") && !slices.Contains(p.issuers(), iss) { // RFC 9207 §2.4.
		return p.doubt(meeting.Invalid, "iss_parameter")
	}
	return nil
}

// answered reads an error response (RFC 6749 §4.1.2.1, Core §3.1.2.6).
func (p *provider) answered(query url.Values) error {
	switch e := query.Get("error"); e {
	case "":
	case "access_denied", "login_required", "interaction_required",
		"account_selection_required", "consent_required", "unmet_authentication_requirements":
		return p.doubt(meeting.SignIn, e)
	case "temporarily_unavailable", "server_error":
		return p.unavailable(errors.New(e))
	default:
		return fmt.Errorf("signing in at %s: it answers %q", p.ID, word(e))
	}
	if query.Get("code") == "" {
		return p.doubt(meeting.Invalid, "no_code")
	}
	return nil
}

// exchange turns the code into tokens at the provider of the transaction.
func (p *provider) exchange(ctx context.Context, m *metadata, code string, tx Transaction, now time.Time) (*oauth2.Token, error) {
	var opts []oauth2.AuthCodeOption
	if tx.Verifier != "" {
		opts = append(opts, oauth2.VerifierOption(tx.Verifier))
	} else if p.pkce(m) {
		return nil, p.doubt(meeting.Invalid, "pkce")
	}
	proof, err := p.assertion(now)
	if err != nil {
		return nil, err
	}
	token, err := p.oauth(m).Exchange(oidc.ClientContext(ctx, p.client), code, append(opts, proof...)...)
	var r *oauth2.RetrieveError
	switch {
	case err == nil:
	case errors.As(err, &r):
		return nil, p.denied(r)
	default:
		return nil, p.unavailable(transport("token", err))
	}
	if !strings.EqualFold(token.TokenType, "Bearer") { // Core §3.1.3.3.
		return nil, p.doubt(meeting.Unverified, "token_type")
	}
	return token, nil
}

// denied sorts a token endpoint's no. The text of the reply is not repeated.
func (p *provider) denied(r *oauth2.RetrieveError) error {
	status := 0
	if r.Response != nil {
		status = r.Response.StatusCode
	}
	switch {
	case r.ErrorCode == "invalid_grant":
		return p.doubt(meeting.SignIn, "invalid_grant")
	case status >= http.StatusInternalServerError, r.ErrorCode == "" && status < http.StatusBadRequest:
		return p.unavailable(fmt.Errorf("token: status %d", status))
	default:
		return fmt.Errorf("signing in at %s: token: status %d, %q", p.ID, status, word(r.ErrorCode))
	}
}

// transport keeps of an error what the network said and leaves out what the
// library adds, which may be part of a reply.
func transport(what string, err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return fmt.Errorf("%s: %w", what, u)
	}
	return fmt.Errorf("%s: the reply cannot be read", what)
}

func same(a, b string) bool {
	return b != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}

// word makes of what a provider wrote something that can stand in a log.
func word(s string) string {
	if len(s) > 40 {
		return "?"
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' {
			return "?"
		}
	}
	return s
}
