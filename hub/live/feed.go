package live

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/wire"
)

// Feed takes events and serves them to browsers. All methods may be called
// from any goroutine, and none waits for a browser.
type Feed struct {
	cfg     Config
	version string
	// epoch names this run: a place in another's log is none in this one's.
	epoch   string
	logger  *slog.Logger
	metrics metrics

	mu      sync.Mutex
	log     *log
	seq     uint64
	changed chan struct{} // closed at the next event
	clients int
	left    time.Time // when the last browser left
	closed  bool
	nextID  uint64
	cancels map[uint64]context.CancelFunc // of the connections

	stop chan struct{} // closed by Close
	wg   sync.WaitGroup
}

// New makes a feed whose sequence numbers continue above those of any earlier
// run: they start at the time in microseconds. Version is told to browsers.
func New(cfg Config, version string, logger *slog.Logger, reg prometheus.Registerer) *Feed {
	f := &Feed{
		cfg: cfg, version: version, epoch: rand.Text(), logger: logger, metrics: newMetrics(reg),
		log: newLog(), seq: uint64(time.Now().UnixMicro()), //nolint:gosec // after 1970
		changed: make(chan struct{}), cancels: map[uint64]context.CancelFunc{}, stop: make(chan struct{}),
	}
	f.log.lost = f.seq
	return f
}

// Reading announces a stored reading. A nil Verdict means as before.
func (f *Feed) Reading(m wire.Metrics) {
	m.Type = wire.TypeMetricsUpdate
	k := key{m.Service, m.Instance, m.Verdict != nil}
	f.publish(k, func(seq uint64) any { return wire.MetricsUpdate{Metrics: m, Seq: seq} })
}

// Alert announces a saved alert: a leakAlert when it began, else an alertUpdate.
func (f *Feed) Alert(a memwatch.Alert, began bool) {
	t := wire.TypeAlertUpdate
	if began {
		t = wire.TypeLeakAlert
	}
	f.publish(key{}, func(seq uint64) any { return wire.AlertEvent{Type: t, Seq: seq, Alert: a} })
}

// Status announces that a service or instance came or went.
func (f *Feed) Status(u wire.ServiceUpdate) {
	u.Type = wire.TypeServiceUpdate
	f.publish(key{}, func(seq uint64) any { u.Seq = seq; return u })
}

// Profile announces a capture that can be fetched.
func (f *Feed) Profile(c memwatch.Capture) {
	f.publish(key{}, func(seq uint64) any {
		return wire.ProfileSaved{Type: wire.TypeProfileSaved, Seq: seq, Profile: c}
	})
}

// Clients is the number of browsers connected.
func (f *Feed) Clients() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.clients
}

// window is the least time between two frames to one browser, now: the fewer there
// are, the sooner each is told.
func (f *Feed) window() time.Duration {
	most := f.cfg.Window
	return min(most, max(soonest, most*time.Duration(f.Clients())/manyClients))
}

func (f *Feed) publish(k key, message func(seq uint64) any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seq++
	now := time.Now()
	if f.clients == 0 && now.Sub(f.left) > keep && f.cfg.Overlap == 0 {
		f.log.pass(f.seq) // whoever comes next starts after this one
		return
	}
	b, err := json.Marshal(message(f.seq))
	if err != nil { // a number that JSON cannot say; nothing else can fail
		f.metrics.unencodable.Inc()
		f.logger.Error("event cannot be encoded", "service", k.service, "error", err)
		return
	}
	f.log.add(&event{seq: f.seq, at: now, key: k, json: b})
	f.metrics.events.Inc()
	close(f.changed)
	f.changed = make(chan struct{})
}

// place is how far a browser has come in the events of an epoch.
type place struct {
	epoch string
	seq   uint64
}

// enter counts a browser in and greets it: it goes on at its place while nothing
// that it has not seen is gone, else after the newest event.
func (f *Feed) enter(at place) (hello wire.Hello, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || f.clients >= f.cfg.MaxClients {
		return hello, false
	}
	f.clients++
	f.wg.Add(1)
	f.metrics.clients.Inc()
	hello = wire.Hello{Type: wire.TypeHello, Seq: f.seq, Version: f.version, Epoch: f.epoch}
	if at.epoch == f.epoch && at.seq >= f.log.lost && at.seq <= f.seq {
		hello.Seq, hello.Resumed = at.seq, true
	} else if f.cfg.Overlap > 0 {
		hello.Seq = max(f.log.lost, min(f.seq, f.log.before(time.Now().Add(-f.cfg.Overlap))))
	}
	return hello, true
}

// Restart makes every browser start anew from the present state.
func (f *Feed) Restart() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seq++
	f.log.pass(f.seq)
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *Feed) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.clients--
	f.left = time.Now()
	f.metrics.clients.Dec()
	f.wg.Done()
}

// take is log.since under the lock, with the channel that tells of more.
func (f *Feed) take(cursor uint64, wanted func(*event) bool, dst []*event) (_ []*event, next uint64, ok bool, more <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	dst, next, ok = f.log.since(cursor, wanted, dst)
	return dst, next, ok, f.changed
}

// track lets Close end a connection that does not end by itself.
func (f *Feed) track(cancel context.CancelFunc) (untrack func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nextID++
	id := f.nextID
	f.cancels[id] = cancel
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.cancels, id)
	}
}

// Close tells every browser that the hub goes away and waits for them; when ctx
// ends first, it cuts them off. Browsers that come later are refused.
func (f *Feed) Close(ctx context.Context) {
	f.mu.Lock()
	if !f.closed {
		f.closed = true
		close(f.stop)
	}
	f.mu.Unlock()
	cut := context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, cancel := range f.cancels {
			cancel()
		}
	})
	defer cut()
	f.wg.Wait()
}
