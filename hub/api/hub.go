package api

import (
	"context"
	"net/http"
	"time"

	"github.com/zupee/memwatch"
)

// Health is the original server's answer.
type Health struct {
	Status    string             `json:"status"`
	Timestamp memwatch.UnixMilli `json:"timestamp"`
	Uptime    float64            `json:"uptime"` // seconds
}

type textReply struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func text(s string) *textReply {
	return &textReply{ContentType: "text/plain; charset=utf-8", Body: []byte(s)}
}

func (s *Server) hubOperations() {
	register(s, operation{
		method: http.MethodGet, path: "/api/stats", id: "get-stats", tag: "hub", access: AccessViewer,
		summary: "The hub's own numbers",
	}, func(ctx context.Context, _ *struct{}) (*reply[Stats], error) {
		st, err := s.Stats(ctx)
		return &reply[Stats]{st}, err
	})
	register(s, operation{
		method: http.MethodGet, path: "/health", id: "health", tag: "hub",
		summary: "The original server's health check",
	}, func(context.Context, *struct{}) (*reply[Health], error) {
		return &reply[Health]{Health{"healthy", memwatch.Milli(time.Now()), time.Since(s.Started).Seconds()}}, nil
	})
	register(s, operation{
		method: http.MethodGet, path: "/healthz", id: "healthz", tag: "hub",
		summary: "Is the hub alive?", more: bytesOf("text/plain"),
	}, func(context.Context, *struct{}) (*textReply, error) { return text("ok\n"), nil })
	register(s, operation{
		method: http.MethodGet, path: "/readyz", id: "readyz", tag: "hub",
		summary: "Can it do its work?", errors: []int{http.StatusServiceUnavailable}, more: bytesOf("text/plain"),
	}, func(ctx context.Context, _ *struct{}) (*textReply, error) {
		if err := s.Ready(ctx); err != nil {
			return nil, newProblem(http.StatusServiceUnavailable, "Not ready", "%s", err)
		}
		return text("ready\n"), nil
	})
}
