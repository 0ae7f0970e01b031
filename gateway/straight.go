package gateway

import (
	"net/http"
	"net/url"
	"strings"
)

// straight reports whether r asks for one thing of one size. Over HTTP/1.1 the
// listener has seen to that; HTTP/2 lets a client put a whole address into
// :path, or what no address has, and x/net/http2 takes the first of two lengths
// and for none one that is no number (T27, T29).
func straight(r *http.Request) bool {
	if r.URL.Scheme != "" || r.URL.Host != "" || !strings.HasPrefix(r.URL.Path, "/") {
		return false
	}
	odd := func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '#' }
	if strings.ContainsFunc(r.RequestURI, odd) {
		return false
	}
	// A tunnel, an echo of the request's own headers, any protocol but one: not
	// here, whatever stands behind thinks of it (T30).
	up := r.Header["Upgrade"]
	if len(up) > 1 || len(up) == 1 && !strings.EqualFold(up[0], "websocket") || r.Method == http.MethodConnect || r.Method == http.MethodTrace {
		return false
	}
	lengths := r.Header["Content-Length"]
	return len(lengths) == 0 || len(lengths) == 1 && lengths[0] != "" && strings.Trim(lengths[0], "0123456789") == ""
}

// meant reports whether r is for an origin, in Host and in the handshake alike
// (T31). A browser may send a request for the one origin over a connection to
// the other where one certificate covers both (RFC 9113 §9.1.1); told 421 it
// opens another. Nothing of the room's may travel as the door's.
func meant(r *http.Request, origin *url.URL) bool {
	return strings.EqualFold(r.Host, origin.Host) && (r.TLS == nil || strings.EqualFold(r.TLS.ServerName, origin.Hostname()))
}

// lastOnConnection ends the connection after requests whose end two parsers may
// see in different places: what follows would be a second request to us, and
// may be the body of this one to a proxy in front (T29). What is crooked the
// listener has refused; these are honest and odd: bodies in chunks, HTTP/1.0,
// where some take notice of Transfer-Encoding and some do not, and a wish to
// upgrade, behind which the listener takes nothing but a web socket.
func lastOnConnection(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 1 && (len(r.TransferEncoding) > 0 || r.ProtoMinor == 0 || len(r.Header["Upgrade"]) > 0) {
		w.Header().Set("Connection", "close")
	}
}
