package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// What leaks at intensity 1: about 1 MiB a second, or 100 goroutines.
const (
	leakTick          = 50 * time.Millisecond
	goroutinesPerTick = 5
	sessionBytes      = 4 << 10
	mailboxBytes      = 8 << 10
	auditBytes        = 2 << 10
	leakBytesPerTick  = float64(1<<20) / 20
)

// leaks holds what the shop forgets to let go, one way at a time.
type leaks struct {
	intensity float64

	mu   sync.Mutex
	kind string // "none", or one of leakKinds
	due  float64

	sessions *sessionStore
	feed     *feed
	courier  *courier
}

// auditLog is the global that a careless append grows for ever.
var (
	auditLog   [][]byte
	auditLogMu sync.Mutex
)

func leakKinds() []string { return []string{"map", "goroutine", "subscribers", "slice"} }

func knownLeak(kind string) bool { return slices.Contains(leakKinds(), kind) }

func newLeaks(intensity float64) *leaks {
	return &leaks{
		intensity: intensity, kind: "none",
		sessions: &sessionStore{byToken: map[string]*session{}},
		feed:     &feed{},
		courier:  newCourier(),
	}
}

func (l *leaks) set(kind string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kind, l.due = kind, 0
}

// clear stops leaking and lets go of all that has leaked.
func (l *leaks) clear() {
	l.set("none")
	l.sessions.clear()
	l.feed.clear()
	l.courier.hangUp()
	auditLogMu.Lock()
	auditLog = nil
	auditLogMu.Unlock()
}

// run leaks at each tick until ctx ends.
func (l *leaks) run(ctx context.Context) {
	tick := time.NewTicker(leakTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			l.tick()
		}
	}
}

func (l *leaks) tick() {
	l.mu.Lock()
	kind := l.kind
	l.due += perTick(kind) * l.intensity
	n := int(l.due)
	l.due -= float64(n)
	l.mu.Unlock()

	for range n {
		switch kind {
		case "map":
			l.sessions.remember()
		case "goroutine":
			l.courier.notify()
		case "subscribers":
			l.feed.subscribe()
		case "slice":
			recordAudit()
		}
	}
}

// perTick is how many things leak at each tick, at intensity 1.
func perTick(kind string) float64 {
	switch kind {
	case "map":
		return leakBytesPerTick / sessionBytes
	case "subscribers":
		return leakBytesPerTick / mailboxBytes
	case "slice":
		return leakBytesPerTick / auditBytes
	case "goroutine":
		return goroutinesPerTick
	}
	return 0
}

// sessionStore is a map without expiry.
type sessionStore struct {
	mu      sync.Mutex
	next    int
	byToken map[string]*session
}

type session struct {
	user string
	data []byte
}

//go:noinline
func (s *sessionStore) remember() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	s.byToken[fmt.Sprintf("token-%d", s.next)] = &session{user: "guest", data: make([]byte, sessionBytes)}
}

func (s *sessionStore) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byToken = map[string]*session{}
}

// feed has subscribers that nobody ever removes.
type feed struct {
	mu          sync.Mutex
	subscribers []*subscriber
}

type subscriber struct {
	mailbox []byte
	deliver func([]byte) int
}

//go:noinline
func (f *feed) subscribe() {
	f.mu.Lock()
	defer f.mu.Unlock()
	sub := &subscriber{mailbox: make([]byte, mailboxBytes)}
	sub.deliver = func(b []byte) int { return copy(sub.mailbox, b) }
	f.subscribers = append(f.subscribers, sub)
}

func (f *feed) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.subscribers = nil
}

// courier sends a result to a caller that has stopped listening: the goroutine
// blocks for ever.
type courier struct {
	mu      sync.Mutex
	results chan []byte
	gone    chan struct{}
}

func newCourier() *courier {
	return &courier{results: make(chan []byte), gone: make(chan struct{})}
}

//go:noinline
func (c *courier) notify() {
	c.mu.Lock()
	results, gone := c.results, c.gone
	c.mu.Unlock()
	go c.deliver(results, gone)
}

//go:noinline
func (c *courier) deliver(results chan<- []byte, gone <-chan struct{}) {
	receipt := make([]byte, 512)
	select {
	case results <- receipt:
	case <-gone:
	}
}

// hangUp lets the blocked goroutines go.
func (c *courier) hangUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.gone)
	c.gone = make(chan struct{})
}

//go:noinline
func recordAudit() {
	auditLogMu.Lock()
	defer auditLogMu.Unlock()
	auditLog = append(auditLog, make([]byte, auditBytes))
}

func (l *leaks) serveTrigger(w http.ResponseWriter, r *http.Request) {
	kind := r.URL.Query().Get("kind")
	if kind == "" {
		kind = "map"
	}
	if !knownLeak(kind) {
		http.Error(w, fmt.Sprintf("kind %q: want one of %s", kind, strings.Join(leakKinds(), ", ")), http.StatusBadRequest)
		return
	}
	l.set(kind)
	fmt.Fprintf(w, "leaking: %s\n", kind)
}

func (l *leaks) serveClear(w http.ResponseWriter, _ *http.Request) {
	l.clear()
	fmt.Fprintln(w, "cleared")
}
