package sip

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// prove answers a challenge of the target, and of nobody else; empty where it
// is none, or none that can be answered (RFC 3261 §22.2, RFC 8760).
func (t *Target) prove(res *sip.Response, method, uri string) string {
	asks, answers := "WWW-Authenticate", "Authorization"
	if res.StatusCode == sip.StatusProxyAuthRequired {
		asks, answers = "Proxy-Authenticate", "Proxy-Authorization"
	}
	if t.Secret == "" || method == "BYE" || res.StatusCode != sip.StatusUnauthorized && res.StatusCode != sip.StatusProxyAuthRequired {
		return ""
	}
	for _, h := range res.GetHeaders(asks) {
		scheme, rest, _ := strings.Cut(strings.TrimSpace(h.Value()), " ")
		p := fields(rest)
		a, ok := algorithm(p["algorithm"])
		if !strings.EqualFold(scheme, "Digest") || !ok || a.weak && !t.DangerouslyAnswerMD5 || !quotable(p["realm"], p["nonce"], p["opaque"]) {
			continue
		}
		cnonce, once := rand.Text(), "00000001"
		sum := []string{a.sum(t.User, p["realm"], t.Secret), p["nonce"], once, cnonce, "auth", a.sum(method, uri)}
		qop := fmt.Sprintf(`, qop=auth, nc=%s, cnonce="%s"`, once, cnonce)
		if !slices.Contains(strings.Split(strings.ReplaceAll(p["qop"], " ", ""), ","), "auth") {
			if p["qop"] != "" || !a.weak {
				continue
			}
			sum, qop = []string{sum[0], sum[1], sum[5]}, "" // RFC 2069, as old ones ask
		}
		v := fmt.Sprintf(`%s: Digest username="%s", realm="%s", nonce="%s", uri="%s", algorithm=%s, response="%s"%s`,
			answers, t.User, p["realm"], p["nonce"], uri, a.name, a.sum(sum...), qop)
		if o, ok := p["opaque"]; ok {
			v += fmt.Sprintf(`, opaque="%s"`, o)
		}
		return v
	}
	return ""
}

// quotable keeps out of our request what would end a quoted word.
func quotable(words ...string) bool {
	return !slices.ContainsFunc(words, func(w string) bool {
		return len(w) > 512 || strings.ContainsFunc(w, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' || r == 0x7f })
	})
}
