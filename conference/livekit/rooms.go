package livekit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"
)

const (
	// vacancy is how long LiveKit keeps a room that nobody is in, so that all
	// may drop and come back; the door closes the room at its end.
	vacancy = 30 * time.Minute
	// maxAnswer bounds an answer of the API.
	maxAnswer = 1 << 20
)

// errAbsent is LiveKit's "not_found": the room or the person is not there.
var errAbsent = errors.New("not found")

// Open implements conference.Rooms.
func (b *Backend) Open(ctx context.Context, room string) error {
	if room == "" {
		return errors.New("opening a room: it has no name")
	}
	req := &livekit.CreateRoomRequest{
		Name:             room,
		EmptyTimeout:     uint32(vacancy / time.Second),
		DepartureTimeout: uint32(vacancy / time.Second),
	}
	if err := b.call(ctx, "CreateRoom", video{RoomCreate: true}, req, &livekit.Room{}); err != nil {
		return fmt.Errorf("opening room %s: %w", room, err)
	}
	return nil
}

// patience is how long LiveKit may take to answer a removal before the door
// looks whether it has happened.
const patience = 500 * time.Millisecond

// Remove implements conference.Rooms. Where two doors ask at once, LiveKit
// (v1.13.5, RoomService.RemoveParticipant) leaves the later one without an
// answer: it finds the person in its store and asks a session that the first
// has just ended. So what counts is who is in the room.
func (b *Backend) Remove(ctx context.Context, room, admission string) error {
	for {
		err := b.remove(ctx, room, admission)
		if err == nil || errors.Is(err, errAbsent) {
			return nil
		}
		inside, look := b.Participants(ctx, room)
		if look == nil && !slices.Contains(inside, admission) {
			return nil
		}
		if look != nil || !errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("removing admission %s: %w", admission, err)
		}
	}
}

func (b *Backend) remove(ctx context.Context, room, admission string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req := &livekit.RoomParticipantIdentity{Room: room, Identity: admission}
	return b.call(ctx, "RemoveParticipant", video{RoomAdmin: true, Room: room}, req, &livekit.RemoveParticipantResponse{})
}

// Rename implements conference.Rooms.
func (b *Backend) Rename(ctx context.Context, room, admission, name string) error {
	if name == "" {
		return fmt.Errorf("renaming admission %s: it would keep its name", admission) // LiveKit leaves out what is empty
	}
	req := &livekit.UpdateParticipantRequest{Room: room, Identity: admission, Name: name}
	err := b.call(ctx, "UpdateParticipant", video{RoomAdmin: true, Room: room}, req, &livekit.ParticipantInfo{})
	if err != nil && !errors.Is(err, errAbsent) {
		return fmt.Errorf("renaming admission %s: %w", admission, err)
	}
	return nil
}

// Mute implements conference.Rooms.
func (b *Backend) Mute(ctx context.Context, room, admission string) error {
	var p livekit.ParticipantInfo
	v := video{RoomAdmin: true, Room: room}
	err := b.call(ctx, "GetParticipant", v, &livekit.RoomParticipantIdentity{Room: room, Identity: admission}, &p)
	var faults []error
	for _, t := range p.Tracks {
		if t.Type != livekit.TrackType_AUDIO || t.Muted {
			continue
		}
		req := &livekit.MuteRoomTrackRequest{Room: room, Identity: admission, TrackSid: t.Sid, Muted: true}
		if no := b.call(ctx, "MutePublishedTrack", v, req, &livekit.MuteRoomTrackResponse{}); !errors.Is(no, errAbsent) {
			faults = append(faults, no) // absent: they stopped it themselves
		}
	}
	if errors.Is(err, errAbsent) {
		err = nil
	}
	if err = errors.Join(append(faults, err)...); err != nil {
		return fmt.Errorf("muting admission %s: %w", admission, err)
	}
	return nil
}

// Close implements conference.Rooms.
func (b *Backend) Close(ctx context.Context, room string) error {
	req := &livekit.DeleteRoomRequest{Room: room}
	err := b.call(ctx, "DeleteRoom", video{RoomCreate: true}, req, &livekit.DeleteRoomResponse{})
	if err != nil && !errors.Is(err, errAbsent) {
		return fmt.Errorf("closing room %s: %w", room, err)
	}
	return nil
}

// Participants implements conference.Rooms.
func (b *Backend) Participants(ctx context.Context, room string) ([]string, error) {
	var res livekit.ListParticipantsResponse
	req := &livekit.ListParticipantsRequest{Room: room}
	err := b.call(ctx, "ListParticipants", video{RoomAdmin: true, Room: room}, req, &res)
	if errors.Is(err, errAbsent) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing room %s: %w", room, err)
	}
	ids := make([]string, 0, len(res.Participants))
	for _, p := range res.Participants {
		ids = append(ids, p.Identity)
	}
	return ids, nil
}

// call does one errand at LiveKit's RoomService.
func (b *Backend) call(ctx context.Context, method string, v video, in, out proto.Message) error {
	token, err := b.errand(v, time.Now())
	if err != nil {
		return err
	}
	body, err := proto.Marshal(in)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", method, err)
	}
	u := b.url.JoinPath("/twirp/livekit.RoomService/", method).String()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("preparing %s: %w", method, err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/protobuf")
	res, err := b.client.Do(req)
	if err != nil {
		if u := (*url.Error)(nil); errors.As(err, &u) {
			err = u.Err // without the address
		}
		return fmt.Errorf("calling %s: %w", method, err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return fmt.Errorf("reading the answer to %s: %w", method, err)
	}
	if len(answer) > maxAnswer {
		return fmt.Errorf("reading the answer to %s: it is longer than %d bytes", method, maxAnswer)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %d: %w", method, res.StatusCode, complaint(answer))
	}
	if err := proto.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("decoding the answer to %s: %w", method, err)
	}
	return nil
}

// complaint reads the code of a twirp error and leaves its message, which may
// hold the token, unread.
func complaint(answer []byte) error {
	var e struct {
		Code string `json:"code"`
	}
	if json.Unmarshal(answer, &e) != nil {
		return errors.New("no twirp error")
	}
	switch e.Code {
	case "not_found":
		return errAbsent
	case "unauthenticated", "permission_denied":
		return errors.New("the API key pair is not accepted")
	case "unavailable", "resource_exhausted", "deadline_exceeded", "internal", "unimplemented", "invalid_argument":
		return errors.New(e.Code)
	}
	return errors.New("unknown twirp error")
}
