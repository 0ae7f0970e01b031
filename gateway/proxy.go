package gateway

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"time"

	"vestibule/assertion"
	"vestibule/conference"
	"vestibule/lobby"
	"vestibule/meeting"
)

// carried is one request on its way to the conference server.
type carried struct {
	*Server
	asked  *http.Request // as the browser sent it
	seat   *lobby.Seat
	grants conference.Grants
	kind   conference.Kind
	fault  error // of Prepare
	wrap   *once // of a web socket
}

// forward lets an admitted person's request through to the conference server,
// if the backend knows the path.
func (s *Server) forward(w http.ResponseWriter, r seated) error {
	upgrade := len(r.Header["Upgrade"]) > 0 // to a web socket: nothing else is straight
	kind := s.c.Backend.Allow(r.Method, r.URL.EscapedPath(), upgrade)
	if kind == conference.Refuse {
		return meeting.Refuse(meeting.NotFound)
	}
	if r.ContentLength != 0 {
		// Who is inside may take longer over a body than a form takes.
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	}
	c := &carried{Server: s, asked: r.Request, seat: r.seat, grants: grants(r.seat.Admission, &r.info), kind: kind}
	w = final{w, s.roomTable}
	if kind != conference.Signal {
		return c.page(w)
	}
	// A web socket is not bound by CORS: only the Origin tells who opened it
	// (T24).
	if r.Header.Get("Origin") != s.c.Room {
		return foreign{}
	}
	return s.signal(w, r, c)
}

// signal carries one web socket for as long as its person may be inside.
func (s *Server) signal(w http.ResponseWriter, r seated, c *carried) error {
	me := &device{looks: s.looksOf(r.Request, r.seat.Meeting), meeting: r.seat.Meeting}
	if err := s.alone(r, me.looks); err != nil {
		return err
	}
	if err := s.c.Backend.Open(r.Context(), r.info.Room); err != nil {
		s.log.ErrorContext(r.Context(), "conference server unavailable", slog.String("meeting", string(r.seat.Meeting)), slog.Any("error", err))
		return meeting.Refuse(meeting.Busy)
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	socket, seat := &once{heard: me.hear}, r.seat
	me.hear()
	c.wrap = socket
	end := func() { cancel(); socket.close() }
	done, ok := s.registry.addSocket(seat.Admission, me, end)
	if !ok {
		return meeting.Refuse(meeting.Busy)
	}
	undo := done
	// Whoever is answered with a web socket leaves this request behind.
	defer func() { undo() }()
	// Registered first, asked again after: an expulsion in between finds
	// either the channel or the refusal.
	if _, err := seat.May(); err != nil {
		return err
	}
	release := seat.Hold()
	s.hub.poke(seat.Meeting)
	stop := s.attend(context.WithoutCancel(ctx), seat, end)
	leave := func() {
		stop()
		release()
		s.hub.poke(seat.Meeting)
		done()
	}
	undo = leave
	c.forth(ctx, taker{w, socket})
	if !socket.whole() {
		socket.close()
		return nil
	}
	undo = func() {}
	go func() { // its end is waited for in the registry
		defer leave()
		socket.pump(s.buffers)
	}()
	return nil
}

// attend extends the relay credentials of somebody inside, and ends their
// connection when the seat is over, until stop.
func (s *Server) attend(ctx context.Context, seat *lobby.Seat, end func()) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	life := time.Until(s.c.Relay.Issue(seat.Admission, time.Now()).Expires)
	wg.Go(func() {
		tick := time.NewTicker(max(life/3, time.Second))
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-seat.Over():
				end()
				return
			case now := <-tick.C:
				s.c.Relay.Issue(seat.Admission, now)
			}
		}
	})
	return func() { cancel(); wg.Wait() }
}

func (s *Server) relayOf(admission string) func() conference.Relay {
	return func() conference.Relay {
		c := s.c.Relay.Issue(admission, time.Now())
		return conference.Relay{URLs: c.URLs, Username: c.Username, Credential: c.Password}
	}
}

func grants(admission string, i *lobby.Info) conference.Grants {
	may := settingsOf(i)
	return conference.Grants{
		Admission: admission, Room: i.Room, Name: i.Name, Host: i.Role == meeting.Host,
		Microphone: may.Microphone, Camera: may.Camera, Screen: may.Screen, Chat: may.Chat,
	}
}

