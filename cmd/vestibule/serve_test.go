package main

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"vestibule/house"
)

// TestBindTakesThePlaceOfAnOldSocket: a process that was killed leaves its
// socket behind; a file that is no socket is nobody's to remove.
func TestBindTakesThePlaceOfAnOldSocket(t *testing.T) {
	dir, err := os.MkdirTemp("", "ops") // a short name: sockets have no room for a long one
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "ops.sock")
	old, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	old.SetUnlinkOnClose(false)
	_ = old.Close()
	ln, err := bind(t.Context(), house.UnixPrefix+path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = c.Close(), ln.Close()
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if ln, err := bind(t.Context(), house.UnixPrefix+path); err == nil {
		_ = ln.Close()
		t.Error("a file is taken for an old socket")
	}
}
