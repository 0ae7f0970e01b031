package livekit_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	lk "github.com/livekit/protocol/livekit"

	"vestibule/conference"
)

// send returns what the server is told of what the browser says in pieces of
// n bytes (0: at once), and the code with which the connection ends (0: not).
func send(tb testing.TB, g conference.Grants, said []byte, n int) ([]frame, uint16) {
	tb.Helper()
	s := &stream{Reader: bytes.NewReader(nil)}
	w := backend(tb).Wrap(s, g, annasRelay, nil)
	if n == 0 {
		n = max(len(said), 1)
	}
	for piece := range slices.Chunk(said, n) {
		if c, err := w.Write(piece); err != nil || c != len(piece) {
			tb.Fatalf("Write = %d, %v; want %d", c, err, len(piece))
		}
	}
	got, rest := parse(s.told.Bytes())
	if len(rest) > 0 && !s.closed {
		tb.Errorf("the server is left with %d bytes of a frame", len(rest))
	}
	if !s.closed {
		return got, 0
	}
	bye, _ := io.ReadAll(w)
	if len(bye) != 4 || bye[0] != closing {
		tb.Fatalf("the browser is told %x, want a close frame", bye)
	}
	return got, binary.BigEndian.Uint16(bye[2:])
}

func ping() []byte {
	return request(&lk.SignalRequest{Message: &lk.SignalRequest_Ping{Ping: 1700000000000}})
}

func answer(n int) []byte {
	return request(&lk.SignalRequest{Message: &lk.SignalRequest_Answer{Answer: &lk.SessionDescription{Type: "answer", Sdp: strings.Repeat("v", n)}}})
}

func TestWritePassesUntouched(t *testing.T) {
	said := []frame{
		{head: bin, mask: true, data: ping()},
		{head: bin, mask: true, data: answer(100)},
		{head: pingFrame, mask: true, data: []byte("hello")},
		{head: bin, mask: true, data: answer(60_000)},
		{head: 0x8A, mask: true},
		{head: bin, mask: true, data: answer(200_000)},
		{head: closing, mask: true, data: []byte{0x03, 0xE8}},
	}
	for _, n := range []int{0, 1, 2, 3, 13, 29, 30, 31, 4096} {
		got, code := send(t, anna(), join(said...), n)
		if diff := cmp.Diff(said, got, cmp.AllowUnexported(frame{}), cmp.Comparer(bytes.Equal)); diff != "" || code != 0 {
			t.Errorf("pieces of %d, closed with %d (-want +got):\n%.2000s", n, code, diff)
		}
	}
}

func TestWriteDrops(t *testing.T) {
	chat := anna()
	chat.Chat = true
	metadata := request(&lk.SignalRequest{Message: &lk.SignalRequest_UpdateMetadata{UpdateMetadata: &lk.UpdateParticipantMetadata{Name: "The Host"}}})
	data := request(&lk.SignalRequest{Message: &lk.SignalRequest_PublishDataTrackRequest{PublishDataTrackRequest: &lk.PublishDataTrackRequest{PubHandle: 1, Name: strings.Repeat("n", 200)}}})
	whisper := request(&lk.SignalRequest{Message: &lk.SignalRequest_SubscriptionPermission{SubscriptionPermission: &lk.SubscriptionPermission{AllParticipants: false}}})
	simulate := request(&lk.SignalRequest{Message: &lk.SignalRequest_Simulate{Simulate: &lk.SimulateScenario{Scenario: &lk.SimulateScenario_NodeFailure{NodeFailure: true}}}})
	a := answer(300)
	for name, c := range map[string]struct {
		grants conference.Grants
		said   []frame
		want   [][]byte
	}{
		"metadata":          {chat, []frame{{head: bin, data: metadata}}, nil},
		"whispering":        {chat, []frame{{head: bin, data: whisper}}, nil},
		"simulated failure": {chat, []frame{{head: bin, data: simulate}}, nil},
		"data without chat": {anna(), []frame{{head: bin, data: data}}, nil},
		"data with chat":    {chat, []frame{{head: bin, data: data}}, [][]byte{data}},
		"unknown":           {chat, []frame{{head: bin, data: []byte{0xA2, 0x06, 1, 'x'}}}, nil},
		"answer in pieces": {
			anna(),
			[]frame{{head: binPart, data: a[:1]}, {head: contPart, data: a[1:7]}, {head: contPart}, {head: cont, data: a[7:]}},
			[][]byte{a},
		},
		"metadata in pieces": {chat, []frame{{head: binPart, data: metadata[:1]}, {head: cont, data: metadata[1:]}}, nil},
		"empty beginning":    {anna(), []frame{{head: binPart}, {head: contPart}, {head: cont, data: a}}, [][]byte{a}},
	} {
		for i := range c.said {
			c.said[i].mask = true
		}
		for _, n := range []int{0, 1, 5} {
			around := frame{head: bin, mask: true, data: ping()}
			got, code := send(t, c.grants, join(slices.Concat([]frame{around}, c.said, []frame{around})...), n)
			want := slices.Concat([][]byte{ping()}, c.want, [][]byte{ping()})
			var data [][]byte
			for _, f := range got {
				if f.head != bin || !f.mask {
					t.Errorf("%s: the server is told frame %#x, masked %v", name, f.head, f.mask)
				}
				data = append(data, f.data)
			}
			if diff := cmp.Diff(want, data); diff != "" || code != 0 {
				t.Errorf("%s, pieces of %d, closed with %d (-want +got):\n%s", name, n, code, diff)
			}
		}
	}
}

