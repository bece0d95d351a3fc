package ingest

import (
	"context"
	"fmt"

	"github.com/zupee/memwatch/wire"
)

// upload is a profile whose bytes were asked for and have not all come.
type upload struct {
	message wire.Snapshot
	dst     Upload
	offset  int64
	// asked is the offset of the last want, so that chunks which were under way
	// when something went wrong are not each answered with another one.
	asked int64
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

func (c *session) want(ctx context.Context, m wire.Snapshot) any {
	u := c.uploads[m.ID]
	if u == nil {
		if len(c.uploads) >= maxUploads {
			return c.refuse(m.ID, &refusal{
				code: codeTooMany, retryAfter: retryAfter,
				message: fmt.Sprintf("%d profiles are under way on this connection: finish them first", maxUploads),
			})
		}
		dst, err := c.server.blobs.Create(ctx, m.Capture.SHA256, m.Capture.Size)
		if err != nil {
			return c.refuse(m.ID, err)
		}
		u = &upload{dst: dst}
		c.uploads[m.ID] = u
	} else if u.message.Capture.SHA256 != m.Capture.SHA256 || u.message.Capture.Size != m.Capture.Size {
		return c.refuse(m.ID, invalid("id: %.40q: another profile is under way with this id", m.ID))
	}
	u.message = m
	u.asked = u.offset
	return wire.Want{Type: wire.TypeWant, ID: m.ID, Offset: u.offset}
}

// chunk takes a binary frame; after the last one the snapshot is stored.
func (c *session) chunk(ctx context.Context, frame []byte) any {
	head, data, err := wire.ParseChunk(frame)
	if err != nil {
		return c.refuse("", &refusal{code: codeMalformed, message: err.Error()})
	}
	u := c.uploads[head.ID]
	if u == nil {
		return c.refuse(head.ID, invalid("id: %.40q: no profile with this id is wanted: send its snapshot message first", head.ID))
	}
	c.server.metrics.messages.WithLabelValues("chunk").Inc()
	if head.Offset > u.offset { // something is missing: ask once
		if u.asked == u.offset {
			return nil
		}
		u.asked = u.offset
		return wire.Want{Type: wire.TypeWant, ID: head.ID, Offset: u.offset}
	}
	data = data[min(int64(len(data)), u.offset-head.Offset):] // what is held already
	if u.offset+int64(len(data)) > u.message.Capture.Size {
		c.drop(head.ID)
		return c.refuse(head.ID, &refusal{code: codeTooLarge, message: fmt.Sprintf("more bytes than the %d announced", u.message.Capture.Size)})
	}
	if _, err := u.dst.Write(data); err != nil {
		c.drop(head.ID)
		return c.refuse(head.ID, err)
	}
	u.offset += int64(len(data))
	u.asked = -1
	if u.offset < u.message.Capture.Size {
		return nil
	}
	return c.finish(ctx, head.ID, u)
}

func (c *session) finish(ctx context.Context, id string, u *upload) any {
	defer c.drop(id)
	corrupt, err := u.dst.Commit(ctx)
	if corrupt {
		return c.refuse(id, &refusal{code: codeCorrupt, message: "the bytes do not have the sha256 that was announced"})
	}
	if err != nil {
		return c.refuse(id, err)
	}
	c.server.metrics.profiles.Inc()
	return c.done(id, c.server.sink.Snapshot(ctx, u.message))
}

func (c *session) drop(id string) {
	c.uploads[id].dst.Abort()
	delete(c.uploads, id)
}
