package livekit

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"vestibule/conference"
)

// maxJoin bounds a join request once unpacked; LiveKit's own bound is 1 MiB.
const maxJoin = 256 << 10

// The ways in which a join request is refused.
var (
	errJoinCoding   = errors.New("it cannot be decoded")
	errJoinTooLarge = errors.New("it is too large")
)

// cleanJoin returns the join_request of /rtc/v1 without what must not pass.
// It is always encoded anew, so that LiveKit reads what was checked here and
// not the same bytes in another way.
func cleanJoin(s string, g conference.Grants) (string, error) {
	j, err := unpackJoin(s)
	if err != nil {
		return "", err
	}
	// Both replace what the token says: the token alone names the host.
	j.Metadata, j.ParticipantAttributes = "", nil
	allowed := j.AddTrackRequests[:0]
	for _, r := range j.AddTrackRequests {
		if publishes(g, r.GetSource()) {
			allowed = append(allowed, r)
		}
	}
	j.AddTrackRequests = allowed
	if !g.Chat && j.SyncState != nil {
		j.SyncState.PublishDataTracks = nil
	}
	return packJoin(j)
}

// publishes reports whether a track of this source may be published.
func publishes(g conference.Grants, s livekit.TrackSource) bool {
	switch s {
	case livekit.TrackSource_MICROPHONE:
		return g.Microphone
	case livekit.TrackSource_CAMERA:
		return g.Camera
	case livekit.TrackSource_SCREEN_SHARE, livekit.TrackSource_SCREEN_SHARE_AUDIO:
		return g.Screen
	default:
		return false
	}
}

func unpackJoin(s string) (*livekit.JoinRequest, error) {
	if len(s) > maxJoin {
		return nil, errJoinTooLarge
	}
	raw, err := base64.URLEncoding.DecodeString(s)
	if err != nil {
		return nil, errJoinCoding
	}
	var w livekit.WrappedJoinRequest
	if err := unmarshal(raw, &w); err != nil {
		return nil, errJoinCoding
	}
	switch w.Compression {
	case livekit.WrappedJoinRequest_NONE:
		raw = w.JoinRequest
	case livekit.WrappedJoinRequest_GZIP:
		if raw, err = gunzip(w.JoinRequest); err != nil {
			return nil, err
		}
	default:
		return nil, errJoinCoding
	}
	var j livekit.JoinRequest
	if err := unmarshal(raw, &j); err != nil {
		return nil, errJoinCoding
	}
	return &j, nil
}

// unmarshal forgets fields it does not know, so that they do not pass.
func unmarshal(b []byte, m proto.Message) error {
	return proto.UnmarshalOptions{DiscardUnknown: true, RecursionLimit: 64}.Unmarshal(b, m)
}

func gunzip(b []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, errJoinCoding
	}
	raw, err := io.ReadAll(io.LimitReader(z, maxJoin+1))
	switch {
	case len(raw) > maxJoin:
		return nil, errJoinTooLarge
	case err != nil:
		return nil, errJoinCoding
	}
	return raw, nil
}

func packJoin(j *livekit.JoinRequest) (string, error) {
	raw, err := proto.Marshal(j)
	if err != nil {
		return "", fmt.Errorf("encoding a join request: %w", err)
	}
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, err = w.Write(raw)
	if err := errors.Join(err, w.Close()); err != nil {
		return "", fmt.Errorf("packing a join request: %w", err)
	}
	wrapped, err := proto.Marshal(&livekit.WrappedJoinRequest{
		Compression: livekit.WrappedJoinRequest_GZIP,
		JoinRequest: z.Bytes(),
	})
	if err != nil {
		return "", fmt.Errorf("wrapping a join request: %w", err)
	}
	return base64.URLEncoding.EncodeToString(wrapped), nil
}
