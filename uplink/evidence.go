package uplink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/zupee/memwatch/internal/ws"
	"github.com/zupee/memwatch/wire"
)

// evidenceLane sends one message at a time: each may be megabytes.
func (s *session) evidenceLane(ctx context.Context) error {
	for {
		id, body, file, err := s.u.evidence.Next(ctx)
		if err != nil {
			return err
		}
		if reason := unsendable(body); reason != "" {
			s.rejected(s.u.evidence, id, reason)
			continue
		}
		if err := s.evidence(ctx, record{id, body, file}); err != nil {
			return err
		}
	}
}

func (s *session) evidence(ctx context.Context, r record) error {
	var head struct {
		Type    wire.Type `json:"type"`
		ID      string    `json:"id"`
		Capture struct {
			Size int64 `json:"size"`
		} `json:"capture"`
	}
	if err := json.Unmarshal(r.body, &head); err != nil {
		s.rejected(s.u.evidence, r.id, err.Error())
		return nil
	}
	if head.Type != wire.TypeSnapshot || head.ID == "" {
		records := []record{r}
		id, frame := s.batch(records)
		ch, err := s.send(ctx, id, frame, 1)
		if err != nil {
			return err
		}
		return s.settle(ctx, s.u.evidence, records, id, frame, ch)
	}
	ch, err := s.send(ctx, head.ID, r.body, 1)
	if err != nil {
		return err
	}
	for {
		a, err := s.wait(ctx, ch)
		if err != nil {
			return err
		}
		if a.Type == wire.TypeWant {
			if err := s.upload(ctx, wire.Chunk{ID: head.ID, Offset: a.Offset}, r.file, head.Capture.Size, ch); err != nil {
				if !errors.Is(err, errFile) {
					return err
				}
				s.forget(head.ID, 1)
				s.rejected(s.u.evidence, r.id, err.Error())
				return nil
			}
			continue
		}
		s.forget(head.ID, 1)
		switch {
		case a.Type == wire.TypeAck:
			s.acked(s.u.evidence, r.id)
			return nil
		case a.retryAfter() == 0:
			s.rejected(s.u.evidence, r.id, a.Code+": "+a.Message)
			return nil
		}
		if !sleep(ctx, a.retryAfter()) {
			return ctx.Err()
		}
		if ch, err = s.send(ctx, head.ID, r.body, 1); err != nil {
			return err
		}
	}
}

// errFile says that a profile's bytes are not to be had any more.
var errFile = errors.New("profile cannot be read")

// upload sends a file of so many bytes in chunks, from next to its end, or until
// the hub has a word to say.
func (s *session) upload(ctx context.Context, next wire.Chunk, path string, size int64, answers <-chan answer) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%w: %w", errFile, err)
	}
	defer func() { _ = f.Close() }()
	data := make([]byte, wire.ChunkBytes)
	var frame []byte
	for len(answers) == 0 {
		n, err := f.ReadAt(data[:s.chunkBytes], next.Offset)
		if n == 0 && errors.Is(err, io.EOF) {
			if next.Offset < size {
				return fmt.Errorf("%w: %s ends after %d of %d bytes", errFile, path, next.Offset, size)
			}
			return nil
		} else if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("%w: %w", errFile, err)
		}
		if frame, err = wire.AppendChunk(frame[:0], next, data[:n]); err != nil {
			return err
		}
		began := time.Now()
		if err := s.write(ctx, ws.Binary, frame); err != nil {
			return err
		}
		s.fitChunks(time.Since(began))
		next.Offset += int64(n)
	}
	return nil
}

// fitChunks keeps a chunk at about what the link carries in a second, so that
// readings need not wait longer than that.
func (s *session) fitChunks(took time.Duration) {
	switch {
	case took > time.Second:
		s.chunkBytes = max(s.chunkBytes/2, 4<<10)
	case took < 200*time.Millisecond:
		s.chunkBytes = min(s.chunkBytes*2, wire.ChunkBytes)
	}
}
