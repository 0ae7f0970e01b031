package livekit

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"vestibule/conference"
)

const (
	// passLife is how long a token for joining lives. It is used at once, and
	// LiveKit itself adds a minute of leeway.
	passLife = time.Minute
	// errandLife is how long a token for one call of the API lives.
	errandLife = 20 * time.Second
)

// claims is LiveKit's token.
type claims struct {
	jwt.Claims
	Name       string            `json:"name,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
	Video      video             `json:"video"`
}

// video is what the token allows. Every right of a participant is spelled
// out, because LiveKit grants what is left out.
type video struct {
	RoomCreate bool   `json:"roomCreate,omitempty"`
	RoomAdmin  bool   `json:"roomAdmin,omitempty"`
	RoomJoin   bool   `json:"roomJoin,omitempty"`
	Room       string `json:"room,omitempty"`

	CanSubscribe          bool     `json:"canSubscribe"`
	CanPublish            bool     `json:"canPublish"`
	CanPublishData        bool     `json:"canPublishData"`
	CanPublishSources     []string `json:"canPublishSources,omitempty"`
	CanUpdateOwnMetadata  bool     `json:"canUpdateOwnMetadata"`
	CanSubscribeMetrics   bool     `json:"canSubscribeMetrics"`
	CanManageAgentSession bool     `json:"canManageAgentSession"`
	Hidden                bool     `json:"hidden"`
	Recorder              bool     `json:"recorder"`
	Agent                 bool     `json:"agent"`
}

func newSigner(key, secret string) (jose.Signer, error) {
	return jose.NewSigner(
		jose.SigningKey{
			Algorithm: jose.HS256,
			Key:       jose.JSONWebKey{Key: []byte(secret), KeyID: key},
		},
		(&jose.SignerOptions{}).WithType("JWT"),
	)
}

// pass signs the token with which the person of g joins their room.
func (b *Backend) pass(g conference.Grants, now time.Time) (string, error) {
	if g.Admission == "" || g.Room == "" {
		return "", errors.New("livekit: grants without admission or room")
	}
	c := claims{
		Claims: b.standard(g.Admission, now, passLife),
		Name:   g.Name,
		Video: video{
			RoomJoin:          true,
			Room:              g.Room,
			CanSubscribe:      true,
			CanPublishSources: sources(g),
			CanPublishData:    g.Chat,
		},
	}
	// An empty list of sources means all of them to LiveKit.
	c.Video.CanPublish = len(c.Video.CanPublishSources) > 0
	c.Subject = g.Admission
	if g.Host {
		// Browsers cannot set attributes, so the others can believe this one.
		c.Attributes = map[string]string{"role": "host"}
	}
	return b.sign(c)
}

// errand signs the token for one call of the API.
func (b *Backend) errand(v video, now time.Time) (string, error) {
	return b.sign(claims{Claims: b.standard("", now, errandLife), Video: v})
}

// standard are the claims of RFC 7519. A token names its audience, so that
// one signed with a key shared by two servers is told apart (T35).
func (b *Backend) standard(id string, now time.Time, life time.Duration) jwt.Claims {
	at := jwt.NewNumericDate(now)
	return jwt.Claims{
		Issuer:    b.key,
		Audience:  jwt.Audience{b.url.String()},
		ID:        id,
		IssuedAt:  at,
		NotBefore: at,
		Expiry:    jwt.NewNumericDate(now.Add(life)),
	}
}

func (b *Backend) sign(c claims) (string, error) {
	t, err := jwt.Signed(b.signer).Claims(c).Serialize()
	if err != nil {
		return "", fmt.Errorf("signing a livekit token: %w", err)
	}
	return t, nil
}

// sources are LiveKit's words for what may be published.
func sources(g conference.Grants) []string {
	var s []string
	if g.Microphone {
		s = append(s, "microphone")
	}
	if g.Camera {
		s = append(s, "camera")
	}
	if g.Screen {
		s = append(s, "screen_share", "screen_share_audio")
	}
	return s
}
