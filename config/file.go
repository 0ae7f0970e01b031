// Package config reads the one file that says how a door is set up, and tells
// everything that is wrong with it at once, each with its place.
//
// It refuses what it does not know, what is said twice, and secrets written in
// the file itself.
package config

import (
	_ "embed"
	"time"
)

// Example is a complete configuration with comments.
//
//go:embed example.yaml
var Example []byte

// File is the configuration as written. Every key is in Example, with its
// meaning, default and bounds.
type File struct {
	Door         string       `yaml:"door"`
	Room         string       `yaml:"room"`
	Listen       Listen       `yaml:"listen"`
	Secret       Secret       `yaml:"secret"`
	State        string       `yaml:"state"`
	Site         Site         `yaml:"site"`
	Store        Store        `yaml:"store"`
	Certificates Certificates `yaml:"certificates"`
	Mail         Mail         `yaml:"mail"`
	SMS          SMS          `yaml:"sms"`
	Providers    []Provider   `yaml:"providers"`
	Conference   Conference   `yaml:"conference"`
	Turn         Turn         `yaml:"turn"`
	Dialin       Dialin       `yaml:"dialin"`
	Meetings     Meetings     `yaml:"meetings"`
	Sessions     Sessions     `yaml:"sessions"`
	Policy       Policy       `yaml:"policy"`
	API          API          `yaml:"api"`
	Webhooks     []Webhook    `yaml:"webhooks"`
	Log          Log          `yaml:"log"`

	where map[string]position
	name  string
}

// Listen is where to answer.
type Listen struct {
	HTTPS string `yaml:"https"`
	HTTP  string `yaml:"http"`
	Ops   string `yaml:"ops"`
	// These are house.Limits'.
	PerSource int      `yaml:"per_source"`
	Trusted   []string `yaml:"trusted"`
	Proxies   []string `yaml:"proxies"`
	Balancers []string `yaml:"balancers"`
}

// Site is how the door presents itself.
type Site struct {
	Name     string `yaml:"name"`
	Contact  string `yaml:"contact"`
	Notice   string `yaml:"notice"`
	Lang     string `yaml:"lang"`
	Zone     string `yaml:"zone"`
	ThemeDir string `yaml:"theme_dir"`
}

// Store is where Redis is.
type Store struct {
	URL      string        `yaml:"url"`
	Username string        `yaml:"username"`
	Password Secret        `yaml:"password"`
	Replicas int           `yaml:"replicas"`
	Timeout  time.Duration `yaml:"timeout"`
}

// Certificates is where the certificates come from.
type Certificates struct {
	ACME    ACME       `yaml:"acme"`
	Storage string     `yaml:"storage"`
	Files   []CertFile `yaml:"files"`
}

// ACME is an authority that issues certificates by itself.
type ACME struct {
	Email     string `yaml:"email"`
	Directory string `yaml:"directory"`
	Agree     bool   `yaml:"agree"`
	CAFile    string `yaml:"ca_file"`
}

// CertFile is a given certificate.
type CertFile struct {
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
}

// Mail is the mail server.
type Mail struct {
	Addr             string  `yaml:"addr"`
	TLS              string  `yaml:"tls"`
	Username         string  `yaml:"username"`
	Password         Secret  `yaml:"password"`
	From             string  `yaml:"from"`
	FromName         string  `yaml:"from_name"`
	HELO             string  `yaml:"helo"`
	DangerouslyPlain bool    `yaml:"dangerously_plain"`
	LinkInCalendar   bool    `yaml:"link_in_calendar"`
	Bounces          Bounces `yaml:"bounces"`
}

// Bounces is how mails come back that cannot be delivered.
type Bounces struct {
	Address string   `yaml:"address"`
	LMTP    string   `yaml:"lmtp"`
	Relays  []string `yaml:"relays"`
}

// Conference is the server behind the door.
type Conference struct {
	LiveKit LiveKit `yaml:"livekit"`
}

// LiveKit is a LiveKit server.
type LiveKit struct {
	URL       string        `yaml:"url"`
	Key       string        `yaml:"key"`
	Secret    Secret        `yaml:"secret"`
	Timeout   time.Duration `yaml:"timeout"`
	CAFile    string        `yaml:"ca_file"`
	PlainHTTP bool          `yaml:"dangerously_allow_plain_http"`
}

// Meetings is what holds for every meeting.
type Meetings struct {
	Early time.Duration `yaml:"early"`
	Grace time.Duration `yaml:"grace"`
	Keep  time.Duration `yaml:"keep"`
	// Names and Emails are lobby.Config's.
	Names  string `yaml:"names"`
	Emails string `yaml:"emails"`
	// KeepIncidents is lobby.Config's.
	KeepIncidents time.Duration `yaml:"keep_incidents"`
	// SignOutLeaves is house.Config's.
	SignOutLeaves bool `yaml:"signout_leaves"`
	// Reminders are how long before the start.
	Reminders []time.Duration `yaml:"reminders"`
}

// Sessions is how long a browser stays signed in.
type Sessions struct {
	// Idle and Absolute are house.Config's SessionIdle and SessionLife.
	Idle     time.Duration `yaml:"idle"`
	Absolute time.Duration `yaml:"absolute"`
}

// Policy is the site's own rules.
type Policy struct {
	Rules string `yaml:"rules"`
}

// Log is what operators read.
type Log struct {
	Level string `yaml:"level"`
}
