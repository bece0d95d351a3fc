package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/internal/ws"
	"github.com/zupee/memwatch/wire"
)

// answerTimeout is how long an agent may take to read an answer.
const answerTimeout = 10 * time.Second

// retryAfter is what an agent waits when the hub cannot take a message now.
const retryAfter = 2 * time.Second

// fullRetryAfter is the same while there is no room for profiles.
const fullRetryAfter = 30 * time.Second

// name is a target without what is said about it.
type name struct{ service, instance string }

// session is one agent's connection.
type session struct {
	server *Server
	cancel context.CancelFunc
	// instance stands for the name that agents of version 0 do not send.
	instance string
	// may tells of which services the agent may send; nil means of all.
	may     func(service string) bool
	logger  *slog.Logger
	rate    *rate.Limiter
	joined  map[name]bool
	uploads map[string]*upload // by the snapshot message's id

	mu    sync.Mutex
	conn  *ws.Conn // nil before the handshake
	agent Agent
}

func (c *session) start(conn *ws.Conn, logger *slog.Logger, remote string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.server.now()
	c.conn, c.logger, c.agent = conn, logger, Agent{Remote: remote, Since: now, Heard: now}
}

// goodbye closes the connection in words; before the handshake it cancels it.
func (c *session) goodbye() {
	c.mu.Lock()
	conn := c.conn
	c.mu.Unlock()
	if conn == nil {
		c.cancel()
		return
	}
	_ = conn.Close(ws.CloseGoingAway, "the hub is stopping")
}

// serve takes frame after frame until the connection ends.
func (c *session) serve(ctx context.Context) {
	c.logger.Debug("agent connected", "subprotocol", c.conn.Subprotocol())
	defer c.end()
	for {
		kind, frame, err := c.conn.Read(ctx)
		if err != nil {
			if errors.Is(err, ws.ErrTooLarge) {
				c.server.metrics.refused.WithLabelValues(codeTooLarge).Inc()
			}
			c.logger.Debug("agent disconnected", "reason", err)
			return
		}
		c.note(func(a *Agent) { a.Heard = c.server.now() })
		c.server.inWork <- struct{}{}
		answer := c.take(ctx, kind, frame)
		<-c.server.inWork
		if answer == nil {
			continue
		}
		if err := c.send(ctx, answer); err != nil {
			c.logger.Debug("agent does not take answers", "error", err)
			return
		}
	}
}

func (c *session) end() {
	_ = c.conn.CloseNow()
	targets := make([]memwatch.Target, 0, len(c.joined))
	for t := range c.joined {
		targets = append(targets, memwatch.Target{Service: t.service, Instance: t.instance})
	}
	c.server.sink.Leave(targets)
}

func (c *session) send(ctx context.Context, answer any) error {
	b, err := json.Marshal(answer)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	return c.conn.Write(ctx, ws.Text, b, answerTimeout)
}

// take handles one frame and returns what to answer: a wire.Ack, wire.Want or
// wire.Error, or nil for nothing.
func (c *session) take(ctx context.Context, kind ws.Kind, frame []byte) any {
	if kind == ws.Binary {
		return c.chunk(ctx, frame)
	}
	t, err := wire.TypeOf(frame)
	if err != nil {
		return c.refuse("", &refusal{code: codeMalformed, message: err.Error()})
	}
	switch t {
	case wire.TypeRegistration:
		return c.registration(ctx, frame)
	case wire.TypeMetrics:
		return c.metrics(ctx, frame)
	case wire.TypeBatch:
		return c.batch(ctx, frame)
	case wire.TypeSnapshot:
		return c.snapshot(ctx, frame)
	}
	return c.refuse(idOf(frame), &refusal{
		code: codeUnknownType, message: fmt.Sprintf("type: %.40q: want registration, metrics, snapshot or batch", t),
	})
}

// decode reads a message of its type and counts it.
func decode[M any](c *session, t wire.Type, frame []byte) (m M, err error) {
	return decodeWith(c, t, frame, func(frame []byte, m *M) error { return json.Unmarshal(frame, m) })
}

func decodeWith[M any](c *session, t wire.Type, frame []byte, unmarshal func([]byte, *M) error) (m M, err error) {
	if err := unmarshal(frame, &m); err != nil {
		return m, &refusal{code: codeMalformed, message: fmt.Sprintf("%s: %.200s", t, err)}
	}
	c.server.metrics.messages.WithLabelValues(string(t)).Inc()
	return m, nil
}

func idOf(frame []byte) string {
	var m struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(frame, &m) != nil || len(m.ID) > maxID {
		return ""
	}
	return m.ID
}

// refuse counts what was wrong and words the answer.
func (c *session) refuse(id string, err error) any {
	var r *refusal
	switch {
	case errors.As(err, &r):
	case errors.Is(err, ErrCorrupt):
		r = &refusal{code: codeCorrupt, message: ErrCorrupt.Error()}
	case errors.Is(err, ErrFull):
		r = &refusal{code: codeFull, message: ErrFull.Error(), retryAfter: fullRetryAfter}
	case errors.Is(err, ErrTooLarge):
		r = &refusal{code: codeTooLarge, message: ErrTooLarge.Error()}
	default: // its details are the hub's own business
		c.logger.Error("cannot store what an agent sent", "error", err)
		r = &refusal{code: codeUnavailable, message: "the hub cannot store this now: send it again later", retryAfter: retryAfter}
	}
	c.server.metrics.refused.WithLabelValues(r.code).Inc()
	c.note(func(a *Agent) { a.Refused, a.Refusal = a.Refused+1, r.message })
	return wire.Error{Type: wire.TypeError, ID: id, Code: r.code, Message: r.message, RetryAfterMs: r.retryAfter.Milliseconds()}
}

