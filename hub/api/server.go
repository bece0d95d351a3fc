package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
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
// return an error that wraps ErrNotFound, and so does a list that is to go on
// Before something that is gone.
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

// Access is what an operation asks of whoever calls it.
type Access string

// What may be asked.
const (
	AccessNone     Access = ""
	AccessViewer   Access = "viewer"   // may look
	AccessOperator Access = "operator" // may change things
)

// Options are what a Server reads from.
type Options struct {
	Fleet     Fleet
	Store     Store
	Blobs     Blobs
	Decisions Decisions
	// Library takes profiles of at most MaxProfileBytes.
	Library         Library
	MaxProfileBytes int64
	Stats           func(ctx context.Context) (Stats, error)
	// Agents are those connected, the ones that lag most first; never nil.
	Agents func() []Agent
	// Ready returns an error, worded for people, while the hub cannot do its work.
	Ready   func(ctx context.Context) error
	Metrics prometheus.Gatherer
	Started time.Time
	Logger  *slog.Logger
	Version string
	// People are asked who may do what; without them everybody may do everything.
	People People
}

// Server answers requests for /api/, /pprof/, /health, /healthz, /readyz and /metrics.
type Server struct {
	Options
	logger *slog.Logger
	mux    *http.ServeMux
	api    huma.API
	// heavy bounds the profiles being read at once: each may take much memory.
	heavy chan struct{}
}

// New makes a server.
func New(o Options) *Server {
	if o.People == nil {
		o.People = everybody{}
	}
	s := &Server{Options: o, logger: o.Logger, mux: http.NewServeMux(), heavy: make(chan struct{}, 2)}
	s.api = humago.New(packed{s.mux}, newConfig(o.Version))
	s.fleetOperations()
	s.alertOperations()
	s.decisionOperations()
	s.profileOperations()
	s.evidenceOperations()
	s.libraryOperations()
	s.hubOperations()
	s.agentOperations()
	s.peopleOperations()
	describe(s.api.OpenAPI())
	s.docs()
	s.pprofPages()
	s.mux.Handle("GET /metrics", s.guarded(AccessViewer, promhttp.HandlerFor(o.Metrics, promhttp.HandlerOpts{})))
	s.mux.HandleFunc("/", s.unknown)
	return s
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, err := url.ParseQuery(r.URL.RawQuery); err != nil {
		s.writeError(w, badParameter("query", r.URL.RawQuery, "a query string such as ?limit=100&service=name"))
		return
	}
	defer s.recover(w, r)
	s.mux.ServeHTTP(w, r)
}

// recover makes a bug cost one request, and says where it is.
func (s *Server) recover(w http.ResponseWriter, r *http.Request) {
	switch v := recover(); v {
	case nil:
	case http.ErrAbortHandler:
		panic(v)
	default:
		s.logger.Error("a request failed by a bug", "path", r.URL.Path, "panic", v, "stack", string(debug.Stack()))
		s.writeError(w, newProblem(http.StatusInternalServerError, "Internal error", "the hub's log says more"))
	}
}

// operation is one line of the API: where, what for, and who may.
type operation struct {
	method, path string
	id, summary  string
	tag          string
	access       Access
	errors       []int
	more         func(*huma.Operation)
}

// register adds an operation. What its handler returns besides a Problem is the
// hub's own business: it goes to the log.
func register[I, O any](s *Server, o operation, handle func(context.Context, *I) (*O, error)) {
	op := huma.Operation{
		Method: o.method, Path: o.path, OperationID: o.id, Summary: o.summary, Tags: []string{o.tag},
		Errors: append([]int{http.StatusBadRequest}, o.errors...),
	}
	if o.access != AccessNone {
		op.Errors = append(op.Errors, http.StatusUnauthorized, http.StatusForbidden)
		op.Security = []map[string][]string{{"bearer": {}}, {"basic": {}}, {"session": {}}}
		op.Extensions = map[string]any{"x-access": o.access}
	}
	if o.more != nil {
		o.more(&op)
	}
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
		if o.access != AccessNone {
			if err := s.People.Allow(ctx, o.access); err != nil {
				return nil, s.outside(ctx, o.id, err)
			}
		}
		out, err := handle(ctx, in)
		if err != nil {
			return nil, s.outside(ctx, o.id, err)
		}
		return out, nil
	})
}

// outside is what of an error is meant for the outside.
func (s *Server) outside(ctx context.Context, id string, err error) error {
	if p, ok := asProblem(err); ok {
		return p
	}
	if ctx.Err() == nil { // else nobody waits for the answer
		s.logger.Error("request failed", "operation", id, "error", err)
	}
	if errors.Is(err, ErrUnavailable) {
		p := newProblem(http.StatusServiceUnavailable, "Unavailable", "the hub's database cannot be reached: try again")
		p.header = http.Header{"Retry-After": {"5"}}
		return p
	}
	return newProblem(http.StatusInternalServerError, "Internal error", "the hub's log says more")
}

// guarded is a plain handler that asks for access.
func (s *Server) guarded(need Access, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.People.Allow(r.Context(), need); err != nil {
			s.WriteError(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// unknown answers what no route does: 405 where another method would do, else 404.
func (s *Server) unknown(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete} {
		try := &http.Request{Method: method, URL: r.URL, Host: r.Host}
		if _, pattern := s.mux.Handler(try); pattern != "/" && pattern != "" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 || slices.Contains(allowed, r.Method) {
		s.writeError(w, notFound("page", r.URL.Path))
		return
	}
	list := strings.Join(allowed, ", ")
	w.Header().Set("Allow", list)
	p := newProblem(http.StatusMethodNotAllowed, "Method not allowed", "%s cannot be used here: want %s", short(r.Method, 20), list)
	p.Field, p.Value, p.Allowed = "method", short(r.Method, 20), list
	s.writeError(w, p)
}

// acquire waits for a turn to read profiles.
func (s *Server) acquire(ctx context.Context) (release func(), err error) {
	select {
	case s.heavy <- struct{}{}:
		return func() { <-s.heavy }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a turn: %w", context.Cause(ctx))
	}
}
