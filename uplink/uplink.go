// Package uplink carries what the spool keeps to the hub over one WebSocket
// connection, and never lets go of a record before the hub has confirmed it.
//
// Queues of encoded messages (package wire) come in; acknowledgements go back
// to them. After each connect every target is registered, then readings go in
// batches with a bounded number unconfirmed, and beside them evidence, one
// message at a time, with its profile's bytes in chunks that readings pass
// between. When a connection ends, what was not confirmed is sent again on the
// next: the hub takes a resend as the same message.
//
// A hub that does not speak version 1 gets version 0, the original agent's
// messages, which nobody confirms: there a record counts as delivered once it
// is written.
package uplink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/zupee/memwatch"
)

// Queue is where messages wait until the hub has them.
type Queue interface {
	// Next waits for the oldest record that is not handed out and hands it out.
	// File is where the bytes are that belong to it, "" for none.
	Next(ctx context.Context) (id uint64, body []byte, file string, err error)
	// Ack ends records that the hub has, Reject one that it will never take.
	Ack(ids ...uint64)
	Reject(id uint64, reason string)
	// Requeue takes back what is handed out.
	Requeue()
	// Len counts what waits, handed out or not.
	Len() int
}

// Uplink sends to one of several hubs. Its methods may be called from any
// goroutine.
type Uplink struct {
	cfg                Config
	readings, evidence Queue
	targets            func() []memwatch.Target
	log                *slog.Logger
	announce           chan struct{}
	// patience is how long the hub may take to confirm a message, and silence
	// how long to answer a ping.
	patience, silence time.Duration

	mu      sync.Mutex
	stats   Stats
	changed chan struct{} // closed and replaced whenever stats change
	told    map[string]*told
	refused told // records that the hub will not take
}

// Stats is how the uplink is doing. Counters count since New.
type Stats struct {
	// Connected to URL, speaking Version (0 or 1).
	Connected bool
	URL       string
	Version   int
	// Connects counts connections that were made, Failures those that could not
	// be made or broke.
	Connects, Failures uint64
	// Records: Sent counts those written, resends included; Acked those that the
	// hub confirmed; Resent those taken back unconfirmed when a connection ended;
	// Rejected those that the hub will never take; Unconfirmed those written to a
	// hub of version 0; Skipped those for which version 0 has no words.
	Sent, Acked, Resent, Rejected, Unconfirmed, Skipped uint64
	// Bytes written, frames' payloads alone.
	Bytes uint64
	// LastError is the newest failure, "" if there was none.
	LastError string
}

// New checks cfg. Targets is called after each connect and on Announce. The
// version-1 bodies in both queues are encoded wire.Metrics and wire.Snapshot,
// the latter with their ids.
func New(cfg Config, readings, evidence Queue, targets func() []memwatch.Target, log *slog.Logger) (*Uplink, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Uplink{
		cfg: cfg, readings: readings, evidence: evidence, targets: targets, log: log,
		announce: make(chan struct{}, 1),
		patience: answerTimeout, silence: pongTimeout,
		changed: make(chan struct{}),
		told:    map[string]*told{},
	}, nil
}

// Announce registers all targets anew on the present connection, after some
// were added or got other labels.
func (u *Uplink) Announce() {
	select {
	case u.announce <- struct{}{}:
	default:
	}
}

// Stats returns the present numbers.
func (u *Uplink) Stats() Stats {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.stats
}

// update changes the stats and wakes Drain.
func (u *Uplink) update(change func(*Stats)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	change(&u.stats)
	close(u.changed)
	u.changed = make(chan struct{})
}

// Run connects, sends, and connects again until ctx ends; then it says goodbye
// to the hub and returns nil. It is called once.
func (u *Uplink) Run(ctx context.Context) error {
	hubs := newRing(u.cfg.URLs, u.cfg.MaxBackoff)
	for ctx.Err() == nil {
		url, wait := hubs.next(time.Now())
		if !sleep(ctx, wait) {
			break
		}
		worked, err := u.serve(ctx, url)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // a connection that ends because ctx did is no failure
		}
		u.update(func(s *Stats) { s.Failures++; s.LastError = err.Error() })
		u.tell(url, err)
		hubs.failed(url, worked, retryAfter(err), time.Now())
	}
	return nil
}

// serve makes one connection and keeps it for as long as it holds. Worked says
// that the hub took something, or that the connection held for a while.
func (u *Uplink) serve(ctx context.Context, url string) (worked bool, err error) {
	conn, version, err := u.dial(ctx, url)
	if err != nil {
		return false, err
	}
	u.update(func(s *Stats) { s.Connected, s.URL, s.Version = true, url, version; s.Connects++ })
	u.connected(url, version)
	defer u.update(func(s *Stats) { s.Connected = false })
	return newSession(u, conn, version).run(ctx)
}

