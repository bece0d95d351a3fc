package api

import (
	"context"
	"net/http"

	"github.com/zupee/memwatch"
)

// Agent is one connection of an agent to this hub.
type Agent struct {
	Remote  string             `json:"remote" doc:"Where it calls from"`
	Version string             `json:"version,omitempty" doc:"memwatchd's; absent for the original agent"`
	Since   memwatch.UnixMilli `json:"since"` // when it connected
	Heard   memwatch.UnixMilli `json:"heard"` // when it last sent anything
	Targets int                `json:"targets"`
	// Readings were stored, Refused are messages that were not, both since it connected.
	Readings   int64   `json:"readings"`
	Refused    int64   `json:"refused"`
	Refusal    string  `json:"refusal,omitempty" doc:"Why the last one was refused"`
	LagSeconds float64 `json:"lagSeconds" doc:"How old the newest reading of its last message was when it came in"`
}

// Agents answers GET /api/agents, those that lag most first.
type Agents struct {
	Agents []Agent `json:"agents" nullable:"false"`
	Total  int     `json:"total"`
}

type agentsInput struct {
	Limit int `query:"limit" default:"100" minimum:"1" maximum:"1000" doc:"At most so many"`
}

func (s *Server) agentOperations() {
	register(s, operation{
		method: http.MethodGet, path: "/api/agents", id: "list-agents", tag: "hub", access: AccessViewer,
		summary: "The agents connected to this hub, those that lag most first",
	}, func(_ context.Context, in *agentsInput) (*reply[Agents], error) {
		all := s.Agents()
		return &reply[Agents]{Agents{Agents: all[:min(len(all), in.Limit)], Total: len(all)}}, nil
	})
}
