package room

import (
	"context"
	"errors"
	"time"

	"github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/webrtc/v4"

	"vestibule/dialin/media"
)

// errClosed says that the caller has gone meanwhile.
var errClosed = errors.New("room: the caller has gone")

// join enters the room and publishes, the first time or once more; what the
// caller had before is left only then. Sound alone is asked for, track by track,
// and the relay of browsers is not used: the door is inside.
func (l *leg) join(ctx context.Context, url, token string, patience time.Duration) error {
	track, err := newTrack()
	if err != nil {
		return err
	}
	var client *lksdk.Room
	client = lksdk.NewRoom(l.callback(func() *lksdk.Room { return client }))
	client.SetLogger(silent())
	pub, err := l.publish(ctx, client, track, url, token, patience)
	if err != nil {
		client.Disconnect()
		return err
	}
	l.mu.Lock()
	before, closed, taken := l.room, l.closed, l.taken
	if !closed {
		l.room, l.renewing = client, false
	}
	l.mu.Unlock()
	if closed {
		if !taken {
			l.remove() // as in Close, which found nobody
		}
		client.Disconnect()
		return errClosed
	}
	l.track.Store(track)
	if before != nil {
		before.Disconnect()
	}
	l.published(pub)
	// What was told before the client counted has not been heard.
	if client.ConnectionState() == lksdk.ConnectionStateDisconnected {
		l.disconnected(client.DisconnectReason())
	}
	return nil
}

func (l *leg) publish(ctx context.Context, client *lksdk.Room, t *lksdk.LocalTrack, url, token string, patience time.Duration) (*lksdk.LocalTrackPublication, error) {
	err := client.JoinWithContextAndToken(ctx, url, token,
		lksdk.WithLogger(silent()),
		lksdk.WithAutoSubscribe(false),
		lksdk.WithDisableRegionDiscovery(),
		lksdk.WithDisableTURN(),
		lksdk.WithConnectTimeout(patience),
	)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.joined = true
	l.mu.Unlock()
	return client.LocalParticipant.PublishTrack(t, &lksdk.TrackPublicationOptions{
		Name: "telephone", Source: livekit.TrackSource_MICROPHONE,
	})
}

// newTrack is the caller's voice as the room receives it.
func newTrack() (*lksdk.LocalTrack, error) {
	t, err := lksdk.NewLocalTrack(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypePCMU, ClockRate: media.Rate, Channels: 1})
	if err != nil {
		return nil, err
	}
	t.SetLogger(silent())
	return t, nil
}

// renew takes the caller into the room once more. Others see them go and come,
// so it is for a caller whom nothing else helps.
func (l *leg) renew() {
	l.mu.Lock()
	l.renewing = true
	l.mu.Unlock()
	l.setTorn(true)
	if err := l.again(); err != nil {
		l.end(media.Lost)
		return
	}
	l.setTorn(false)
	l.party.prefer(l)
}
