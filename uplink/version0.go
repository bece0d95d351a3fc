package uplink

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/zupee/memwatch/internal/ws"
	"github.com/zupee/memwatch/wire"
)

// lane0 sends the original agent's messages. Nobody confirms them: written is
// delivered.
func (s *session) lane0(ctx context.Context, q Queue) error {
	for {
		id, body, file, err := q.Next(ctx)
		if err != nil {
			return err
		}
		frame, err := flat(body, file)
		if err != nil {
			s.rejected(q, id, err.Error())
			continue
		}
		if frame == nil {
			q.Ack(id)
			s.u.update(func(st *Stats) { st.Skipped++ })
			continue
		}
		s.unconfirmed.Add(1)
		if err := s.write(ctx, ws.Text, frame); err != nil {
			return err
		}
		s.unconfirmed.Add(-1)
		q.Ack(id)
		s.u.update(func(st *Stats) { st.Sent++; st.Unconfirmed++ })
	}
}

// flat turns a message of version 1 into one of version 0, nil when that has
// no words for it.
func flat(body []byte, file string) ([]byte, error) {
	t, err := wire.TypeOf(body)
	if err != nil {
		return nil, err
	}
	switch t {
	case wire.TypeMetrics:
		var m wire.Metrics
		if err := json.Unmarshal(body, &m); err != nil {
			return nil, fmt.Errorf("metrics: %w", err)
		}
		if m.Sample == nil && m.ScrapeError != nil {
			return nil, nil
		}
		m.V, m.ID, m.Instance, m.Sample, m.Verdict, m.ScrapeError = 0, "", "", nil, nil, nil
		return json.Marshal(m)
	case wire.TypeSnapshot:
		var m wire.Snapshot
		if err := json.Unmarshal(body, &m); err != nil {
			return nil, fmt.Errorf("snapshot: %w", err)
		}
		m.V, m.ID, m.Instance, m.Capture = 0, "", "", nil
		if file != "" {
			m.Filename, m.Filepath = filepath.Base(file), file
		}
		return json.Marshal(m)
	}
	return nil, nil
}
