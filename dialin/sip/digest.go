package sip

import (
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // only where a site allows it: see scheme
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"strconv"
	"strings"
	"sync"
	"time"
)

// nonceLife is how long a challenge may be answered.
const nonceLife = time.Minute

// digest challenges and checks with SHA-256 (RFC 8760, RFC 7616). MD5 is not
// offered to callers: a device that knows nothing else calls without.
type digest struct {
	realm string
	key   []byte

	mu   sync.Mutex
	used map[string]spent // by nonce; guarded by mu
}

// spent is the highest count seen of a nonce.
type spent struct {
	count uint64
	at    time.Time
}

func newDigest(realm string) *digest {
	d := &digest{realm: realm, key: make([]byte, 32), used: map[string]spent{}}
	_, _ = rand.Read(d.key) // never fails since Go 1.24
	return d
}

// scheme is a way to reckon a digest. MD5 is weak: it is for conference
// servers that know nothing else, and only where the site says so.
type scheme struct {
	name string
	new  func() hash.Hash
	weak bool
}

// algorithm reads a scheme's name; none is MD5 (RFC 2617).
func algorithm(name string) (scheme, bool) {
	switch strings.ToUpper(name) {
	case "SHA-256":
		return scheme{"SHA-256", sha256.New, false}, true
	case "MD5", "":
		return scheme{"MD5", md5.New, true}, true
	}
	return scheme{}, false
}

func (a scheme) sum(parts ...string) string {
	h := a.new()
	h.Write([]byte(strings.Join(parts, ":")))
	return hex.EncodeToString(h.Sum(nil))
}

// challenge is a WWW-Authenticate header.
func (d *digest) challenge(now time.Time, stale, weak bool) string {
	name := "SHA-256"
	if weak {
		name = "MD5"
	}
	s := fmt.Sprintf(`WWW-Authenticate: Digest realm=%q, nonce=%q, algorithm=%s, qop="auth"`, d.realm, d.nonce(now), name)
	if stale {
		s += ", stale=true"
	}
	return s
}

// nonce carries its own time, so that a flood of challenges fills no memory.
func (d *digest) nonce(now time.Time) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(now.UnixMilli()))
	var salt [8]byte
	_, _ = rand.Read(salt[:])
	b = append(b, salt[:]...)
	return hex.EncodeToString(append(b, d.mac(b)...))
}

func (d *digest) mac(b []byte) []byte {
	h := hmac.New(sha256.New, d.key)
	h.Write(b)
	return h.Sum(nil)[:16]
}

// check answers whose answer to a challenge it is. A count that does not rise
// is a replay (T55); stale says that the nonce is good but old or spent.
func (d *digest) check(header, method string, secret func(user string) (secret string, weak bool), now time.Time) (user string, stale, ok bool) {
	kind, rest, _ := strings.Cut(strings.TrimSpace(header), " ")
	p := fields(rest)
	a, ok := algorithm(p["algorithm"])
	if !strings.EqualFold(kind, "Digest") || !ok || p["realm"] != d.realm || p["qop"] != "auth" {
		return "", false, false
	}
	count, err := strconv.ParseUint(p["nc"], 16, 32)
	if err != nil || len(p["nc"]) != 8 || p["cnonce"] == "" {
		return "", false, false
	}
	known, weak := secret(p["username"])
	want := a.sum(a.sum(p["username"], d.realm, known), p["nonce"], p["nc"], p["cnonce"], "auth", a.sum(method, p["uri"]))
	// Reckoned for an unknown user too: the time tells nothing.
	if !hmac.Equal([]byte(want), []byte(p["response"])) || known == "" || a.weak && !weak {
		return "", false, false
	}
	if !d.spend(p["nonce"], count, now) {
		return "", true, false
	}
	return p["username"], false, true
}

// spend uses up a count of a nonce of ours that is not too old.
func (d *digest) spend(nonce string, count uint64, now time.Time) bool {
	b, err := hex.DecodeString(nonce)
	if err != nil || len(b) != 32 || !hmac.Equal(d.mac(b[:16]), b[16:]) {
		return false
	}
	at := time.UnixMilli(int64(binary.BigEndian.Uint64(b)))
	if now.Sub(at) > nonceLife || now.Before(at.Add(-time.Second)) {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.used) >= maxSources {
		for k, u := range d.used {
			if now.Sub(u.at) > nonceLife {
				delete(d.used, k)
			}
		}
	}
	if count <= d.used[nonce].count || len(d.used) >= maxSources {
		return false
	}
	d.used[nonce] = spent{count, at}
	return true
}

// fields reads name=value and name="value" lists.
func fields(s string) map[string]string {
	m := map[string]string{}
	for s != "" && len(m) < 16 {
		name, rest, ok := strings.Cut(s, "=")
		if !ok {
			break
		}
		name = strings.ToLower(strings.Trim(name, ", \t"))
		rest = strings.TrimLeft(rest, " \t")
		var value string
		if q, quoted := strings.CutPrefix(rest, `"`); quoted {
			value, rest, _ = strings.Cut(q, `"`)
		} else {
			value, rest, _ = strings.Cut(rest, ",")
		}
		if _, twice := m[name]; !twice {
			m[name] = strings.TrimSpace(value)
		}
		s = rest
	}
	return m
}
