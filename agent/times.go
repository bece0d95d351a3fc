package agent

import "time"

// times keeps the readings of a target apart. The hub knows a reading by its
// millisecond; a clock that is set back tells the same ones again, and the
// reading of the second time would be taken for a resend of the first.
type times struct {
	told   [1024]int64 // Unix milliseconds, in a ring
	next   int
	newest int64
}

// apart is at, moved on by the milliseconds that it takes to be new.
func (t *times) apart(at time.Time) time.Time {
	ms := at.UnixMilli()
	for ms <= t.newest && t.has(ms) {
		at = at.Add(time.Millisecond)
		ms = at.UnixMilli()
	}
	t.told[t.next] = ms
	t.next = (t.next + 1) % len(t.told)
	t.newest = max(t.newest, ms)
	return at
}

func (t *times) has(ms int64) bool {
	for _, told := range t.told {
		if told == ms {
			return true
		}
	}
	return false
}
