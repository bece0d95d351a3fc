package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof" //nolint:gosec // G108: what it adds to the default mux is served by nobody
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// endpoints are the agent's own /healthz, /readyz and /metrics.
type endpoints struct {
	stopping atomic.Bool
	// pprof adds /debug/pprof/.
	pprof bool
	// fill writes the present numbers into a set.
	fill func(*metrics.Set)
}

func (e *endpoints) handler() http.Handler {
	metrics.ExposeMetadata(true)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintln(w, "ok")
	})
	// A sidecar's readiness is its pod's: neither the hub nor the targets may
	// take it away, only our own end.
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if e.stopping.Load() {
			http.Error(w, "stopping", http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ready")
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		set := metrics.NewSet()
		e.fill(set)
		var b bytes.Buffer
		set.WritePrometheus(&b)
		metrics.WriteProcessMetrics(&b)
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = w.Write(b.Bytes())
	})
	if e.pprof {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	}
	return mux
}

// serve answers on ln until ctx ends.
func (e *endpoints) serve(ctx context.Context, ln net.Listener) error {
	server := &http.Server{Handler: e.handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10}
	done := make(chan struct{})
	var failed error
	go func() {
		defer close(done)
		failed = server.Serve(ln)
	}()
	select {
	case <-done:
		return fmt.Errorf("serve %s: %w", ln.Addr(), failed)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	err := server.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	<-done
	return err
}
