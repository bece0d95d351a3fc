package uplink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/internal/ws"
	"github.com/zupee/memwatch/wire"
)

const (
	// writeTimeout bounds one frame; chunks are made so small that it takes a
	// dead link to reach it.
	writeTimeout = time.Minute
	// answerTimeout is how long the hub may take to make a message durable.
	answerTimeout = time.Minute
	pongTimeout   = 45 * time.Second
	// goodTime is after how long a connection counts as one that worked.
	goodTime = 30 * time.Second
)

// session is one connection.
type session struct {
	u       *Uplink
	conn    *ws.Conn
	version int
	prefix  string
	lastID  atomic.Uint64
	began   time.Time

	answered    atomic.Bool  // the hub said something
	unconfirmed atomic.Int64 // records sent and not answered
	chunkBytes  int          // what the link takes in about a second; of the evidence lane alone
	again       chan time.Duration

	turn chan struct{} // held by the lane that fills and writes a batch
	held *record       // the first of the next batch; guarded by turn

	mu      sync.Mutex
	pending map[string]chan answer
}

// answer is any message from the hub.
type answer struct {
	Type         wire.Type `json:"type"`
	ID           string    `json:"id"`
	Offset       int64     `json:"offset"`
	Code         string    `json:"code"`
	Message      string    `json:"message"`
	RetryAfterMs int64     `json:"retryAfterMs"`
}

func (a answer) retryAfter() time.Duration {
	return min(time.Duration(max(a.RetryAfterMs, 0))*time.Millisecond, maxRetryAfter)
}

func newSession(u *Uplink, conn *ws.Conn, version int) *session {
	return &session{
		u: u, conn: conn, version: version, began: time.Now(),
		prefix:     fmt.Sprintf("%08x", rand.Uint32()), //nolint:gosec // G404: tells sessions apart in acks, keeps no secret
		chunkBytes: 64 << 10,
		again:      make(chan time.Duration, 1),
		turn:       make(chan struct{}, 1),
		pending:    map[string]chan answer{},
	}
}

// run sends until ctx ends or the connection breaks, whose reason it returns.
func (s *session) run(parent context.Context) (worked bool, err error) {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	var wg sync.WaitGroup
	start := func(part func(context.Context) error) {
		wg.Go(func() { cancel(part(ctx)) })
	}
	start(s.read)
	start(s.ping)
	start(func(ctx context.Context) error { // beside us: a write may take long to fail
		if err := s.register(ctx); err != nil {
			return err
		}
		s.lanes(start)
		return s.announce(ctx)
	})
	<-ctx.Done()
	if parent.Err() != nil {
		_ = s.conn.Close(ws.CloseNormal, "the agent is stopping")
	}
	_ = s.conn.CloseNow()
	wg.Wait()
	s.u.readings.Requeue()
	s.u.evidence.Requeue()
	s.u.update(func(st *Stats) { st.Resent += uint64(s.unconfirmed.Load()) })
	return s.answered.Load() || time.Since(s.began) >= goodTime,
		&HubError{URL: s.u.Stats().URL, Err: context.Cause(ctx), Hint: "it is connected to again by itself"}
}

func (s *session) lanes(start func(part func(context.Context) error)) {
	if s.version == 0 {
		start(func(ctx context.Context) error { return s.lane0(ctx, s.u.readings) })
		start(func(ctx context.Context) error { return s.lane0(ctx, s.u.evidence) })
		return
	}
	for range s.u.cfg.Window {
		start(s.readingsLane)
	}
	start(s.evidenceLane)
}

// read hands the hub's answers to those who wait for them. It ends with the
// connection, not with its context, so that a goodbye can be read.
func (s *session) read(ctx context.Context) error {
	for {
		kind, frame, err := s.conn.Read(context.WithoutCancel(ctx))
		if err != nil {
			return err
		}
		var a answer
		if kind != ws.Text || s.version == 0 || json.Unmarshal(frame, &a) != nil {
			continue
		}
		s.answered.Store(true)
		s.route(a)
	}
}

