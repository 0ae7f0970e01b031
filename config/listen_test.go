package config_test

import (
	"bytes"
	"strings"
	"testing"

	"vestibule/config"
)

// TestT32WhoSaysWhoIsToldApart: a connection that may or may not begin with a
// PROXY header lets a stranger choose.
func TestT32WhoSaysWhoIsToldApart(t *testing.T) {
	for lines, want := range map[string]string{
		"  proxies: [192.0.2.8/32]\n  balancers: [192.0.2.9/32]": "",
		"  proxies: [192.0.2.8]":                                 "listen.proxies[0]",
		"  balancers: [example.org]":                             "listen.balancers[0]",
		"  trusted: [10.0.0.0/8]\n  balancers: [10.1.0.0/16]":    "listen.balancers[0]: «10.1.0.0/16» is also among trusted or proxies",
		"  proxies: [10.1.0.0/16]\n  balancers: [10.0.0.0/8]":    "listen.balancers[0]",
	} {
		src := config.Example
		for key := range strings.Lines(lines + "\n") {
			name, _, _ := strings.Cut(strings.TrimSpace(key), ":")
			at := bytes.Index(src, []byte("\n  "+name+":")) + 1
			end := at + bytes.IndexByte(src[at:], '\n') + 1
			src = bytes.Join([][]byte{src[:at], []byte(key), src[end:]}, nil)
		}
		_, faults := config.Parse("f", src)
		var got []string
		for _, f := range faults {
			got = append(got, f.Error())
		}
		if all := strings.Join(got, "\n"); (want == "") != (all == "") || !strings.Contains(all, want) {
			t.Errorf("%s: %q, want %q", lines, all, want)
		}
	}
}

func TestOpsOnASocket(t *testing.T) {
	for address, ok := range map[string]bool{"unix:/run/vestibule/ops.sock": true, "unix:ops.sock": false, "unix:": false, "/run/ops.sock": false, `""`: true} {
		src := bytes.Replace(config.Example, []byte("  ops: 127.0.0.1:9464"), []byte("  ops: "+address), 1)
		if _, faults := config.Parse("f", src); (len(faults) == 0) != ok {
			t.Errorf("ops: %s: %v", address, faults)
		}
	}
}
