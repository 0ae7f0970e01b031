package house

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// ops is what operators and their machines ask. It names nobody.
type ops struct {
	mux      *http.ServeMux
	requests *prometheus.CounterVec
}

// readyTime bounds the real write that readiness is (T64).
const readyTime = time.Second

func newOps(k Keeper, h *House) *ops {
	reg := prometheus.NewRegistry()
	o := &ops{
		mux: http.NewServeMux(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vestibule_requests_total", Help: "Requests by method and status.",
		}, []string{"method", "status"}),
	}
	reg.MustRegister(
		o.requests, h.turned.count, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "vestibule_connections", Help: "Live connections into rooms.",
		}, func() float64 { return float64(h.Gateway.Connections()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "vestibule_streams", Help: "Open pages that wait for news.",
		}, func() float64 { return float64(h.Gateway.Streams()) }),
	)
	o.mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	o.mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "alive") })
	o.mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyTime)
		defer cancel()
		if err := k.Ready(ctx); err != nil {
			say(w, http.StatusServiceUnavailable, "the store does not take writes")
			return
		}
		say(w, http.StatusOK, "ready")
	})
	return o
}

// known answers next to who asks for this very machine: by address, as
// localhost or by the name in on, the address that is listened on. Any other
// name is one that a page in a browser nearby had resolved to here (DNS
// rebinding, T31). A Unix socket no page can reach.
func known(on string, next http.Handler) http.Handler {
	name := hostname(on)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked := hostname(r.Host)
		_, err := netip.ParseAddr(asked)
		if err != nil && asked != "localhost" && (name == "" || asked != name) && !strings.HasPrefix(on, UnixPrefix) {
			say(w, http.StatusMisdirectedRequest, "not served under this name")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// UnixPrefix begins an address that is a Unix socket's path.
const UnixPrefix = "unix:"

// hostname is host:port without the port, in small letters.
func hostname(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		address = host
	}
	return strings.ToLower(strings.Trim(address, "[]"))
}

func say(w http.ResponseWriter, code int, word string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(word + "\n")) // the asker has gone
}

// count counts what the next handler answers.
func (o *ops) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &counted{ResponseWriter: w, code: http.StatusOK}
		next.ServeHTTP(c, r)
		o.requests.WithLabelValues(method(r.Method), strconv.Itoa(c.code)).Inc()
	})
}

// method bounds the label: a client may send any word.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodOptions:
		return m
	default:
		return "other"
	}
}

// counted remembers the status of an answer.
type counted struct {
	http.ResponseWriter
	code int
}

// WriteHeader implements http.ResponseWriter.
func (c *counted) WriteHeader(code int) {
	c.code = code
	c.ResponseWriter.WriteHeader(code)
}

// Unwrap lets http.ResponseController reach the connection.
func (c *counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }
