package ingest

import (
	"cmp"
	"slices"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/wire"
)

// Agent is what the hub knows of one connection.
type Agent struct {
	Remote string
	// Version is memwatchd's; "" for the original agent.
	Version string
	// Since is when it connected, Heard when it last sent anything.
	Since, Heard time.Time
	Targets      int
	// Readings are those that were stored, Refused the messages that were not.
	Readings, Refused int64
	// Refusal is why the last of them was refused.
	Refusal string
	// Lag is how old the newest reading of its last message was when it came in: more
	// than an interval when the agent catches up, or its clock is behind.
	Lag time.Duration
}

// List answers the agents that are connected, those that lag most first.
func (s *Server) List() []Agent {
	s.mu.Lock()
	sessions := make([]*session, 0, len(s.sessions))
	for c := range s.sessions {
		sessions = append(sessions, c)
	}
	s.mu.Unlock()
	out := make([]Agent, 0, len(sessions))
	for _, c := range sessions {
		c.mu.Lock()
		if c.conn != nil {
			out = append(out, c.agent)
		}
		c.mu.Unlock()
	}
	slices.SortFunc(out, func(a, b Agent) int {
		return cmp.Or(cmp.Compare(b.Lag, a.Lag), a.Since.Compare(b.Since), cmp.Compare(a.Remote, b.Remote))
	})
	return out
}

// note brings up to date what is known of the agent.
func (c *session) note(change func(a *Agent)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.agent)
}

// stored notes readings that were stored.
func (c *session) stored(messages []wire.Metrics) {
	c.server.metrics.readings.Add(float64(len(messages)))
	var newest memwatch.UnixMilli
	for i := range messages {
		newest = max(newest, messages[i].Timestamp)
	}
	if newest == 0 {
		return
	}
	lag := max(0, c.server.now().Sub(newest.Time()))
	c.note(func(a *Agent) { a.Readings, a.Lag = a.Readings+int64(len(messages)), lag })
}