// done answers a message that has been handled.
func (c *session) done(id string, err error) any {
	if err != nil {
		return c.refuse(id, err)
	}
	if id == "" {
		return nil
	}
	return wire.Ack{Type: wire.TypeAck, ID: id}
}

func (c *session) registration(ctx context.Context, frame []byte) any {
	m, err := decode[wire.Registration](c, wire.TypeRegistration, frame)
	if err != nil {
		return c.refuse(idOf(frame), err)
	}
	c.fill(&m.Instance)
	if err = registration(&m, c.server.cfg.MaxLabels); err == nil {
		err = c.join(m.Service, m.Instance)
	}
	if err == nil {
		err = c.server.sink.Register(ctx, m)
	}
	if err == nil && m.Agent != "" {
		c.note(func(a *Agent) { a.Version = m.Agent })
	}
	return c.done(m.ID, err)
}

// fill gives a message of version 0 the instance that it lacks.
func (c *session) fill(instance *string) {
	if *instance == "" {
		*instance = c.instance
	}
}

// join counts the connection in, with its first message about a target.
func (c *session) join(service, instance string) error {
	n := name{service, instance}
	if c.joined[n] {
		return nil
	}
	if c.may != nil && !c.may(service) {
		return &refusal{
			code:    codeForbidden,
			message: fmt.Sprintf("service: %.200q: this agent's token is held to other services: make one for it, memwatch-hub token create --services", service),
		}
	}
	if len(c.joined) >= maxTargets {
		return &refusal{code: codeTooMany, message: fmt.Sprintf("one connection speaks for %d targets at most: use more agents", maxTargets)}
	}
	if err := c.server.sink.Join(memwatch.Target{Service: service, Instance: instance}); err != nil {
		return &refusal{code: codeTooMany, message: err.Error()}
	}
	c.joined[n] = true
	c.note(func(a *Agent) { a.Targets = len(c.joined) })
	return nil
}

func (c *session) metrics(ctx context.Context, frame []byte) any {
	m, err := decodeWith(c, wire.TypeMetrics, frame, wire.UnmarshalMetrics)
	if err != nil {
		return c.refuse(idOf(frame), err)
	}
	if err = c.slow(1); err == nil {
		err = c.check(&m)
	}
	if err == nil {
		err = c.server.sink.Readings(ctx, []wire.Metrics{m})
	}
	if err == nil {
		c.stored([]wire.Metrics{m})
	}
	return c.done(m.ID, err)
}

func (c *session) check(m *wire.Metrics) error {
	c.fill(&m.Instance)
	if err := text("id", m.ID, maxID, false); err != nil {
		return err
	}
	if err := reading(m, c.server.now()); err != nil {
		return err
	}
	return c.join(m.Service, m.Instance)
}

// slow books readings, and refuses them when the agent sends too fast.
func (c *session) slow(readings int) error {
	now := c.server.now()
	r := c.rate.ReserveN(now, readings)
	if wait := r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
		return &refusal{
			code: codeRate, retryAfter: wait + time.Millisecond, // it is told in whole milliseconds, and 0 means never
			message: fmt.Sprintf("more than %d readings a second (ingest.maxReadingsPerSecond): send them later", c.server.cfg.MaxReadingsPerSecond),
		}
	}
	return nil
}

// batch stores the messages that are right, and refuses the others by number.
func (c *session) batch(ctx context.Context, frame []byte) any {
	m, err := decodeWith(c, wire.TypeBatch, frame, wire.UnmarshalBatch)
	if err != nil {
		return c.refuse(idOf(frame), err)
	}
	if err := text("id", m.ID, maxID, true); err != nil {
		return c.refuse("", err)
	}
	if len(m.Messages) > maxBatch {
		return c.refuse(m.ID, &refusal{code: codeTooLarge, message: fmt.Sprintf("messages: %d: want at most %d", len(m.Messages), maxBatch)})
	}
	if err := c.slow(len(m.Messages)); err != nil {
		return c.refuse(m.ID, err)
	}
	good, bad := m.Messages[:0], 0
	var first error
	for i := range m.Messages {
		err := c.check(&m.Messages[i])
		var r *refusal
		switch {
		case err == nil:
			good = append(good, m.Messages[i])
		case !errors.As(err, &r):
			return c.refuse(m.ID, err)
		default:
			if bad++; first == nil {
				first = &refusal{code: r.code, message: fmt.Sprintf("messages[%d]: %s", i, r.message)}
			}
		}
	}
	if len(good) > 0 {
		if err := c.server.sink.Readings(ctx, good); err != nil {
			return c.refuse(m.ID, err)
		}
		c.stored(good)
	}
	if first != nil {
		var r *refusal
		errors.As(first, &r)
		r.message = fmt.Sprintf("%d of %d messages refused, the others are stored; %s", bad, len(m.Messages), r.message)
	}
	return c.done(m.ID, first)
}