// Drain returns nil once the hub has everything. It gives up when ctx ends or
// there is no connection, and says how much stays in the spool. Run is to be
// running.
func (u *Uplink) Drain(ctx context.Context) error {
	for {
		u.mu.Lock()
		stats, changed := u.stats, u.changed
		u.mu.Unlock()
		left := u.readings.Len() + u.evidence.Len()
		if left == 0 {
			return nil
		}
		if !stats.Connected && stats.LastError != "" {
			return fmt.Errorf("drain: %d records stay in the spool: no hub: %s", left, stats.LastError)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("drain: %d records stay in the spool: %w", left, ctx.Err())
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// told throttles what is said about one URL.
type told struct {
	text    string
	at      time.Time
	skipped int
	v0      bool
}

// tellEvery is how often the same trouble is told again.
const tellEvery = 10 * time.Minute

// tell says what is wrong with a hub: at once when it is new, then rarely.
func (u *Uplink) tell(url string, err error) {
	t := u.about(url)
	if t.text == err.Error() && time.Since(t.at) < tellEvery {
		t.skipped++
		return
	}
	args := []any{"url", url, "error", err, "readings_waiting", u.readings.Len(), "evidence_waiting", u.evidence.Len()}
	var h *HubError
	if errors.As(err, &h) && h.Hint != "" {
		args = append(args, "hint", h.Hint)
	}
	if t.skipped > 0 {
		args = append(args, "failures_not_logged", t.skipped)
	}
	u.log.Warn("no hub: records wait in the spool", args...)
	t.text, t.at, t.skipped = err.Error(), time.Now(), 0
}

func (u *Uplink) connected(url string, version int) {
	t := u.about(url)
	t.text = ""
	if version == 0 && !t.v0 {
		t.v0 = true
		u.log.Warn("this hub speaks version 0 only: it confirms nothing, so a record counts as delivered once written, "+
			"and profiles stay on this machine; upgrade memwatch-hub", "url", url)
		return
	}
	u.log.Info("hub connected", "url", url, "version", version)
}

// refuse says why the hub will not take a record: at once when it is new, then rarely.
func (u *Uplink) refuse(reason string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	t := &u.refused
	if t.text == reason && time.Since(t.at) < tellEvery {
		t.skipped++
		return
	}
	u.log.Warn("the hub will not take a record; it is kept in the spool's folder rejected", "reason", reason, "records_not_logged", t.skipped)
	t.text, t.at, t.skipped = reason, time.Now(), 0
}

// about is called by Run's goroutine alone.
func (u *Uplink) about(url string) *told {
	if u.told[url] == nil {
		u.told[url] = &told{}
	}
	return u.told[url]
}

// ring chooses the next hub and how long to wait before.
type ring struct {
	urls     []string
	resting  map[string]time.Time // until when a hub asked to be left alone
	at       int
	failures int // since something worked; a wait comes after each round of them
	max      time.Duration
	jitter   func(time.Duration) time.Duration
}

const (
	minBackoff    = time.Second
	maxRetryAfter = time.Hour
)

func newRing(urls []string, maxBackoff time.Duration) *ring {
	return &ring{
		urls: urls, resting: map[string]time.Time{}, max: maxBackoff,
		jitter: func(d time.Duration) time.Duration { return rand.N(d + 1) }, //nolint:gosec // G404: jitter keeps no secret
	}
}

// failed takes note of an attempt, or of the end of a connection.
func (r *ring) failed(url string, worked bool, retryAfter time.Duration, now time.Time) {
	if worked {
		r.failures = len(r.urls) - 1 // a wait comes next: a hub may work and yet end each connection
	}
	r.failures++
	r.at++
	if retryAfter > 0 {
		r.resting[url] = now.Add(min(retryAfter, maxRetryAfter) + r.jitter(minBackoff))
	}
}

// next is the hub whose turn it is. All are tried one after the other; after
// each round comes a wait, up to twice as long each time, with full jitter. One
// that asked to be left alone is passed over, if another one has not.
func (r *ring) next(now time.Time) (url string, wait time.Duration) {
	best := -1
	var least time.Duration
	for i := range r.urls {
		k := (r.at + i) % len(r.urls)
		rest := max(r.resting[r.urls[k]].Sub(now), 0)
		if best < 0 || rest < least {
			best, least = k, rest
		}
	}
	r.at = best
	if r.failures > 0 && r.failures%len(r.urls) == 0 {
		rounds := min(r.failures/len(r.urls)-1, 20)
		wait = r.jitter(min(minBackoff<<rounds, r.max))
	}
	return r.urls[best], max(wait, least)
}
