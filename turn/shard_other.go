//go:build !linux || !(amd64 || arm64)

package turn

import (
	"errors"
	"net"
	"syscall"
)

const maxShards = 1

// batches says that nothing moves many packets at a time here.
func batches() error { return errors.New("not on this platform") }

func shareable(*net.UDPConn) error { return nil }

func sharing(string, string, syscall.RawConn) error { return nil }

// udpWire is the wire of c.
func udpWire(_ *guard, c *net.UDPConn) (wire, error) { return datagrams{c}, nil }
