package uplink

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/zupee/memwatch/wire"
)

// record is one that a queue handed out.
type record struct {
	id   uint64
	body []byte
	file string
}

const (
	// maxBatchBytes keeps frames small enough to pass quickly on a slow link.
	maxBatchBytes = 256 << 10
	// maxBodyBytes leaves room for a batch's own fields in a frame.
	maxBodyBytes = wire.MaxFrameBytes - 1024
)

// readingsLane sends batch after batch, each after the last is confirmed.
// Several lanes make the window.
func (s *session) readingsLane(ctx context.Context) error {
	for {
		select {
		case s.turn <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		batch, err := s.collect(ctx)
		if err != nil {
			<-s.turn
			return err
		}
		id, frame := s.batch(batch)
		ch, err := s.send(ctx, id, frame, len(batch))
		<-s.turn
		if err != nil {
			return err
		}
		if err := s.settle(ctx, s.u.readings, batch, id, frame, ch); err != nil {
			return err
		}
	}
}

// collect fills a batch: up to a number, a size and a time.
func (s *session) collect(ctx context.Context) ([]record, error) {
	first, err := s.nextReading(ctx)
	if err != nil {
		return nil, err
	}
	batch, bytes := []record{first}, len(first.body)
	soon, cancel := context.WithTimeout(ctx, s.u.cfg.BatchDelay)
	defer cancel()
	for len(batch) < s.u.cfg.BatchReadings {
		r, err := s.nextReading(soon)
		if err != nil {
			break // the batch's time is over
		}
		if bytes+len(r.body) > maxBatchBytes {
			s.held = &r
			break
		}
		batch = append(batch, r)
		bytes += len(r.body) + 1
	}
	return batch, ctx.Err()
}

func (s *session) nextReading(ctx context.Context) (record, error) {
	if r := s.held; r != nil {
		s.held = nil
		return *r, nil
	}
	for {
		id, body, _, err := s.u.readings.Next(ctx)
		if err != nil {
			return record{}, err
		}
		if reason := unsendable(body); reason != "" {
			s.rejected(s.u.readings, id, reason)
			continue
		}
		return record{id: id, body: body}, nil
	}
}

// unsendable says why a body would only break the frame it is put in.
func unsendable(body []byte) string {
	switch {
	case len(body) > maxBodyBytes:
		return fmt.Sprintf("%d bytes: a hub takes at most %d", len(body), maxBodyBytes)
	case !json.Valid(body):
		return "not JSON"
	}
	return ""
}

// batch encodes a wire.Batch around bodies that are encoded already.
func (s *session) batch(records []record) (id string, frame []byte) {
	id = s.newID()
	frame = fmt.Appendf(nil, `{"type":%q,"v":%d,"id":%q,"messages":[`, wire.TypeBatch, wire.Version, id)
	for i, r := range records {
		if i > 0 {
			frame = append(frame, ',')
		}
		frame = append(frame, r.body...)
	}
	return id, append(frame, "]}"...)
}

// settle waits for the hub's word on a batch. A batch that is refused is sent
// again in halves, until the one record is found that the hub will not take.
func (s *session) settle(ctx context.Context, q Queue, records []record, id string, frame []byte, ch <-chan answer) error {
	for {
		a, err := s.wait(ctx, ch)
		if err != nil {
			return err
		}
		s.forget(id, len(records))
		switch {
		case a.Type == wire.TypeAck:
			s.acked(q, ids(records)...)
			return nil
		case a.retryAfter() > 0:
			if !sleep(ctx, a.retryAfter()) {
				return ctx.Err()
			}
			if ch, err = s.send(ctx, id, frame, len(records)); err != nil {
				return err
			}
		case len(records) == 1:
			s.rejected(q, records[0].id, a.Code+": "+a.Message)
			return nil
		default:
			return s.halves(ctx, q, records)
		}
	}
}

func (s *session) halves(ctx context.Context, q Queue, records []record) error {
	half := len(records) / 2
	for _, part := range [][]record{records[:half], records[half:]} {
		id, frame := s.batch(part)
		ch, err := s.send(ctx, id, frame, len(part))
		if err != nil {
			return err
		}
		if err := s.settle(ctx, q, part, id, frame, ch); err != nil {
			return err
		}
	}
	return nil
}

func ids(records []record) []uint64 {
	out := make([]uint64, len(records))
	for i, r := range records {
		out[i] = r.id
	}
	return out
}
