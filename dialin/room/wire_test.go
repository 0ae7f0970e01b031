package room_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"vestibule/conference"
	"vestibule/dialin/room"
)

// The door asks no server for its own address, whatever the conference server
// tells: neither when it joins nor when it comes back. All else arrives as sent.
func TestNobodyIsAskedForAddresses(t *testing.T) {
	if _, err := room.New(room.Config{Passes: passes("")}); err != nil { // the dialer is its
		t.Fatal(err)
	}
	servers := []*livekit.ICEServer{{Urls: []string{"stun:stun.elsewhere.example:19302"}}, {Urls: []string{"turn:elsewhere.example"}}}
	join := func(n int) *livekit.SignalResponse {
		return &livekit.SignalResponse{Message: &livekit.SignalResponse_Join{Join: &livekit.JoinResponse{
			Room: &livekit.Room{Name: strings.Repeat("r", n)}, IceServers: servers,
		}}}
	}
	reconnect := &livekit.SignalResponse{Message: &livekit.SignalResponse_Reconnect{Reconnect: &livekit.ReconnectResponse{IceServers: servers}}}
	leave := &livekit.SignalResponse{Message: &livekit.SignalResponse_Leave{Leave: &livekit.LeaveRequest{}}}
	for name, first := range map[string]*livekit.SignalResponse{
		"short": join(1), "longer": join(300), "long": join(70_000), "back again": reconnect, "not let in": leave,
	} {
		t.Run(name, func(t *testing.T) {
			got := exchange(t, first, join(2))
			want := []*livekit.SignalResponse{proto.Clone(first).(*livekit.SignalResponse), join(2)}
			if j := want[0].GetJoin(); j != nil {
				j.IceServers = nil
			}
			if r := want[0].GetReconnect(); r != nil {
				r.IceServers = nil
			}
			if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// exchange has a server send messages, and returns what arrives.
func exchange(t *testing.T, messages ...*livekit.SignalResponse) (got []*livekit.SignalResponse) {
	t.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		for _, m := range messages {
			b, err := proto.Marshal(m)
			if err == nil {
				err = c.WriteMessage(websocket.PingMessage, []byte("still there?"))
			}
			if err == nil {
				err = c.WriteMessage(websocket.BinaryMessage, b)
			}
			if err != nil {
				t.Error(err)
			}
		}
		_, _, _ = c.ReadMessage() // until they hang up
	}))
	defer web.Close()
	c, answer, err := websocket.DefaultDialer.DialContext(t.Context(), strings.Replace(web.URL, "http", "ws", 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	defer c.Close()
	for range messages {
		_, b, err := c.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		var m livekit.SignalResponse
		if err := proto.Unmarshal(b, &m); err != nil {
			t.Fatal(err)
		}
		got = append(got, &m)
	}
	return got
}

// frozen is a conference server that answers the upgrade and then says nothing
// more, for as long as the test lasts.
func frozen(t *testing.T) (url string, upgraded <-chan struct{}) {
	t.Helper()
	asked, end := make(chan struct{}, 10), make(chan struct{})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			return // it asks whether it may come, too
		}
		defer c.Close()
		asked <- struct{}{}
		<-end
	}))
	t.Cleanup(func() { close(end); web.Close() })
	return strings.Replace(web.URL, "http", "ws", 1), asked
}

// Whoever hangs up does not wait for a conference server that froze, nor does
// anybody for longer than the door has patience.
func TestNobodyWaitsForAFrozenServer(t *testing.T) {
	url, upgraded := frozen(t)
	rooms, err := room.New(room.Config{Passes: passes(url), Patience: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	join := func(ctx context.Context) <-chan error {
		done := make(chan error, 1)
		go func() {
			_, err := rooms.Join(ctx, conference.Grants{Admission: "a", Room: "r"})
			done <- err
		}()
		select {
		case <-upgraded:
		case <-time.After(5 * time.Second):
			t.Fatal("the server is not asked")
		}
		return done
	}
	ends := func(what string, done <-chan error, within time.Duration) {
		select {
		case err := <-done:
			if err == nil {
				t.Errorf("%s: joined a server that says nothing", what)
			}
		case <-time.After(within):
			t.Fatalf("%s: Join does not end", what)
		}
	}
	ctx, hangUp := context.WithCancel(t.Context())
	done := join(ctx)
	hangUp()
	ends("who hangs up", done, time.Second)
	ends("who waits", join(t.Context()), 5*time.Second)
	if n := rooms.Parties(); n != 0 {
		t.Errorf("%d rooms have callers", n)
	}
}

// A wire of whatever client ends by itself when the first message does not come,
// and stays for as long as it likes after it.
func TestWiresWaitForTheFirstMessageOnly(t *testing.T) {
	for _, speaks := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := net.Pipe()
			w, began := room.Wire(t.Context(), ours), time.Now()
			defer w.Close()
			go func() {
				_, _ = theirs.Write([]byte("HTTP/1.1 101 Switching Protocols\r\n\r\n"))
				if speaks {
					_, _ = theirs.Write([]byte{0x82, 1, 'a'})
					time.Sleep(time.Hour)
					_, _ = theirs.Write([]byte("later"))
					_ = theirs.Close()
				}
			}()
			b, err := io.ReadAll(w)
			took := time.Since(began)
			switch {
			case speaks && (err != nil || !bytes.HasSuffix(b, []byte("later")) || took != time.Hour):
				t.Errorf("a server that is silent for an hour after its first message: %q, %v after %v", b, err, took)
			case !speaks && (!errors.Is(err, os.ErrDeadlineExceeded) || took > 10*time.Second):
				t.Errorf("a server without a first message: %v after %v", err, took)
			}
		})
	}
}
