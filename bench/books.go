package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/zupee/memwatch/wire"
)

// books remember every reading that was sent, and how many of each target's a
// hub has confirmed, to be held against the store in the end.
type books struct {
	mu    sync.Mutex
	lines []line // by target
}

// line is what was sent for one target, oldest first, of which so many are confirmed.
type line struct {
	sent      []entry
	confirmed int
}

// entry is one reading: its time, and a value to know it by.
type entry struct {
	at     int64
	heapMB float64
}

func (b *books) sent(target int, m *wire.Metrics) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.lines) <= target {
		b.lines = append(b.lines, line{})
	}
	b.lines[target].sent = append(b.lines[target].sent, entry{int64(m.Timestamp), m.HeapUsedMB})
}

// confirmed notes the messages of an acked batch; they are those of the targets
// from first on, in the order they were sent.
func (b *books) confirmed(first, targets int, messages []wire.Metrics) {
	b.mu.Lock()
	defer b.mu.Unlock()
	byName := map[string]int{}
	for n := first; n < first+targets; n++ {
		byName[serviceOf(n)] = n
	}
	for i := range messages {
		b.lines[byName[messages[i].Service]].confirmed++
	}
}

// audit is what a comparison of the books with a store has found.
type audit struct {
	sent, confirmed, stored int
	// lost are confirmed and not there, doubled are there more than once, strange
	// are there and were never sent, or not as they are.
	lost, doubled, strange int
}

// compare asks a hub for all readings of all targets.
func (b *books) compare(ctx context.Context, hubURL string) (audit, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var a audit
	for n := range b.lines {
		var answer struct{ Metrics []wire.Metrics }
		if err := ask(ctx, hubURL+"/api/services/"+serviceOf(n)+"/metrics?limit=20000", &answer); err != nil {
			return a, err
		}
		a.line(b.lines[n], answer.Metrics)
	}
	return a, nil
}

func (a *audit) line(l line, stored []wire.Metrics) {
	a.sent += len(l.sent)
	a.confirmed += l.confirmed
	a.stored += len(stored)
	seen := map[int64]int{}
	for i := range stored {
		at := int64(stored[i].Timestamp)
		n, known := slices.BinarySearchFunc(l.sent, at, func(e entry, at int64) int { return int(e.at - at) })
		if !known || l.sent[n].heapMB != stored[i].HeapUsedMB {
			a.strange++
		}
		if seen[at]++; seen[at] > 1 {
			a.doubled++
		}
	}
	for _, e := range l.sent[:l.confirmed] {
		if seen[e.at] == 0 {
			a.lost++
		}
	}
}

func (a audit) String() string {
	return fmt.Sprintf("%d sent, %d confirmed, %d stored; %d lost, %d doubled, %d strange", a.sent, a.confirmed, a.stored, a.lost, a.doubled, a.strange)
}

// ask gets JSON from a hub.
func ask(ctx context.Context, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("GET %s: %w", url, err)
	}
	return nil
}

// lags are how late something was, since they were last taken.
type lags struct {
	mu   sync.Mutex
	late spread // ms
}

func (l *lags) add(d time.Duration, times int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range times {
		l.late = append(l.late, float64(d)/1e6)
	}
}

// take empties them.
func (l *lags) take() spread {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.late
	l.late = nil
	slices.Sort(out)
	return out
}
