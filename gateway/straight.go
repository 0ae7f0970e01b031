package gateway

import "net/http"

// lastOnConnection ends the connection after requests whose end two parsers may
// see in different places: what follows would be a second request to us, and
// may be the body of this one to a proxy in front (T29). In chunks: net/http
// takes them with a Content-Length beside, and RFC 9112 §6.1 then wants the
// connection closed; it drops the length before we can see it. And HTTP/1.0,
// where net/http takes no notice of Transfer-Encoding. Browsers send neither.
func lastOnConnection(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 1 && (len(r.TransferEncoding) > 0 || r.ProtoMinor == 0) {
		w.Header().Set("Connection", "close")
	}
}
