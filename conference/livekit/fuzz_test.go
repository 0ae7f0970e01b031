package livekit_test

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	lk "github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"
)

// FuzzRead feeds the browser's side whatever a server may say. What comes out
// is whole frames, the same however the bytes arrive, and tells of no token
// and of no other way for media.
func FuzzRead(f *testing.F) {
	refresh := response(&lk.SignalResponse{Message: &lk.SignalResponse_RefreshToken{RefreshToken: "secret"}})
	j := response(joinResponse())
	f.Add(join(frame{head: bin, data: j}, frame{head: bin, data: refresh}, frame{head: bin, data: pong()}))
	f.Add(join(frame{head: binPart, data: j[:9]}, frame{head: pingFrame}, frame{head: cont, data: j[9:]}))
	f.Add(join(frame{head: bin, data: slices.Concat(pong(), refresh)}))
	f.Add(join(frame{head: bin, data: offer(300)}, frame{head: closing, data: []byte{3, 232}}))
	f.Add([]byte{0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0})
	f.Add([]byte{0x89, 126, 0, 126})
	b := backend(f)
	f.Fuzz(func(t *testing.T, said []byte) {
		whole, _ := io.ReadAll(b.Wrap(&stream{Reader: bytes.NewReader(said)}, anna(), annasRelay, nil))
		pieces, _ := io.ReadAll(iotest.OneByteReader(b.Wrap(&stream{Reader: iotest.OneByteReader(bytes.NewReader(said))}, anna(), annasRelay, nil)))
		if !bytes.Equal(whole, pieces) {
			t.Errorf("at once %x, in pieces %x", whole, pieces)
		}
		frames, _ := parse(whole)
		for _, fr := range frames {
			if fr.mask || fr.head != bin && fr.head < closing {
				t.Errorf("frame %#x, masked %v, reached the browser", fr.head, fr.mask)
			}
			var m lk.SignalResponse
			if fr.head != bin || proto.Unmarshal(fr.data, &m) != nil {
				continue
			}
			if m.GetRefreshToken() != "" || m.GetRoomMoved() != nil || m.GetLeave().GetRegions() != nil || m.GetJoin().GetAlternativeUrl() != "" {
				t.Errorf("%v reached the browser", &m)
			}
			for _, s := range slices.Concat(m.GetJoin().GetIceServers(), m.GetReconnect().GetIceServers()) {
				if s.Username != "99:a1" || !strings.Contains(s.Urls[0], "turn.example") {
					t.Errorf("ICE server %v reached the browser", s)
				}
			}
		}
	})
}

// FuzzWrite feeds the server's side whatever a browser may say. What comes
// out is whole masked frames, the same however the bytes arrive, each of them
// one message that may pass.
func FuzzWrite(f *testing.F) {
	a := answer(300)
	f.Add(join(frame{head: bin, mask: true, data: ping()}, frame{head: bin, mask: true, data: a}))
	f.Add(join(frame{head: binPart, mask: true, data: a[:9]}, frame{head: pingFrame, mask: true}, frame{head: cont, mask: true, data: a[9:]}))
	f.Add(join(frame{head: bin, mask: true, data: slices.Concat(ping(), a)}))
	f.Add(join(frame{head: bin, mask: true, data: []byte{0x7A, 0}}, frame{head: closing, mask: true}))
	f.Add([]byte{0x82, 0xFF, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4})
	b := backend(f)
	run := func(said []byte, n int) []byte {
		s := &stream{Reader: bytes.NewReader(nil)}
		w := b.Wrap(s, anna(), annasRelay, nil)
		for piece := range slices.Chunk(said, n) {
			if _, err := w.Write(piece); err != nil {
				panic(err)
			}
		}
		return s.told.Bytes()
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		whole, pieces := run(said, max(len(said), 1)), run(said, 1)
		// The end of a frame that is not whole yet may be held back.
		fw, rw := parse(whole)
		fp, rp := parse(pieces)
		if !slices.EqualFunc(fw, fp, func(a, b frame) bool { return a.head == b.head && bytes.Equal(a.data, b.data) }) || !bytes.Equal(rw, rp) {
			t.Errorf("at once %x, in pieces %x", whole, pieces)
		}
		for _, fr := range fw {
			if !fr.mask {
				t.Errorf("unmasked frame %#x reached the server", fr.head)
			}
			if fr.head&0x0F >= 8 {
				continue
			}
			var m lk.SignalRequest
			if err := proto.Unmarshal(fr.data, &m); fr.head != bin || err != nil {
				continue // LiveKit hangs up on what it cannot read.
			}
			if m.GetUpdateMetadata() != nil || m.GetSimulate() != nil || m.GetSubscriptionPermission() != nil ||
				m.GetPublishDataTrackRequest() != nil || m.GetStoreDataBlobRequest() != nil {
				t.Errorf("%v reached the server", &m)
			}
		}
	})
}