func TestWriteLetsControlThroughFragments(t *testing.T) {
	a := answer(300)
	got, code := send(t, anna(), join(
		frame{head: binPart, mask: true, data: a[:100]},
		frame{head: pingFrame, mask: true, data: []byte("now")},
		frame{head: cont, mask: true, data: a[100:]},
	), 0)
	want := []frame{{head: pingFrame, mask: true, data: []byte("now")}, {head: bin, mask: true, data: a}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(frame{})); diff != "" || code != 0 {
		t.Errorf("closed with %d (-want +got):\n%s", code, diff)
	}
}

func TestWriteRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		said []byte
		code uint16
	}{
		"unmasked":          {join(frame{head: bin, data: ping()}), 1002},
		"unmasked, two":     {[]byte{bin, 0x02}, 1002},
		"compressed":        {join(frame{head: deflate, mask: true, data: ping()}), 1002},
		"text":              {join(frame{head: text, mask: true, data: []byte(`{"ping":1}`)}), 1003},
		"text in pieces":    {join(frame{head: 0x01, mask: true, data: []byte(`{"ping"`)}), 1003},
		"unknown opcode":    {[]byte{0x87, 0x80, 0, 0, 0, 0}, 1002},
		"long control":      {[]byte{0x89, 0x80 | 126, 0, 126, 0, 0, 0, 0}, 1002},
		"long form":         {[]byte{0x82, 0x80 | 126, 0, 125, 0, 0, 0, 0}, 1002},
		"negative length":   {[]byte{0x82, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0}, 1002},
		"too long":          {frame{head: bin, mask: true, data: answer(1 << 20)}.bytes(), 1009},
		"too long, pieces":  {join(frame{head: binPart, mask: true, data: make([]byte, 1<<20)}, frame{head: cont, mask: true, data: make([]byte, 1)}), 1009},
		"continues nothing": {join(frame{head: cont, mask: true, data: ping()}), 1002},
		"begins twice":      {join(frame{head: binPart, mask: true}, frame{head: binPart, mask: true}), 1002},
		"empty":             {join(frame{head: bin, mask: true}), 1007},
		"two fields":        {join(frame{head: bin, mask: true, data: slices.Concat(ping(), []byte{0x7A, 0})}), 1007},
		"field too long":    {join(frame{head: bin, mask: true, data: append(answer(5), 'x')}), 1007},
		"field too short":   {join(frame{head: bin, mask: true, data: answer(50)[:40]}), 1007},
		"group":             {join(frame{head: bin, mask: true, data: []byte{0x0B, 0x0C}}), 1007},
		"garbage":           {join(frame{head: bin, mask: true, data: bytes.Repeat([]byte{0xFF}, 40)}), 1007},
		"garbage in pieces": {join(frame{head: binPart, mask: true, data: ping()}, frame{head: cont, mask: true, data: ping()}), 1007},
	} {
		for _, n := range []int{0, 1, 9} {
			good := frame{head: bin, mask: true, data: ping()}
			got, code := send(t, anna(), slices.Concat(good.bytes(), c.said, good.bytes()), n)
			if len(got) != 1 || code != c.code {
				t.Errorf("%s, pieces of %d: the server is told %d frames, closed with %d; want 1 and %d", name, n, len(got), code, c.code)
			}
		}
	}
}

