package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"testing"
	"time"
)

// TestWebSocketsAreCarriedWhole speaks before it is answered, then in pieces of
// every size about those of the buffers, and is cut in the middle of more.
func TestWebSocketsAreCarriedWhole(t *testing.T) {
	t.Parallel()
	_, s, h, admission := echoing(t, func(w http.ResponseWriter, _ *http.Request) {
		c, b, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.WriteString(c, switched)
		_, _ = io.Copy(c, b)
	})
	c := s.connectTo(t, "room.example", "http/1.1")
	defer c.Close()
	early := []byte("said before the answer")
	head := "GET /app/ws HTTP/1.1\r\nHost: room.example\r\nOrigin: " + roomOrigin + "\r\n" + upgrading + "Cookie: __Host-room=" + h.cookie(roomOrigin, "__Host-room") + "\r\n\r\n"
	if _, err := c.Write(append([]byte(head), early...)); err != nil {
		t.Fatal(err)
	}
	b := bufio.NewReader(c)
	res, err := http.ReadResponse(b, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", res, err)
	}
	returns := func(want []byte) {
		got := make([]byte, len(want))
		if _, err := io.ReadFull(b, got); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes came back as others: %v", len(want), err)
		}
	}
	returns(early)
	for _, n := range []int{1, 511, 512, 513, 1024, 16 << 10, 16<<10 + 1, 32 << 10, 33 << 10, 100_000, 1} {
		p := make([]byte, n)
		_, _ = rand.Read(p)
		if _, err := c.Write(p); err != nil {
			t.Fatal(err)
		}
		returns(p)
	}
	go func() { _, _ = c.Write(make([]byte, 32<<20)) }() // ends with the connection
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	begun := time.Now()
	if err := s.Gateway.Cut(ctx, admission); err != nil {
		t.Error(err)
	}
	t.Logf("cut after %v", time.Since(begun))
	if n := s.Gateway.Connections(); n != 0 {
		t.Errorf("%d connections are left", n)
	}
}
