package livekit_test

import (
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"

	"vestibule/conference"
	"vestibule/conference/conferencetest"
)

// tokenOf is the token with which the person of g would join.
func tokenOf(tb testing.TB, g conference.Grants) string {
	tb.Helper()
	r := upgrade("https://room.example/rtc")
	if err := backend(tb).Prepare(r, g); err != nil {
		tb.Fatal(err)
	}
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
}

// verify checks a token as strictly as it is meant.
func verify(token string, now time.Time) (map[string]any, error) {
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.HS256})
	if err != nil {
		return nil, err
	}
	var std jwt.Claims
	var all map[string]any
	if err := parsed.Claims([]byte(strings.Repeat("s", 32)), &std, &all); err != nil {
		return nil, err
	}
	return all, std.ValidateWithLeeway(jwt.Expected{Issuer: "key", AnyAudience: jwt.Audience{"http://127.0.0.1:7880"}, Time: now}, 0)
}

func TestTokenSpellsOutEveryRight(t *testing.T) {
	silent := map[string]any{
		"roomJoin": true, "room": "r1", "canSubscribe": true, "canPublish": false, "canPublishData": false,
		"canUpdateOwnMetadata": false, "canSubscribeMetrics": false, "canManageAgentSession": false,
		"hidden": false, "recorder": false, "agent": false,
	}
	with := func(more map[string]any) map[string]any {
		m := map[string]any{}
		for k, v := range silent {
			m[k] = v
		}
		for k, v := range more {
			m[k] = v
		}
		return m
	}
	for name, c := range map[string]struct {
		grants conference.Grants
		video  map[string]any
		attrs  any
	}{
		"silent": {conference.Grants{Admission: "a1", Room: "r1", Name: "Anna"}, silent, nil},
		"guest": {anna(), with(map[string]any{
			"canPublish": true, "canPublishSources": []any{"microphone", "camera"},
		}), nil},
		"chat only": {conference.Grants{Admission: "a1", Room: "r1", Name: "Anna", Chat: true}, with(map[string]any{"canPublishData": true}), nil},
		// A host rules at the door: no roomAdmin here.
		"host": {conference.Grants{Admission: "a1", Room: "r1", Name: "Anna", Host: true, Microphone: true, Camera: true, Screen: true, Chat: true}, with(map[string]any{
			"canPublish": true, "canPublishData": true,
			"canPublishSources": []any{"microphone", "camera", "screen_share", "screen_share_audio"},
		}), map[string]any{"role": "host"}},
	} {
		before := time.Now().Unix()
		got, err := verify(tokenOf(t, c.grants), time.Now())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		iat, _ := got["iat"].(float64)
		if int64(iat) < before || got["nbf"] != got["iat"] || got["exp"] != iat+60 {
			t.Errorf("%s: iat %v, nbf %v, exp %v; want now, the same, 60 s later", name, got["iat"], got["nbf"], got["exp"])
		}
		want := map[string]any{
			"iss": "key", "aud": "http://127.0.0.1:7880", "sub": "a1", "jti": "a1", "name": "Anna",
			"iat": got["iat"], "nbf": got["nbf"], "exp": got["exp"], "video": c.video,
		}
		if c.attrs != nil {
			want["attributes"] = c.attrs
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestT36ForgedTokens(t *testing.T) {
	good := tokenOf(t, anna())
	if _, err := verify(good, time.Now()); err != nil {
		t.Fatal(err)
	}
	for name, token := range conferencetest.Forge(good, strings.Repeat("s", 32)) {
		if _, err := verify(token, time.Now()); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := verify(good, time.Now().Add(62*time.Second)); err == nil {
		t.Error("accepted after its end")
	}
	if _, err := verify(good, time.Now().Add(-5*time.Second)); err == nil {
		t.Error("accepted before its beginning")
	}
}

// TestT35TokenMatrix has each person bring every other's token: what reaches
// the server names the admitted person and room.
func TestT35TokenMatrix(t *testing.T) {
	const n = 8
	var people []conference.Grants
	for i := range n {
		id := string(rune('a' + i))
		people = append(people, conference.Grants{Admission: "adm-" + id, Room: "room-" + id, Microphone: true})
	}
	for i, g := range people {
		for j, other := range people {
			brought := tokenOf(t, other)
			r := upgrade("https://room.example/rtc?access_token=" + brought + "&room=" + other.Room + "&identity=" + other.Admission)
			r.Header.Set("Authorization", "Bearer "+brought)
			if err := backend(t).Prepare(r, g); err != nil {
				t.Fatal(err)
			}
			if r.URL.RawQuery != "" {
				t.Errorf("%d with the token of %d: the query is %s", i, j, r.URL.RawQuery)
			}
			got, err := verify(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			video, _ := got["video"].(map[string]any)
			if got["sub"] != g.Admission || got["jti"] != g.Admission || video["room"] != g.Room {
				t.Errorf("%d with the token of %d: sub %v, jti %v, room %v", i, j, got["sub"], got["jti"], video["room"])
			}
		}
	}
}