// route never waits. What nobody waits for is of a newer hub, or late.
func (s *session) route(a answer) {
	switch a.Type {
	case wire.TypeAck, wire.TypeError, wire.TypeWant:
	default:
		return
	}
	s.mu.Lock()
	waiter := s.pending[a.ID]
	s.mu.Unlock()
	switch {
	case waiter != nil:
		select {
		case waiter <- a:
		default:
		}
	case a.Type != wire.TypeError:
	case strings.HasPrefix(a.ID, registrationPrefix) && a.RetryAfterMs > 0:
		select {
		case s.again <- a.retryAfter():
		default:
		}
	default:
		s.u.log.Warn("hub refused a message", "id", a.ID, "code", a.Code, "message", a.Message)
	}
}

func (s *session) ping(ctx context.Context) error {
	for sleep(ctx, s.u.cfg.PingInterval) {
		if err := s.conn.Ping(context.WithoutCancel(ctx), s.u.silence); err != nil {
			return fmt.Errorf("the hub does not answer: %w", err)
		}
	}
	return ctx.Err()
}

func (s *session) newID() string { return fmt.Sprintf("%s-%d", s.prefix, s.lastID.Add(1)) }

// registrationPrefix begins the ids of registrations, for whose acks nobody waits.
const registrationPrefix = "r-"

func (s *session) register(ctx context.Context) error {
	for _, t := range s.u.targets() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		m := wire.Registration{Type: wire.TypeRegistration, Service: t.Service, Timestamp: memwatch.Milli(time.Now())}
		if s.version > 0 {
			m.V, m.ID = wire.Version, registrationPrefix+s.newID()
			m.Instance, m.Labels, m.Agent = t.Instance, t.Labels, s.u.cfg.Version
		}
		b, err := json.Marshal(m)
		if err != nil {
			return fmt.Errorf("registration of %s: %w", t.Service, err)
		}
		if err := s.write(ctx, ws.Text, b); err != nil {
			return err
		}
	}
	return nil
}

// announce registers again when targets changed, or when the hub asks for it.
func (s *session) announce(ctx context.Context) error {
	for {
		select {
		case <-s.u.announce:
		case wait := <-s.again:
			if !sleep(ctx, wait) {
				return ctx.Err()
			}
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := s.register(ctx); err != nil {
			return err
		}
	}
}

// write does not end with ctx, which would break the connection before the
// goodbye; run closes the connection soon after, and that ends it.
func (s *session) write(ctx context.Context, kind ws.Kind, b []byte) error {
	if err := s.conn.Write(context.WithoutCancel(ctx), kind, b, writeTimeout); err != nil {
		return err
	}
	s.u.update(func(st *Stats) { st.Bytes += uint64(len(b)) })
	return nil
}

// send writes a message and returns where its answers come in; end with forget.
func (s *session) send(ctx context.Context, id string, frame []byte, records int) (<-chan answer, error) {
	ch := make(chan answer, 4)
	s.mu.Lock()
	s.pending[id] = ch
	s.mu.Unlock()
	s.unconfirmed.Add(int64(records))
	if err := s.write(ctx, ws.Text, frame); err != nil {
		return nil, err
	}
	s.u.update(func(st *Stats) { st.Sent += uint64(records) })
	return ch, nil
}

func (s *session) forget(id string, records int) {
	s.mu.Lock()
	delete(s.pending, id)
	s.mu.Unlock()
	s.unconfirmed.Add(-int64(records))
}

var errNoAnswer = errors.New("the hub took a message and did not confirm it in time")

// wait returns the next answer.
func (s *session) wait(ctx context.Context, ch <-chan answer) (answer, error) {
	t := time.NewTimer(s.u.patience)
	defer t.Stop()
	select {
	case a := <-ch:
		return a, nil
	case <-t.C:
		return answer{}, errNoAnswer
	case <-ctx.Done():
		return answer{}, ctx.Err()
	}
}

func (s *session) acked(q Queue, ids ...uint64) {
	q.Ack(ids...)
	s.u.update(func(st *Stats) { st.Acked += uint64(len(ids)) })
}

func (s *session) rejected(q Queue, id uint64, reason string) {
	q.Reject(id, reason)
	s.u.refuse(reason)
	s.u.update(func(st *Stats) { st.Rejected++ })
}
