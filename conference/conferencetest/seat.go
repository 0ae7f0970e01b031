package conferencetest

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"io"
	"net/http"

	"github.com/coder/websocket"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"
)

// sit puts a participant into the room, throws out who had the same identity
// and tells everybody.
func (f *Fake) sit(c token, s *seat, r *http.Request) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	room, found := f.rooms[c.Video.Room]
	if !found {
		return false
	}
	if old := room[c.Subject]; old != nil {
		old.say(leave(livekit.DisconnectReason_DUPLICATE_IDENTITY))
	}
	me := &livekit.ParticipantInfo{Sid: "PA_" + c.Subject, Identity: c.Subject, Name: c.Name, State: livekit.ParticipantInfo_JOINED}
	if j := joinRequest(r.URL.Query().Get("join_request")); j != nil {
		f.signals[c.Subject] = append(f.signals[c.Subject], j)
		me.Metadata, me.Attributes = j.Metadata, j.ParticipantAttributes
	}
	var others []*livekit.ParticipantInfo
	for id, o := range room {
		if id == c.Subject {
			continue
		}
		others = append(others, &livekit.ParticipantInfo{Sid: "PA_" + id, Identity: id})
		o.say(update(me))
	}
	room[c.Subject] = s
	s.say(&livekit.SignalResponse{Message: &livekit.SignalResponse_Join{Join: &livekit.JoinResponse{
		Room:              &livekit.Room{Sid: "RM_" + c.Video.Room, Name: c.Video.Room},
		Participant:       me,
		OtherParticipants: others,
		ServerVersion:     "1.13.5",
		IceServers:        []*livekit.ICEServer{{Urls: []string{"stun:stun.invalid:19302"}}},
		PingTimeout:       15, PingInterval: 5,
	}}})
	s.say(&livekit.SignalResponse{Message: &livekit.SignalResponse_RefreshToken{RefreshToken: "a token that lives on"}})
	return true
}

// rise takes a participant out of the room.
func (f *Fake) rise(c token, s *seat) {
	f.mu.Lock()
	defer f.mu.Unlock()
	room := f.rooms[c.Video.Room]
	if room[c.Subject] != s {
		return
	}
	delete(room, c.Subject)
	for _, o := range room {
		o.say(update(&livekit.ParticipantInfo{Sid: "PA_" + c.Subject, Identity: c.Subject, State: livekit.ParticipantInfo_DISCONNECTED}))
	}
}

// listen answers pings and remembers everything else.
func (f *Fake) listen(ctx context.Context, conn *websocket.Conn, id string, s *seat) {
	for {
		_, b, err := conn.Read(ctx)
		if err != nil {
			return
		}
		var m livekit.SignalRequest
		if proto.Unmarshal(b, &m) != nil {
			return
		}
		switch r := m.Message.(type) {
		case *livekit.SignalRequest_Ping:
			s.say(&livekit.SignalResponse{Message: &livekit.SignalResponse_Pong{Pong: r.Ping}})
			continue
		case *livekit.SignalRequest_PingReq:
			s.say(&livekit.SignalResponse{Message: &livekit.SignalResponse_PongResp{PongResp: &livekit.Pong{LastPingTimestamp: r.PingReq.GetTimestamp()}}})
			continue
		case *livekit.SignalRequest_Leave:
			return
		}
		f.mu.Lock()
		f.signals[id] = append(f.signals[id], &m)
		switch r := m.Message.(type) {
		case *livekit.SignalRequest_AddTrack: // as if its media came at once
			s.tracks = append(s.tracks, &livekit.TrackInfo{Sid: "TR_" + r.AddTrack.Cid, Type: r.AddTrack.Type, Source: r.AddTrack.Source})
		case *livekit.SignalRequest_Mute:
			s.mute(r.Mute)
		}
		f.mu.Unlock()
	}
}

// mute notes that a track is silent or no longer.
func (s *seat) mute(q *livekit.MuteTrackRequest) bool {
	for _, t := range s.tracks {
		if t.Sid == q.Sid {
			t.Muted = q.Muted
			return true
		}
	}
	return false
}

func update(p *livekit.ParticipantInfo) *livekit.SignalResponse {
	return &livekit.SignalResponse{Message: &livekit.SignalResponse_Update{
		Update: &livekit.ParticipantUpdate{Participants: []*livekit.ParticipantInfo{p}},
	}}
}

func leave(why livekit.DisconnectReason) *livekit.SignalResponse {
	return &livekit.SignalResponse{Message: &livekit.SignalResponse_Leave{Leave: &livekit.LeaveRequest{
		Reason:  why,
		Regions: &livekit.RegionSettings{Regions: []*livekit.RegionInfo{{Region: "elsewhere", Url: "wss://elsewhere.invalid"}}},
	}}}
}

func joinRequest(s string) *livekit.JoinRequest {
	b, err := base64.URLEncoding.DecodeString(s)
	var w livekit.WrappedJoinRequest
	if err != nil || s == "" || proto.Unmarshal(b, &w) != nil {
		return nil
	}
	raw := w.JoinRequest
	if w.Compression == livekit.WrappedJoinRequest_GZIP {
		z, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			return nil
		}
		if raw, err = io.ReadAll(io.LimitReader(z, 1<<20)); err != nil {
			return nil
		}
	}
	var j livekit.JoinRequest
	if proto.Unmarshal(raw, &j) != nil {
		return nil
	}
	return &j
}

