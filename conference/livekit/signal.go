package livekit

import (
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"vestibule/conference"
)

// firstBytes is how much of a message says what it is: a tag and a length.
const firstBytes = 16

// verdict is what becomes of one message. The zero value drops it.
type verdict uint8

const (
	drop verdict = iota
	pass
	change
)

// The fields of SignalRequest and SignalResponse, both a single oneof.
const (
	reqOffer, reqAnswer, reqTrickle, reqAddTrack = 1, 2, 3, 4
	reqMute, reqSubscription, reqTrackSetting    = 5, 6, 7
	reqLeave, reqUpdateLayers                    = 8, 10
	reqSyncState, reqPing, reqPingReq            = 12, 14, 16
	reqAudioTrack, reqVideoTrack                 = 17, 18
	reqPublishData, reqUnpublishData             = 19, 20
	reqSubscribeData, reqStoreBlob, reqGetBlob   = 21, 22, 23

	resJoin, resLeave, resRefreshToken = 1, 8, 16
	resReconnect, resRoomMoved         = 19, 24
	resLast                            = 31 // the newest one known here
)

// field returns the number of the first field of a message of size bytes
// that begins with first, and whether that field is all there is.
func field(first []byte, size int64) (int, bool) {
	num, typ, n := protowire.ConsumeTag(first)
	if n < 0 {
		return 0, false
	}
	v, m := protowire.ConsumeVarint(first[n:])
	if m < 0 {
		return 0, false
	}
	head := int64(n + m)
	switch typ {
	case protowire.VarintType:
		return int(num), head == size
	case protowire.BytesType:
		return int(num), size >= head && v == uint64(size-head)
	default:
		return 0, false
	}
}

// judgeRequest decides on a message from the browser. Dropped are
//   - update_metadata: names and attributes are given at the door;
//   - subscription_permission: a guest could speak to some and keep it from
//     the host;
//   - simulate: it lets a browser break its node on purpose;
//   - data tracks and blobs without the grant for chat;
//   - whatever is not known here.
//
// A second field beside the first would be read instead of it by LiveKit, so
// it ends the connection.
func judgeRequest(first []byte, size int64, g conference.Grants) (verdict, *violation) {
	num, whole := field(first, size)
	if !whole {
		return drop, &violation{closeInvalid, "not one signal request"}
	}
	switch num {
	case reqOffer, reqAnswer, reqTrickle, reqAddTrack, reqMute, reqSubscription,
		reqTrackSetting, reqLeave, reqUpdateLayers, reqSyncState, reqPing, reqPingReq,
		reqAudioTrack, reqVideoTrack, reqSubscribeData, reqGetBlob:
		return pass, nil
	case reqPublishData, reqUnpublishData, reqStoreBlob:
		if g.Chat {
			return pass, nil
		}
	}
	return drop, nil
}

// judgeResponse decides on a message from the server. A refresh token would
// let the browser live on without the door.
func judgeResponse(first []byte, size int64) verdict {
	num, whole := field(first, size)
	switch {
	case !whole:
		return change
	case num == resJoin, num == resReconnect, num == resLeave, num == resRoomMoved:
		return change
	case num == resRefreshToken, num > resLast:
		return drop
	default:
		return pass
	}
}

// rewrite returns the message as the browser may see it; nil drops it.
func rewrite(message []byte, g conference.Grants, relay func() conference.Relay) ([]byte, *violation) {
	var res livekit.SignalResponse
	if unmarshal(message, &res) != nil {
		return nil, &violation{closeInternal, "server sent what is no signal response"}
	}
	switch m := res.Message.(type) {
	case *livekit.SignalResponse_Join:
		if v := rewriteJoin(m.Join, g, relay); v != nil {
			return nil, v
		}
	case *livekit.SignalResponse_Reconnect:
		servers, conf, v := relayed(m.Reconnect.ClientConfiguration, relay)
		if v != nil {
			return nil, v
		}
		m.Reconnect.IceServers, m.Reconnect.ClientConfiguration = servers, conf
	case *livekit.SignalResponse_Leave:
		// Regions are further addresses to try, past the door.
		m.Leave.Regions = nil
	case *livekit.SignalResponse_RoomMoved:
		// It comes with a token, and the admission is for this room alone.
		return nil, &violation{closePolicy, "server moved the participant elsewhere"}
	case *livekit.SignalResponse_RefreshToken, nil:
		return nil, nil
	}
	b, err := proto.Marshal(&res)
	if err != nil {
		return nil, &violation{closeInternal, "signal response cannot be encoded"}
	}
	return b, nil
}

// rewriteJoin changes the answer to a join, which must be about the person
// and the room that were admitted (T35).
func rewriteJoin(j *livekit.JoinResponse, g conference.Grants, relay func() conference.Relay) *violation {
	if j.GetParticipant().GetIdentity() != g.Admission || j.GetRoom().GetName() != g.Room {
		return &violation{closeInternal, "server let somebody else in"}
	}
	servers, conf, v := relayed(j.ClientConfiguration, relay)
	if v != nil {
		return v
	}
	j.IceServers, j.ClientConfiguration = servers, conf
	j.AlternativeUrl = "" // leads past the door
	return nil
}

// relayed are the ICE servers of this participant: their own relay only.
func relayed(conf *livekit.ClientConfiguration, relay func() conference.Relay) ([]*livekit.ICEServer, *livekit.ClientConfiguration, *violation) {
	r := relay()
	if r.Zero() {
		return nil, nil, &violation{closePolicy, "no relay for this participant"}
	}
	if conf == nil {
		conf = &livekit.ClientConfiguration{}
	}
	conf.ForceRelay = livekit.ClientConfigSetting_ENABLED
	return []*livekit.ICEServer{{Urls: r.URLs, Username: r.Username, Credential: r.Credential}}, conf, nil
}
