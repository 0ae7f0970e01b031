package config

import (
	"time"

	"vestibule/house"
	"vestibule/sms"
	"vestibule/webhook"
)

// SMS is the gateway that carries codes to telephones.
type SMS struct {
	URL       string        `yaml:"url"`
	Secret    Secret        `yaml:"secret"`
	Timeout   time.Duration `yaml:"timeout"`
	CAFile    string        `yaml:"ca_file"`
	PlainHTTP bool          `yaml:"dangerously_allow_plain_http"`
}

func (c *checker) sms() {
	m := &c.f.SMS
	if m.URL == "" {
		return
	}
	c.bad(m.Secret == "", "sms.secret", "is missing", "echo whsec_$(openssl rand -base64 32) > FILE; chmod 600 FILE; secret: file:FILE")
	// The secret itself is read later.
	s := sms.Config{URL: m.URL, Secret: make([]byte, 32), Timeout: m.Timeout, DangerouslyAllowPlainHTTP: m.PlainHTTP}
	c.parts("sms", s.Check())
}

func (b *builder) sms(h *house.Config) {
	m := &b.f.SMS
	if m.URL == "" {
		return
	}
	secret, err := webhook.Secret(b.secret(m.Secret, "sms.secret"))
	b.fault("sms.secret", err)
	s, err := sms.New(sms.Config{
		URL: m.URL, Secret: secret, Timeout: m.Timeout, RootCAs: b.pool(m.CAFile, "sms.ca_file"),
		DangerouslyAllowPlainHTTP: m.PlainHTTP, Logger: b.log,
	})
	b.fault("sms", err)
	if err == nil {
		h.Texter = s
	}
}
