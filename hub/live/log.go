package live

import (
	"math"
	"time"
)

// key names the state that an event replaces; the zero key replaces nothing.
type key struct {
	service, instance string
	verdict           bool
}

type event struct {
	seq  uint64
	at   time.Time
	key  key
	json []byte

	prev, next *event
}

func (e *event) reading() bool { return e.key != key{} }

// log is the last while of events in order of seq, of which readings are
// replaced by newer ones of the same key. It is not safe for concurrent use.
type log struct {
	root   event // of the ring: root.next is the oldest, root.prev the newest
	byKey  map[key]*event
	others int // events that are not readings
	// lost is the newest sequence number that was dropped: whoever has not come
	// that far has missed something.
	lost uint64
}

func newLog() *log {
	l := &log{byKey: map[key]*event{}}
	l.root.next, l.root.prev = &l.root, &l.root
	return l
}

func (l *log) add(e *event) {
	if e.reading() {
		l.replace(e.key)
		if e.key.verdict { // it carries a reading too
			l.replace(key{e.key.service, e.key.instance, false})
		}
		l.byKey[e.key] = e
	} else {
		l.others++
	}
	e.prev, e.next = l.root.prev, &l.root
	e.prev.next, e.next.prev = e, e
	l.trim(e.at)
}

func (l *log) replace(k key) {
	if old := l.byKey[k]; old != nil {
		l.unlink(old)
	}
}

func (l *log) unlink(e *event) {
	e.prev.next, e.next.prev = e.next, e.prev
	if e.reading() {
		delete(l.byKey, e.key)
	} else {
		l.others--
	}
}

// pass notes an event that was not kept: nobody older than it can go on.
func (l *log) pass(seq uint64) {
	for l.root.next != &l.root {
		l.unlink(l.root.next)
	}
	l.lost = seq
}

// trim drops what is older than keep, and the oldest while too many are no readings.
func (l *log) trim(now time.Time) {
	for e := l.root.next; e != &l.root; e = l.root.next {
		if now.Sub(e.at) <= keep && l.others <= maxAlerts {
			return
		}
		l.lost = max(l.lost, e.seq)
		l.unlink(e)
	}
}

// since appends to dst the events after cursor that wanted takes, oldest first,
// until they fill a frame. It returns where the reader is then, and false when
// events were dropped that it had not seen.
func (l *log) since(cursor uint64, wanted func(*event) bool, dst []*event) (_ []*event, next uint64, ok bool) {
	if cursor < l.lost {
		return dst, cursor, false
	}
	first := &l.root
	for e := l.root.prev; e != &l.root && e.seq > cursor; e = e.prev {
		first = e
	}
	size := 0
	for e := first; e != &l.root; e = e.next {
		if wanted(e) {
			if size += len(e.json) + 1; size > maxFrameBytes && len(dst) > 0 {
				return dst, cursor, true
			}
			dst = append(dst, e)
		}
		cursor = e.seq
	}
	return dst, cursor, true
}

// before is where a reader starts who is to get all events since a time: the newest
// number before them, or the greatest of all when there are none.
func (l *log) before(since time.Time) uint64 {
	cursor := uint64(math.MaxUint64)
	for e := l.root.prev; e != &l.root && e.at.After(since); e = e.prev {
		cursor = e.seq - 1
	}
	return cursor
}
