package store_test

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vestibule/store"
)

func TestURL(t *testing.T) {
	for _, tt := range []struct {
		c    store.Config
		want store.Place
	}{
		{store.Config{URL: "redis://r.example"}, store.Place{Addrs: []string{"r.example:6379"}}},
		{store.Config{URL: "redis://[::1]:7000/3"}, store.Place{Addrs: []string{"[::1]:7000"}, DB: 3}},
		{
			store.Config{URL: "redis://u:p@r.example/", Password: "better"},
			store.Place{Addrs: []string{"r.example:6379"}, Username: "u", Password: "better"},
		},
		{store.Config{URL: "rediss://r.example:1"}, store.Place{Addrs: []string{"r.example:1"}, TLS: true}},
		{store.Config{URL: "unix:///run/redis.sock"}, store.Place{Addrs: []string{"/run/redis.sock"}}},
		{
			store.Config{URL: "rediss+sentinel://a/door/2?addr=b:1&addr=c", Addrs: []string{"d"}, TLS: &tls.Config{MinVersion: tls.VersionTLS13}},
			store.Place{
				Addrs:  []string{"a:26379", "b:1", "c:26379", "d:26379"},
				Master: "door", DB: 2, TLS: true,
			},
		},
		{store.Config{URL: "redis+sentinel://a", MasterName: "door"}, store.Place{Addrs: []string{"a:26379"}, Master: "door"}},
		{store.Config{URL: "redis+cluster://a?addr=b"}, store.Place{Addrs: []string{"a:6379", "b:6379"}, Cluster: true}},
	} {
		got, err := tt.c.Place()
		if err != nil {
			t.Errorf("%s: %v", tt.c.URL, err)
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.c.URL, d)
		}
	}
}

func TestOpenNamesEveryFault(t *testing.T) {
	for _, tt := range []struct {
		c    store.Config
		want []string
	}{
		{store.Config{}, []string{"does not begin with"}},
		{store.Config{URL: "http://r.example"}, []string{"does not begin with"}},
		{store.Config{URL: "redis://u:secret@r.example:x"}, []string{"cannot be read"}},
		{store.Config{URL: "redis://"}, []string{"not host:port"}},
		{store.Config{URL: "redis+ring://a"}, []string{"neither +sentinel nor +cluster"}},
		{store.Config{URL: "redis+sentinel://a"}, []string{"names no master"}},
		{store.Config{URL: "redis://a?db=1&secret=x"}, []string{"other than addr"}},
		{store.Config{URL: "redis://a?addr=b"}, []string{"several addresses"}},
		{store.Config{URL: "redis://a/x"}, []string{"database"}},
		{store.Config{URL: "redis+cluster://a/1"}, []string{"database"}},
		{store.Config{URL: "unix://host/path"}, []string{"unix:///path"}},
		{store.Config{URL: "unix:///path?secret=1"}, []string{"unix:///path"}},
		{
			store.Config{URL: "redis://a/-1", Timeout: time.Millisecond, PoolSize: -1, Replicas: 6, Prefix: "{"},
			[]string{"database", "timeout", "pool size", "replicas", "prefix"},
		},
	} {
		s, err := store.Open(tt.c)
		if err == nil || s != nil {
			t.Errorf("Open(%+v) = %v, %v, want a fault", tt.c, s, err)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("Open(%s) = %q, want %q in it", tt.c.URL, err, want)
			}
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("Open(%s) quotes the URL: %v", tt.c.URL, err)
		}
	}
}
