package conferencetest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"vestibule/conference"
)

// Token signs a token as somebody would who knows the key pair.
func Token(key, secret string, alg jose.SignatureAlgorithm, expires time.Time, g conference.Grants) string {
	return signed(alg, secret, map[string]any{
		"iss": key, "sub": g.Admission, "jti": g.Admission, "exp": expires.Unix(), "nbf": expires.Add(-2 * time.Minute).Unix(),
		"video": map[string]any{"room": g.Room, "roomJoin": true, "roomAdmin": true},
	})
}

// Forge makes out of a good token all those of T36, by what was done to them:
// each byte changed, lived longer, another algorithm or none.
func Forge(token, secret string) map[string]string {
	raw := base64.RawURLEncoding
	parts := strings.Split(token, ".")
	all := map[string]string{}
	for p, part := range parts {
		b, err := raw.DecodeString(part)
		if err != nil {
			panic(err)
		}
		for i := range b {
			other, changed := slices.Clone(parts), slices.Clone(b)
			changed[i] ^= 1
			other[p] = raw.EncodeToString(changed)
			all[fmt.Sprintf("part %d, byte %d changed", p, i)] = strings.Join(other, ".")
		}
	}
	c := claimsOf(parts[1])
	exp, _ := c["exp"].(float64)
	c["exp"] = exp + 1
	later, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	all["exp+1"] = parts[0] + "." + raw.EncodeToString(later) + "." + parts[2]
	for _, alg := range []string{"none", "None", "HS384", "HS512", "RS256", "ES256", ""} {
		head := raw.EncodeToString([]byte(`{"alg":"` + alg + `","typ":"JWT"}`))
		all["alg "+alg] = head + "." + parts[1] + "." + parts[2]
		all["alg "+alg+", unsigned"] = head + "." + parts[1] + "."
	}
	// A longer HMAC with the right key: zeros at its end change nothing in
	// HMAC, and go-jose asks for a key as long as the hash.
	long := secret + strings.Repeat("\x00", max(0, 64-len(secret)))
	all["signed HS384"] = signed(jose.HS384, long, c)
	all["signed HS512"] = signed(jose.HS512, long, c)
	all["another secret"] = signed(jose.HS256, strings.Repeat("x", 32), c)
	return all
}

func claimsOf(part string) map[string]any {
	b, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		panic(err)
	}
	var c map[string]any
	if err := json.Unmarshal(b, &c); err != nil {
		panic(err)
	}
	return c
}

func signed(alg jose.SignatureAlgorithm, secret string, claims map[string]any) string {
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: []byte(secret)}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		panic(err)
	}
	t, err := jwt.Signed(s).Claims(claims).Serialize()
	if err != nil {
		panic(err)
	}
	return t
}
