package api

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/klauspost/compress/gzhttp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/zupee/memwatch"
)

// Fleet knows the present state of every service.
type Fleet interface {
	// Services returns all of them, worst first.
	Services() []Service
	// Service returns one, and whether there is such a service.
	Service(name string) (Service, bool)
}

// Series is one instance's readings, oldest first.
type Series struct {
	Instance string
	Samples  []memwatch.Sample
}

// Store knows the past. For a single thing that does not exist its methods
// return an error that wraps ErrNotFound.
type Store interface {
	// Readings returns a series for each instance, in order of name, and how many
	// readings the range holds.
	Readings(ctx context.Context, q MetricsQuery) ([]Series, int, error)
	// Alerts also returns how many match beyond the limit.
	Alerts(ctx context.Context, q AlertQuery) ([]memwatch.Alert, int, error)
	Alert(ctx context.Context, id string) (memwatch.Alert, error)
	// Captures also returns how many match beyond the limit.
	Captures(ctx context.Context, q ProfileQuery) ([]memwatch.Capture, int, error)
	Capture(ctx context.Context, id string) (memwatch.Capture, error)
}

// Blobs opens profiles by their SHA-256, in hex.
type Blobs interface {
	// Open returns an error that wraps ErrNotFound when there is none.
	Open(ctx context.Context, sha256 string) (io.ReadSeekCloser, error)
}

// Options are what a Server reads from.
type Options struct {
	Fleet Fleet
	Store Store
	Blobs Blobs
	Stats func(ctx context.Context) (Stats, error)
	// Ready returns an error, worded for people, while the hub cannot do its work.
	Ready   func(ctx context.Context) error
	Metrics prometheus.Gatherer
	Started time.Time
	Logger  *slog.Logger
}

// Server answers requests for /api/, /health, /healthz, /readyz and /metrics.
type Server struct {
	Options
	logger *slog.Logger
	mux    *http.ServeMux
	// flames bounds the flame graphs being made at once: each holds whole profiles.
	flames chan struct{}
}

// New makes a server.
func New(o Options) *Server {
	s := &Server{Options: o, logger: o.Logger, mux: http.NewServeMux(), flames: make(chan struct{}, 2)}
	s.json("/api/services", s.services)
	s.json("/api/services/{service}", s.service)
	s.json("/api/services/{service}/metrics", s.serviceMetrics)
	s.json("/api/alerts", s.alerts)
	s.json("/api/alerts/{id}", s.alert)
	s.json("/api/profiles", s.profiles)
	s.json("/api/profiles/{id}/flamegraph", s.flamegraph)
	s.json("/api/stats", func(r *http.Request) (any, error) { return s.Stats(r.Context()) })
	s.json("/health", s.health)
	s.mux.HandleFunc("GET /api/profiles/{id}", s.download)
	s.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	s.mux.HandleFunc("GET /readyz", s.ready)
	s.mux.Handle("GET /metrics", promhttp.HandlerFor(o.Metrics, promhttp.HandlerOpts{}))
	s.mux.HandleFunc("/", s.unknown)
	return s
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// json serves what a handler returns, compressed for clients that ask for it.
func (s *Server) json(path string, handle func(*http.Request) (any, error)) {
	s.mux.Handle("GET "+path, gzhttp.GzipHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := handle(r)
		if err != nil {
			s.writeError(w, r, err)
			return
		}
		b, err := json.Marshal(body)
		if err != nil {
			s.writeError(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if w.Header().Get("Cache-Control") == "" {
			w.Header().Set("Cache-Control", "no-store")
		}
		_, _ = w.Write(append(b, '\n')) // the reader may be gone; there is nobody to tell
	})))
}

// unknown answers what no route does: 405 where another method would do, else 404.
func (s *Server) unknown(w http.ResponseWriter, r *http.Request) {
	get := &http.Request{Method: http.MethodGet, URL: r.URL, Host: r.Host}
	if _, pattern := s.mux.Handler(get); pattern != "/" {
		w.Header().Set("Allow", "GET, HEAD")
		s.writeError(w, r, &Problem{
			Title: "Method not allowed", Status: http.StatusMethodNotAllowed, Detail: "this can only be read",
			Field: "method", Value: r.Method, Allowed: "GET, HEAD",
		})
		return
	}
	s.writeError(w, r, notFound("page", r.URL.Path))
}

// health is the original server's answer.
func (s *Server) health(*http.Request) (any, error) {
	return map[string]any{
		"status": "healthy", "timestamp": memwatch.Milli(time.Now()), "uptime": time.Since(s.Started).Seconds(),
	}, nil
}

func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	if err := s.Ready(r.Context()); err != nil {
		s.writeError(w, r, &Problem{Title: "Not ready", Status: http.StatusServiceUnavailable, Detail: err.Error()})
		return
	}
	_, _ = io.WriteString(w, "ready\n")
}
