package demo_test

import (
	"fmt"
	"html"
	"net/http"
	"sync/atomic"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"vestibule/deploy/demo"
)

// standIn is a door that signs people in and says who they are: enough to
// see every other part work before the real one.
type standIn struct {
	s    demo.Surroundings
	told atomic.Int32 // back-channel logouts with a good token
}

const verifier = "dBjftJeZ4CVP-mBqGj-lk_aFk2xTqzkFfSdoqhGVbvM"

func (d *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx := oidc.ClientContext(r.Context(), d.s.Inside)
	switch r.URL.Path {
	case "/sign-in", demo.AfterSignIn, demo.ToldSignOut:
	default:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprintf(w, `<!doctype html><title>%s</title>`, html.EscapeString(r.Host))
		return
	}
	op, err := oidc.NewProvider(ctx, d.s.ID)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	c := oauth2.Config{
		ClientID: d.s.ClientID, ClientSecret: d.s.ClientSecret, Endpoint: op.Endpoint(),
		RedirectURL: d.s.Door + demo.AfterSignIn, Scopes: []string{"openid", "email", "profile"},
	}
	v := op.Verifier(&oidc.Config{ClientID: d.s.ClientID, SupportedSigningAlgs: []string{"ES256"}})
	switch r.URL.Path {
	case "/sign-in":
		http.Redirect(w, r, c.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier), oidc.Nonce("n")), http.StatusSeeOther)
	case demo.ToldSignOut:
		if _, err := v.VerifyLogout(ctx, r.PostFormValue("logout_token")); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		d.told.Add(1)
	default:
		token, err := c.Exchange(ctx, r.URL.Query().Get("code"), oauth2.VerifierOption(verifier))
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		raw, _ := token.Extra("id_token").(string)
		id, err := v.Verify(ctx, raw)
		var who struct{ Name, Email string }
		if err == nil {
			err = id.Claims(&who)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprintf(w, `<!doctype html><title>door</title><p id="who">%s %s</p>`, html.EscapeString(who.Name), html.EscapeString(who.Email))
	}
}
