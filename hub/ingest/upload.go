package ingest

import (
	"context"
	"fmt"

	"github.com/zupee/memwatch/wire"
)

// upload is a profile whose bytes were asked for and have not all come.
type upload struct {
	message wire.Snapshot
	// gap is true from a part that began too late until the one that was asked
	// for, so that parts already under way are not each answered with a want.
	gap bool
}

// snapshot stores a snapshot whose bytes are there, or asks for them.
func (c *session) snapshot(ctx context.Context, frame []byte) any {
	m, err := decode[wire.Snapshot](c, wire.TypeSnapshot, frame)
	if err != nil {
		return c.refuse(idOf(frame), err)
	}
	c.fill(&m.Instance)
	if err = text("id", m.ID, maxID, false); err != nil {
		return c.refuse("", err)
	}
	if err = snapshot(&m, c.server.now(), c.server.cfg.MaxProfileBytes); err != nil {
		return c.refuse(m.ID, err)
	}
	if err = c.join(m.Service, m.Instance); err != nil {
		return c.refuse(m.ID, err)
	}
	if m.Capture == nil {
		return c.done(m.ID, c.server.sink.Snapshot(ctx, m))
	}
	has, err := c.server.blobs.Has(ctx, m.Capture.SHA256)
	if err != nil {
		return c.refuse(m.ID, err)
	}
	if has {
		return c.done(m.ID, c.server.sink.Snapshot(ctx, m))
	}
	return c.want(ctx, m)
}

// want asks for the bytes that are not there yet.
func (c *session) want(ctx context.Context, m wire.Snapshot) any {
	u := c.uploads[m.ID]
	switch {
	case u == nil && len(c.uploads) >= maxUploads:
		return c.refuse(m.ID, &refusal{
			code: codeTooMany, retryAfter: retryAfter,
			message: fmt.Sprintf("%d profiles are under way on this connection: finish them first", maxUploads),
		})
	case u == nil:
		u = &upload{}
		c.uploads[m.ID] = u
	case u.message.Capture.SHA256 != m.Capture.SHA256 || u.message.Capture.Size != m.Capture.Size:
		return c.refuse(m.ID, invalid("id: %.40q: another profile is under way with this id", m.ID))
	}
	u.message = m
	offset, err := c.server.blobs.Partial(ctx, m.Capture.SHA256)
	if err != nil {
		delete(c.uploads, m.ID)
		return c.refuse(m.ID, err)
	}
	if offset >= m.Capture.Size { // all came, but an earlier connection ended before it was checked
		return c.finish(ctx, m.ID, u)
	}
	u.gap = false
	return wire.Want{Type: wire.TypeWant, ID: m.ID, Offset: offset}
}

// chunk takes a binary frame; after the last one the snapshot is stored.
func (c *session) chunk(ctx context.Context, frame []byte) any {
	head, data, err := wire.ParseChunk(frame)
	if err != nil {
		return c.refuse("", &refusal{code: codeMalformed, message: err.Error()})
	}
	u := c.uploads[head.ID]
	if u == nil {
		return c.refuse("", invalid("id: %.40q: no profile with this id is wanted: send its snapshot message first", head.ID))
	}
	c.server.metrics.messages.WithLabelValues("chunk").Inc()
	size := u.message.Capture.Size
	if head.Offset > size || int64(len(data)) > size-head.Offset {
		delete(c.uploads, head.ID)
		return c.refuse(head.ID, &refusal{code: codeTooLarge, message: fmt.Sprintf("more bytes than the %d announced", size)})
	}
	next, err := c.server.blobs.Write(ctx, u.message.Capture.SHA256, head.Offset, data)
	switch {
	case err != nil:
		delete(c.uploads, head.ID)
		return c.refuse(head.ID, err)
	case next < head.Offset && u.gap:
		return nil
	case next < head.Offset:
		u.gap = true
		return wire.Want{Type: wire.TypeWant, ID: head.ID, Offset: next}
	case next >= size:
		return c.finish(ctx, head.ID, u)
	}
	u.gap = false
	return nil
}

func (c *session) finish(ctx context.Context, id string, u *upload) any {
	delete(c.uploads, id)
	if err := c.server.blobs.Finish(ctx, u.message.Capture.SHA256, u.message.Capture.Size); err != nil {
		return c.refuse(id, err)
	}
	c.server.metrics.profiles.Inc()
	return c.done(id, c.server.sink.Snapshot(ctx, u.message))
}
