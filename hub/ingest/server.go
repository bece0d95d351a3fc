package ingest

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/internal/ws"
	"github.com/zupee/memwatch/wire"
)

// Sink takes what is sent, checked. Its methods are called from many goroutines
// at once; an error means that nothing was taken and that the agent is to send
// the same again later.
type Sink interface {
	// Join says that one more connection speaks for the target. An error, worded
	// for the agent, means that there is no room for a new target; then nobody joined.
	Join(t memwatch.Target) error
	// Leave says that a connection which had joined these targets is gone.
	Leave(targets []memwatch.Target)
	// Register returns when what the registration says of its target is durable.
	// A repeated one is no error.
	Register(ctx context.Context, r wire.Registration) error
	// Readings returns when all are durable. A repeated one is no error.
	Readings(ctx context.Context, messages []wire.Metrics) error
	// Snapshot returns when the message is durable. If it has a Capture, its
	// bytes are complete in Blobs. A repeated one is no error.
	Snapshot(ctx context.Context, s wire.Snapshot) error
}

// Errors of Blobs that an agent is told; all others mean that it is to send the
// same again later.
var (
	// ErrCorrupt: the bytes are not the ones that were announced, and are gone.
	ErrCorrupt = errors.New("the bytes do not have the size and sha256 that were announced")
	// ErrTooLarge: the hub does not take profiles of this size.
	ErrTooLarge = errors.New("the profile is larger than this hub takes")
	// ErrFull: there is no room for profiles now.
	ErrFull = errors.New("the hub has no room for more profiles: it is to be sent later; readings and alerts go on")
)

// Blobs keeps the bytes of profiles under their SHA-256, in hex.
type Blobs interface {
	// Has reports whether all bytes are there, durable and checked.
	Has(ctx context.Context, sha256 string) (bool, error)
	// Partial is how many bytes of an unfinished profile are there.
	Partial(ctx context.Context, sha256 string) (int64, error)
	// Write adds a part and answers where the next one must begin. Bytes that are
	// there already are passed over; a part beyond what is there is not taken.
	Write(ctx context.Context, sha256 string, offset int64, part []byte) (next int64, err error)
	// Finish checks what was written and makes it durable.
	Finish(ctx context.Context, sha256 string, size int64) error
}

// Server serves agents. It is an http.Handler for upgrade requests.
type Server struct {
	cfg     Config
	sink    Sink
	blobs   Blobs
	logger  *slog.Logger
	metrics metrics
	now     func() time.Time
	inWork  chan struct{}

	mu       sync.Mutex
	closed   bool
	sessions map[*session]struct{}
	wg       sync.WaitGroup
}

// New makes a server; reg gets its counters.
func New(cfg Config, sink Sink, blobs Blobs, logger *slog.Logger, reg prometheus.Registerer) *Server {
	return &Server{
		cfg: cfg, sink: sink, blobs: blobs, logger: logger, metrics: newMetrics(reg), now: time.Now,
		inWork: make(chan struct{}, maxInWork), sessions: map[*session]struct{}{},
	}
}

type mayKey struct{}

// Only holds the agent of a request to the services of which it may send.
func Only(ctx context.Context, may func(service string) bool) context.Context {
	return context.WithValue(ctx, mayKey{}, may)
}

// Agents is the number of agents connected.
func (s *Server) Agents() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}

// ServeHTTP upgrades the request and serves the agent until the connection ends.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	sess := s.session(cancel, host(r.RemoteAddr))
	sess.may, _ = ctx.Value(mayKey{}).(func(string) bool)
	if !s.enter(sess) {
		s.metrics.refused.WithLabelValues("connections").Inc()
		w.Header().Set("Retry-After", "5")
		http.Error(w, "too many agents, or the hub is stopping: try again", http.StatusServiceUnavailable)
		return
	}
	defer s.leave(sess)
	w.Header().Set(wire.VersionsHeader, wire.Versions)
	conn, err := ws.Accept(w, r, ws.AcceptOptions{Subprotocols: []string{wire.Subprotocol}, MaxFrameBytes: wire.MaxFrameBytes})
	if err != nil {
		s.metrics.refused.WithLabelValues("handshake").Inc()
		s.logger.Debug("agent refused", "remote", r.RemoteAddr, "error", err)
		return
	}
	sess.start(conn, s.logger.With("remote", r.RemoteAddr), r.RemoteAddr)
	sess.serve(ctx)
}

// session makes one for an agent at an address.
func (s *Server) session(cancel context.CancelFunc, instance string) *session {
	return &session{
		server: s, cancel: cancel, instance: instance, joined: map[name]bool{}, uploads: map[string]*upload{},
		rate: rate.NewLimiter(rate.Limit(s.cfg.MaxReadingsPerSecond), max(2*s.cfg.MaxReadingsPerSecond, maxBatch)),
	}
}

func host(addr string) string {
	if h, _, err := net.SplitHostPort(addr); err == nil {
		return h
	}
	return addr
}

func (s *Server) enter(sess *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.sessions) >= s.cfg.MaxAgents {
		return false
	}
	s.sessions[sess] = struct{}{}
	s.wg.Add(1)
	s.metrics.agents.Inc()
	return true
}

func (s *Server) leave(sess *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, sess)
	s.metrics.agents.Dec()
	s.wg.Done()
}

// Close tells every agent that the hub goes away and waits until all are gone; when
// ctx ends first, it cuts them off. What is in work is stored, but its answer may not
// arrive: the agent sends it again. Agents that come later are refused.
func (s *Server) Close(ctx context.Context) {
	s.mu.Lock()
	s.closed = true
	var goodbyes sync.WaitGroup
	for sess := range s.sessions {
		goodbyes.Go(sess.goodbye)
	}
	s.mu.Unlock()
	cut := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for sess := range s.sessions {
			sess.cancel()
		}
	})
	defer cut()
	s.wg.Wait()
	goodbyes.Wait()
}
