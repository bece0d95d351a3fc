package agent

import (
	"time"
)

// throttle lets the first of many equal troubles through, then one each
// interval, and says how many were held back between.
type throttle struct {
	every time.Duration
	last  map[string]time.Time
	held  map[string]int
}

func newThrottle(every time.Duration) *throttle {
	return &throttle{every: every, last: map[string]time.Time{}, held: map[string]int{}}
}

// allow reports whether to speak of key now, and of how many since the last time.
func (t *throttle) allow(key string, now time.Time) (times int, ok bool) {
	t.held[key]++
	if last, seen := t.last[key]; seen && now.Sub(last) < t.every {
		return 0, false
	}
	times = t.held[key]
	t.last[key], t.held[key] = now, 0
	return times, true
}

// clear forgets everything: the next trouble is news again.
func (t *throttle) clear() {
	clear(t.last)
	clear(t.held)
}
