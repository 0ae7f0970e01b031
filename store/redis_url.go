package store

import (
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// place is where Redis is, as read from Config.URL and what stands beside it.
type place struct {
	addrs              []string
	master             string
	cluster            bool
	db                 int
	username, password string
	tls                *tls.Config
}

// place reads the URL. Its errors do not quote it: it may hold a password.
func (c *Config) place() (place, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return place{}, errors.New("redis url cannot be read")
	}
	p := place{username: u.User.Username(), master: c.MasterName}
	p.password, _ = u.User.Password()
	if c.Username != "" {
		p.username = c.Username
	}
	if c.Password != "" {
		p.password = c.Password
	}
	scheme, kind, _ := strings.Cut(u.Scheme, "+")
	if scheme == "unix" && kind == "" {
		return c.socket(p, u)
	}
	switch scheme {
	case "redis":
	case "rediss":
		if p.tls = c.TLS; p.tls == nil {
			p.tls = &tls.Config{MinVersion: tls.VersionTLS12}
		}
	default:
		return place{}, errors.New("redis url does not begin with redis://, rediss:// or unix://")
	}
	rest := strings.Trim(u.Path, "/")
	switch kind {
	case "":
	case "cluster":
		p.cluster = true
	case "sentinel":
		name, db, _ := strings.Cut(rest, "/")
		if rest = db; name != "" {
			p.master = name
		}
		if p.master == "" {
			return place{}, errors.New("redis sentinel url names no master")
		}
	default:
		return place{}, errors.New("redis url is neither +sentinel nor +cluster")
	}
	return c.finish(p, u, rest)
}

// finish reads what all kinds share: addresses and database.
func (c *Config) finish(p place, u *url.URL, db string) (place, error) {
	var errs []error
	query := u.Query()
	addrs := append(append([]string{u.Host}, query["addr"]...), c.Addrs...)
	for _, a := range addrs {
		full, err := address(a, p.master != "")
		if err != nil {
			errs = append(errs, err)
		}
		p.addrs = append(p.addrs, full)
	}
	delete(query, "addr")
	if len(query) > 0 {
		errs = append(errs, errors.New("redis url has a parameter other than addr"))
	}
	if len(addrs) > 1 && p.master == "" && !p.cluster {
		errs = append(errs, errors.New("redis url has several addresses, but is neither +sentinel nor +cluster"))
	}
	if db != "" {
		n, err := strconv.Atoi(db)
		if err != nil || n < 0 || (p.cluster && n > 0) {
			errs = append(errs, errors.New("redis url names a database that cannot be"))
		}
		p.db = n
	}
	return p, errors.Join(errs...)
}

func (c *Config) socket(p place, u *url.URL) (place, error) {
	if u.Host != "" || u.Path == "" || u.RawQuery != "" || p.master != "" || len(c.Addrs) > 0 {
		return place{}, errors.New("redis url is not unix:///path alone")
	}
	// go-redis takes an address with a slash for a socket.
	p.addrs = []string{u.Path}
	return p, nil
}

func address(a string, sentinel bool) (string, error) {
	port := "6379"
	if sentinel {
		port = "26379"
	}
	u, err := url.Parse("//" + a)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Path != "" {
		return "", errors.New("redis address is not host:port")
	}
	if u.Port() != "" {
		port = u.Port()
	}
	return net.JoinHostPort(u.Hostname(), port), nil
}
