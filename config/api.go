package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"vestibule/api"
	"vestibule/house"
	"vestibule/webhook"
)

// API is who may use the JSON API.
type API struct {
	Rate     int         `yaml:"rate"`
	Keys     []APIKey    `yaml:"keys"`
	Provider string      `yaml:"provider"`
	Audience string      `yaml:"audience"`
	Clients  []APIClient `yaml:"clients"`
}

// APIKey is a key that vestibule apikey made.
type APIKey struct {
	ID     string   `yaml:"id"`
	Hash   string   `yaml:"hash"`
	Scopes []string `yaml:"scopes"`
	Owner  Owner    `yaml:"owner"`
}

// APIClient is a program that the provider gives tokens to.
type APIClient struct {
	ID     string   `yaml:"id"`
	Scopes []string `yaml:"scopes"`
	Owner  Owner    `yaml:"owner"`
}

// Owner is the host in whose name a program acts.
type Owner struct {
	Name     string `yaml:"name"`
	Email    string `yaml:"email"`
	Provider string `yaml:"provider"`
	Subject  string `yaml:"subject"`
}

// Webhook is an address that is told what happens.
type Webhook struct {
	URL          string   `yaml:"url"`
	Secret       Secret   `yaml:"secret"`
	Events       []string `yaml:"events"`
	IncludeNames bool     `yaml:"include_names"`
	CAFile       string   `yaml:"ca_file"`
	PlainHTTP    bool     `yaml:"dangerously_allow_plain_http"`
}

// owner finds the issuer of the owner's provider.
func (f *File) owner(o Owner) api.Owner {
	a := api.Owner{Name: o.Name, Email: o.Email, Subject: o.Subject}
	for i := range f.Providers {
		if o.Provider != "" && f.Providers[i].ID == o.Provider {
			a.Issuer = f.Providers[i].issuerOf()
		}
	}
	return a
}

func (f *File) apiKey(i int) api.Key {
	k := &f.API.Keys[i]
	return api.Key{ID: k.ID, Hash: k.Hash, Scopes: k.Scopes, Owner: f.owner(k.Owner)}
}

func (f *File) apiClient(i int) api.Client {
	k := &f.API.Clients[i]
	return api.Client{ID: k.ID, Scopes: k.Scopes, Owner: f.owner(k.Owner)}
}

func (c *checker) api() {
	a := &c.f.API
	c.between(a.Rate, "api.rate", 1, 1000)
	for i := range a.Keys {
		at := fmt.Sprintf("api.keys[%d]", i)
		k := c.f.apiKey(i)
		c.parts(at, k.Check())
		c.provided(at+".owner.provider", a.Keys[i].Owner.Provider)
		c.bad(slices.ContainsFunc(a.Keys[:i], func(b APIKey) bool { return b.ID == k.ID }), at+".id", quoted(k.ID)+" is there twice", "")
	}
	for i := range a.Clients {
		at := fmt.Sprintf("api.clients[%d]", i)
		k := c.f.apiClient(i)
		c.parts(at, k.Check())
		c.provided(at+".owner.provider", a.Clients[i].Owner.Provider)
		c.bad(slices.ContainsFunc(a.Clients[:i], func(b APIClient) bool { return b.ID == k.ID }), at+".id", quoted(k.ID)+" is there twice", "")
	}
	c.bad(len(a.Clients) > 0 && a.Provider == "", "api.provider", "is missing", "the id of the provider that gives the clients their tokens")
	c.provided("api.provider", a.Provider)
	for i := range c.f.Webhooks {
		w := &c.f.Webhooks[i]
		at := fmt.Sprintf("webhooks[%d]", i)
		c.bad(w.Secret == "", at+".secret", "is missing", "echo whsec_$(openssl rand -base64 32) > FILE; chmod 600 FILE; secret: file:FILE")
		// The secret itself is read later.
		h := api.Hook{URL: w.URL, Events: w.Events, Secret: make([]byte, 32), DangerouslyAllowPlainHTTP: w.PlainHTTP}
		c.parts(at, h.Check())
	}
}

// provided asks that a provider named somewhere is one of the site's.
func (c *checker) provided(key, id string) {
	known := slices.ContainsFunc(c.f.Providers, func(p Provider) bool { return p.ID == id })
	c.bad(id != "" && !known, key, quoted(id)+" is none of the providers", "the id of one under providers")
}

// parts places each error "field: what" of a room's own check at its field.
func (c *checker) parts(at string, err error) {
	if err == nil {
		return
	}
	for _, e := range leaves(err) {
		field, what, ok := strings.Cut(e.Error(), ": ")
		if !ok {
			field, what = "", e.Error()
		}
		c.bad(true, strings.TrimSuffix(at+"."+field, "."), what, "")
	}
}

// leaves takes a join of joins apart.
func leaves(err error) []error {
	if err == nil {
		return nil
	}
	list := each(err)
	if len(list) == 1 && errors.Is(list[0], err) {
		return list
	}
	var all []error
	for _, e := range list {
		all = append(all, leaves(e)...)
	}
	return all
}

func (b *builder) api(h *house.Config) {
	f := b.f
	h.API = api.Config{Rate: f.API.Rate, Provider: f.API.Provider, Audience: f.API.Audience}
	for i := range f.API.Keys {
		h.API.Keys = append(h.API.Keys, f.apiKey(i))
	}
	for i := range f.API.Clients {
		h.API.Clients = append(h.API.Clients, f.apiClient(i))
	}
	for i := range f.Webhooks {
		w := &f.Webhooks[i]
		at := fmt.Sprintf("webhooks[%d]", i)
		secret, err := webhook.Secret(b.secret(w.Secret, at+".secret"))
		b.fault(at+".secret", err)
		h.API.Hooks = append(h.API.Hooks, api.Hook{
			URL: w.URL, Secret: secret, Events: w.Events, IncludeNames: w.IncludeNames,
			RootCAs: b.pool(w.CAFile, at+".ca_file"), DangerouslyAllowPlainHTTP: w.PlainHTTP,
		})
	}
}