// api is LiveKit's RoomService.
func (f *Fake) api(w http.ResponseWriter, r *http.Request) {
	c, ok := f.admit(w, r)
	if !ok {
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		twirp(w, http.StatusBadRequest, "malformed")
		return
	}
	switch r.PathValue("method") {
	case "CreateRoom":
		answer(w, body, &livekit.CreateRoomRequest{}, c.Video.RoomCreate, f.create)
	case "DeleteRoom":
		answer(w, body, &livekit.DeleteRoomRequest{}, c.Video.RoomCreate, f.delete)
	case "ListParticipants":
		q := &livekit.ListParticipantsRequest{}
		answer(w, body, q, c.Video.RoomAdmin, func(q *livekit.ListParticipantsRequest) proto.Message {
			return f.list(c.Video.Room, q)
		})
	case "RemoveParticipant":
		answer(w, body, &livekit.RoomParticipantIdentity{}, c.Video.RoomAdmin, func(q *livekit.RoomParticipantIdentity) proto.Message {
			return f.remove(c.Video.Room, q)
		})
	case "UpdateParticipant":
		answer(w, body, &livekit.UpdateParticipantRequest{}, c.Video.RoomAdmin, func(q *livekit.UpdateParticipantRequest) proto.Message {
			return f.update(c.Video.Room, q)
		})
	case "GetParticipant":
		answer(w, body, &livekit.RoomParticipantIdentity{}, c.Video.RoomAdmin, func(q *livekit.RoomParticipantIdentity) proto.Message {
			return f.participant(c.Video.Room, q)
		})
	case "MutePublishedTrack":
		answer(w, body, &livekit.MuteRoomTrackRequest{}, c.Video.RoomAdmin, func(q *livekit.MuteRoomTrackRequest) proto.Message {
			return f.mute(c.Video.Room, q)
		})
	default:
		twirp(w, http.StatusNotFound, "bad_route")
	}
}

// answer decodes q, asks do and encodes; nil is "not found".
func answer[Q proto.Message](w http.ResponseWriter, body []byte, q Q, allowed bool, do func(Q) proto.Message) {
	if !allowed {
		twirp(w, http.StatusUnauthorized, "unauthenticated")
		return
	}
	if proto.Unmarshal(body, q) != nil {
		twirp(w, http.StatusBadRequest, "malformed")
		return
	}
	m := do(q)
	if m == nil {
		twirp(w, http.StatusNotFound, "not_found")
		return
	}
	b, _ := proto.Marshal(m)
	w.Header().Set("Content-Type", "application/protobuf")
	_, _ = w.Write(b)
}

func twirp(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{"code":"`+code+`","msg":"`+code+`"}`)
}

func (f *Fake) create(q *livekit.CreateRoomRequest) proto.Message {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.rooms[q.Name] == nil {
		f.rooms[q.Name] = map[string]*seat{}
	}
	return &livekit.Room{Sid: "RM_" + q.Name, Name: q.Name}
}

func (f *Fake) delete(q *livekit.DeleteRoomRequest) proto.Message {
	f.mu.Lock()
	defer f.mu.Unlock()
	room, found := f.rooms[q.Room]
	if !found {
		return nil
	}
	for _, s := range room {
		s.say(leave(livekit.DisconnectReason_ROOM_DELETED))
	}
	delete(f.rooms, q.Room)
	return &livekit.DeleteRoomResponse{}
}

func (f *Fake) list(granted string, q *livekit.ListParticipantsRequest) proto.Message {
	if q.Room != granted {
		return nil
	}
	res := &livekit.ListParticipantsResponse{}
	for _, id := range f.Inside(q.Room) {
		res.Participants = append(res.Participants, &livekit.ParticipantInfo{Sid: "PA_" + id, Identity: id})
	}
	return res
}

func (f *Fake) remove(granted string, q *livekit.RoomParticipantIdentity) proto.Message {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.rooms[q.Room][q.Identity]
	if s == nil || q.Room != granted {
		return nil
	}
	delete(f.rooms[q.Room], q.Identity)
	s.say(leave(livekit.DisconnectReason_PARTICIPANT_REMOVED))
	return &livekit.RemoveParticipantResponse{}
}

func (f *Fake) update(granted string, q *livekit.UpdateParticipantRequest) proto.Message {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.rooms[q.Room][q.Identity]
	if s == nil || q.Room != granted {
		return nil
	}
	s.name = q.Name
	return &livekit.ParticipantInfo{Sid: "PA_" + q.Identity, Identity: q.Identity, Name: q.Name}
}

func (f *Fake) participant(granted string, q *livekit.RoomParticipantIdentity) proto.Message {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.rooms[q.Room][q.Identity]
	if s == nil || q.Room != granted {
		return nil
	}
	return proto.Clone(&livekit.ParticipantInfo{Sid: "PA_" + q.Identity, Identity: q.Identity, Name: s.name, Tracks: s.tracks})
}

// mute silences one track and tells whose it is. Nobody is made to speak: the
// real server refuses that unless it is configured to.
func (f *Fake) mute(granted string, q *livekit.MuteRoomTrackRequest) proto.Message {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.rooms[q.Room][q.Identity]
	m := &livekit.MuteTrackRequest{Sid: q.TrackSid, Muted: true}
	if s == nil || q.Room != granted || !q.Muted || !s.mute(m) {
		return nil
	}
	s.say(&livekit.SignalResponse{Message: &livekit.SignalResponse_Mute{Mute: m}})
	return &livekit.MuteRoomTrackResponse{Track: &livekit.TrackInfo{Sid: q.TrackSid, Muted: true}}
}