// TestCloseIsInstant blocks both halves and cuts.
func TestCloseIsInstant(t *testing.T) {
	near, far := net.Pipe() // nobody reads or writes at the far end
	defer far.Close()
	w := backend(t).Wrap(near, anna(), annasRelay, nil)
	var halves sync.WaitGroup
	halves.Go(func() {
		if _, err := io.Copy(io.Discard, w); err == nil {
			t.Error("Read ended without an error")
		}
	})
	halves.Go(func() {
		if _, err := w.Write(frame{head: bin, mask: true, data: answer(10_000)}.bytes()); err == nil {
			t.Error("Write ended without an error")
		}
	})
	if _, err := io.ReadFull(far, make([]byte, 100)); err != nil { // Write is under way
		t.Fatal(err)
	}
	begun := time.Now()
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	done := make(chan struct{})
	go func() { halves.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		t.Fatal("Read or Write outlives Close")
	}
	if took := time.Since(begun); took > time.Second {
		t.Errorf("the cut took %v", took)
	}
}

// TestViolationReachesTheBrowser has Read wait while Write meets a violation.
func TestViolationReachesTheBrowser(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	w := backend(t).Wrap(near, anna(), annasRelay, nil)
	got := make(chan []byte)
	go func() {
		b, _ := io.ReadAll(w)
		got <- b
	}()
	if _, err := w.Write(frame{head: text, mask: true, data: []byte("{}")}.bytes()); err != nil {
		t.Fatal(err)
	}
	select {
	case b := <-got:
		if want := []byte{closing, 2, 0x03, 0xEB}; !bytes.Equal(b, want) {
			t.Errorf("the browser is told %x, want %x", b, want)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("Read did not end")
	}
}

// endless repeats its bytes.
type endless struct {
	b  []byte
	at int
}

func (e *endless) Read(p []byte) (n int, err error) {
	for n < len(p) {
		c := copy(p[n:], e.b[e.at:])
		n += c
		e.at = (e.at + c) % len(e.b)
	}
	return n, nil
}

type quiet struct{ io.Reader }

func (quiet) Write(p []byte) (int, error) { return len(p), nil }
func (quiet) Close() error                { return nil }

func TestPassThroughAllocatesNothing(t *testing.T) {
	down := &endless{b: join(frame{head: bin, data: pong()}, frame{head: bin, data: offer(900)}, frame{head: pingFrame})}
	w := backend(t).Wrap(quiet{down}, anna(), annasRelay, nil)
	p := make([]byte, 32<<10)
	if got := testing.AllocsPerRun(500, func() {
		if _, err := w.Read(p); err != nil {
			t.Fatal(err)
		}
	}); got != 0 {
		t.Errorf("Read allocates %v times, want 0", got)
	}
	up := join(frame{head: bin, mask: true, data: ping()}, frame{head: bin, mask: true, data: answer(900)}, frame{head: pingFrame, mask: true})
	if got := testing.AllocsPerRun(500, func() {
		for _, part := range [][]byte{up[:3], up[3:40], up[40:]} {
			if _, err := w.Write(part); err != nil {
				t.Fatal(err)
			}
		}
	}); got != 0 {
		t.Errorf("Write allocates %v times, want 0", got)
	}
}

func BenchmarkRead(b *testing.B) {
	said := join(frame{head: bin, data: pong()}, frame{head: bin, data: offer(900)})
	w := backend(b).Wrap(quiet{&endless{b: said}}, anna(), annasRelay, nil)
	p := make([]byte, 32<<10)
	b.ReportAllocs()
	for b.Loop() {
		n, err := w.Read(p)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(n))
	}
}

func BenchmarkWrite(b *testing.B) {
	said := join(frame{head: bin, mask: true, data: ping()}, frame{head: bin, mask: true, data: answer(900)})
	w := backend(b).Wrap(quiet{}, anna(), annasRelay, nil)
	b.SetBytes(int64(len(said)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Write(said); err != nil {
			b.Fatal(err)
		}
	}
}
