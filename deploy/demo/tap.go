package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
)

// tap stands between the door and the conference server, and writes down what
// the door says: a guest's secrets are not for the conference server, and a test
// reads whether it was told any (T23).
type tap struct {
	line net.Listener
	to   string
	heap *os.File
}

// openTap listens; what is said goes to the file at path, its owner's only.
func openTap(ctx context.Context, path, to string) (*tap, error) {
	heap, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the tap: %w", err)
	}
	var lc net.ListenConfig
	line, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the tap: %w", err), heap.Close())
	}
	return &tap{line: line, to: to, heap: heap}, nil
}

// run forwards connections until ctx ends.
func (t *tap) run(ctx context.Context) error {
	defer t.heap.Close()
	var all sync.WaitGroup
	defer all.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	context.AfterFunc(ctx, func() { _ = t.line.Close() })
	for {
		in, err := t.line.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("listening at the tap: %w", err)
		}
		out, err := new(net.Dialer).DialContext(ctx, "tcp", t.to)
		if err != nil {
			_ = in.Close()
			continue
		}
		stop := context.AfterFunc(ctx, func() { _, _ = in.Close(), out.Close() })
		all.Go(func() {
			defer stop()
			_, _ = io.Copy(out, io.TeeReader(in, t.heap)) // either side may hang up at any time
			_, _ = in.Close(), out.Close()
		})
		all.Go(func() {
			_, _ = io.Copy(in, out)
			_, _ = in.Close(), out.Close()
		})
	}
}
