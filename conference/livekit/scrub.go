package livekit

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
)

// Scrub implements conference.Passage. LiveKit's 401 repeats the whole token,
// and its 500 says what went wrong inside, so every body is replaced by words
// of ours; livekit-client goes by the status.
func (b *Backend) Scrub(res *http.Response) {
	body := http.StatusText(res.StatusCode)
	if res.StatusCode == http.StatusOK {
		body = "success" // what /rtc/validate says
	}
	if res.Body != nil {
		_ = res.Body.Close()
	}
	res.Body = io.NopCloser(bytes.NewBufferString(body))
	res.ContentLength = int64(len(body))
	res.TransferEncoding, res.Trailer = nil, nil
	// LiveKit would let every origin read the answer.
	res.Header = http.Header{
		"Content-Type":   {"text/plain; charset=utf-8"},
		"Content-Length": {strconv.Itoa(len(body))},
		"Cache-Control":  {"no-store"},
	}
	if c := res.StatusCode; c < 200 || c == http.StatusNoContent || c == http.StatusNotModified {
		res.Body, res.ContentLength = http.NoBody, 0
		res.Header.Del("Content-Length")
	}
}
