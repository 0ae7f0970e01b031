package turn

import (
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // RFC 8489 §9.2.2 makes the long-term key with MD5.
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"strings"
	"time"
)

const (
	// maxAdmission leaves room for the expiry in a USERNAME.
	maxAdmission = 400

	// skew is how far the clocks of two nodes may differ.
	skew = time.Minute
)

// Credentials are what a participant's browser needs to use the relay, in
// the form of draft-uberti-behave-turn-rest: the username says until when
// and for which admission, the password proves that we said so. The zero
// value opens nothing.
type Credentials struct {
	Username, Password string
	URLs               []string
	Expires            time.Time
}

// Issue makes credentials of an admission that live for Config.Lifetime from
// now. Relays that the admission already holds live on with them, whatever
// credentials they were made with: a browser cannot change those of a relay
// that carries a call, so that is how a call outlives its first credentials.
// An admission that was cut gets the zero value.
func (s *Server) Issue(admission string, now time.Time) Credentials {
	if admission == "" || len(admission) > maxAdmission {
		return Credentials{}
	}
	expires := now.Add(s.c.Lifetime).Truncate(time.Second)
	if !s.extend(admission, expires, now) {
		return Credentials{}
	}
	username := strconv.FormatInt(expires.Unix(), 10) + ":" + admission
	return Credentials{
		Username: username,
		Password: s.password(username),
		URLs:     s.urls(),
		Expires:  expires,
	}
}

func (s *Server) password(username string) string {
	mac := hmac.New(sha1.New, s.c.Secret)
	mac.Write([]byte(username))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// key is the long-term key of username (RFC 8489 §9.2.2).
func (s *Server) key(username string) []byte {
	sum := md5.Sum([]byte(username + ":" + s.c.Realm + ":" + s.password(username)))
	return sum[:]
}

// readUsername takes a username apart. ok is false when we cannot have
// issued it.
func readUsername(username string) (admission string, expires time.Time, ok bool) {
	at, admission, ok := strings.Cut(username, ":")
	unix, err := strconv.ParseInt(at, 10, 64)
	if !ok || err != nil || unix <= 0 || admission == "" || len(admission) > maxAdmission {
		return "", time.Time{}, false
	}
	return admission, time.Unix(unix, 0), true
}

// proves reports whether MESSAGE-INTEGRITY of f was made with key
// (RFC 8489 §14.5: over the message up to it, with the length as if it were
// the last attribute).
func (f *frame) proves(key []byte) bool {
	if f.integrity == 0 {
		return false
	}
	want := sign(key, f.raw[:f.integrity])
	got := f.raw[f.integrity+attrHeaderSize : f.integrity+attrHeaderSize+integritySize]
	return hmac.Equal(got, want)
}

// sign makes the value of a MESSAGE-INTEGRITY that follows message.
func sign(key, message []byte) []byte {
	var head [headerSize]byte
	copy(head[:], message)
	binary.BigEndian.PutUint16(head[2:], uint16(len(message)-headerSize+attrHeaderSize+integritySize))
	mac := hmac.New(sha1.New, key)
	mac.Write(head[:])
	mac.Write(message[headerSize:])
	return mac.Sum(nil)
}

// authenticate returns the grant that f's credentials open on t, the 5-tuple
// f came by; t is nil when that holds no relay. The username and key are
// good for answering f.
func (s *Server) authenticate(f *frame, t *tuple, now time.Time) (g *grant, username string, key []byte) {
	username = string(f.username)
	admission, expires, ok := readUsername(username)
	if !ok || string(f.realm) != s.c.Realm {
		return nil, "", nil
	}
	// What reaches further than anything we issue would outlive the memory
	// of a cut.
	if expires.After(now.Add(s.c.Lifetime + skew)) {
		return nil, "", nil
	}
	// Expired credentials still speak for the very relay they made, as long
	// as the admission has newer ones. They never make another.
	fresh := now.Before(expires)
	if !fresh && (t == nil || t.username != username || t.grant.dead(now.UnixNano())) {
		return nil, "", nil
	}
	if key = s.key(username); !f.proves(key) {
		return nil, "", nil
	}
	if !fresh {
		return t.grant, username, key
	}
	// Another node may have issued them: their being valid extends the
	// grant here as Issue would have.
	if g = s.claim(admission, expires); g == nil {
		return nil, "", nil
	}
	return g, username, key
}