// newProxy is what all requests to the conference server have in common.
func (s *Server) newProxy() httputil.ReverseProxy {
	return httputil.ReverseProxy{
		Transport:  s.c.Backend.Transport(),
		BufferPool: s.buffers,
		ErrorLog:   slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// forth sends the request on its way for as long as ctx lasts. It uses Rewrite,
// not Director: with Director a client could delete what was set by naming it
// in Connection.
func (c *carried) forth(ctx context.Context, w http.ResponseWriter) {
	p := c.proxy
	p.Rewrite, p.ModifyResponse, p.ErrorHandler = c.rewrite, c.modify, c.failed
	p.ServeHTTP(w, c.asked.WithContext(ctx))
}

// rewrite makes out the request that the conference server receives.
func (c *carried) rewrite(p *httputil.ProxyRequest) {
	p.SetURL(c.upstream)
	strip(p.Out)
	p.SetXForwarded()
	if c.fault = c.c.Backend.Prepare(p.Out, c.grants); c.fault == nil {
		c.fault = c.assert(p.Out, &c.grants)
	}
	if c.fault != nil {
		// Nothing unprepared may leave: an empty URL fails the trip.
		p.Out.URL.Host, p.Out.URL.Scheme = "", ""
	}
}

// failed answers where the conference server did not.
func (c *carried) failed(w http.ResponseWriter, out *http.Request, err error) {
	if c.fault != nil {
		err = c.fault
	}
	no := meeting.Refuse(meeting.Busy)
	if _, cut := c.seat.May(); cut != nil {
		err = cut
	}
	if !errors.As(err, &no) && out.Context().Err() == nil {
		c.log.ErrorContext(out.Context(), "conference server unavailable", slog.String("error", "round trip failed"))
	}
	// Not out: it carries the inner Host.
	c.refuse(w, c.asked, err, no)
}

// assert tells the backend who asks, in words that only the door can say (T26).
func (s *Server) assert(out *http.Request, g *conference.Grants) error {
	token, err := s.signer.Sign(assertion.Person{Admission: g.Admission, Room: g.Room, Name: g.Name, Host: g.Host})
	if err != nil {
		return err
	}
	out.Header.Set(assertion.Header, token)
	return nil
}

// passes reports whether a browser may say a header to the conference server;
// its backend adds the rest. A list of what must not pass would never be
// complete: servers and frameworks read a client's address and name out of
// dozens of headers, and take X_Real_Ip for X-Real-Ip (T26). Not among them are
// the door's cookies and Referer.
func passes(name string) bool {
	switch name {
	case "Accept", "Accept-Encoding", "Accept-Language", "Cache-Control", "Content-Encoding", "Content-Language",
		"Content-Length", "Content-Type", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range",
		"If-Unmodified-Since", "Pragma", "Range", "User-Agent", "X-Requested-With",
		"Connection", "Upgrade", // as httputil.ReverseProxy has left them: for a web socket, nothing else
		"Sec-Websocket-Extensions", "Sec-Websocket-Key", "Sec-Websocket-Protocol", "Sec-Websocket-Version":
		return true
	}
	return false
}

// strip takes away everything else that the browser said. The header is a copy
// of httputil.ReverseProxy's.
func strip(out *http.Request) {
	for name := range out.Header {
		if !passes(name) {
			delete(out.Header, name)
		}
	}
	out.Trailer = nil
}

// withheld are headers of the conference server that a browser must not see:
// an echo of who they are, cookies for the room's origin, what opens it to others (the backend allows
// every origin), and what sends browsers elsewhere.
func withheld(name string) bool {
	switch name {
	case assertion.Header, "Set-Cookie", "Server", "X-Powered-By", "Via", "Alt-Svc", "Refresh", "Clear-Site-Data", "Nel", "Report-To",
		"Reporting-Endpoints", "Service-Worker-Allowed", "Sourcemap", "X-Sourcemap":
		return true
	}
	return strings.HasPrefix(name, "Access-Control-")
}

// modify looks at every answer of the conference server before the browser does.
func (c *carried) modify(res *http.Response) error {
	for name := range res.Header {
		if withheld(name) {
			delete(res.Header, name)
		}
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		c.c.Backend.Scrub(res)
		return nil
	}
	body, ok := res.Body.(io.ReadWriteCloser)
	if !ok || c.kind != conference.Signal || c.wrap == nil {
		return errors.New("unexpected upgrade")
	}
	c.wrap.set(c.c.Backend.Wrap(body, c.grants, c.relayOf(c.seat.Admission), res))
	res.Body = parked{}
	return nil
}

// final is the answer that a browser gets: the door's own table of headers
// stands, whatever the conference server says of the same. Answers before the
// last (103) are left out; the proxy would pass their headers unseen and take
// ours away with them.
type final struct {
	http.ResponseWriter
	table []header
}

// WriteHeader implements http.ResponseWriter.
func (f final) WriteHeader(code int) {
	if code < http.StatusOK && code != http.StatusSwitchingProtocols {
		return
	}
	secure(f.Header(), f.table)
	f.ResponseWriter.WriteHeader(code)
}

// Unwrap lets http.ResponseController reach the connection.
func (f final) Unwrap() http.ResponseWriter { return f.ResponseWriter }
