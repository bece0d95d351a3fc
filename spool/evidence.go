package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/zupee/memwatch/internal/durable"
)

// evidence is a folder with one file a record: few, each durable at once.
type evidence struct {
	dir     string
	entries []*entry // oldest first
	nextID  uint64
	pins    map[string]int

	diskBytes, memoryBytes       int64
	put, acked, dropped, corrupt uint64
}

// entry is one record that waits. frame is nil when it is on disk.
type entry struct {
	id    uint64
	file  string
	size  int64
	frame []byte
	out   bool // handed out
}

const evidenceSuffix = ".rec"

func loadEvidence(dir string) (*evidence, error) {
	e := &evidence{dir: dir, nextID: 1, pins: map[string]int{}}
	names, err := os.ReadDir(dir) // sorted by name, which is the id in fixed width
	if err != nil {
		return nil, fmt.Errorf("list evidence: %w", err)
	}
	for _, d := range names {
		id, ok := parseName(d.Name(), evidenceSuffix)
		if !ok {
			continue
		}
		e.nextID = id + 1
		r, size, err := e.read(id)
		if errors.Is(err, errCorrupt) {
			e.corrupt++
			_ = os.Remove(e.path(id))
			continue
		} else if err != nil {
			return nil, fmt.Errorf("read evidence: %w", err)
		}
		e.entries = append(e.entries, &entry{id: id, file: r.File, size: size})
		e.diskBytes += size
		e.pin(r.File, 1)
	}
	return e, nil
}

func fileName(id uint64, suffix string) string { return fmt.Sprintf("%016x%s", id, suffix) }

func parseName(name, suffix string) (uint64, bool) {
	hex, ok := strings.CutSuffix(name, suffix)
	if !ok || len(hex) != 16 {
		return 0, false
	}
	id, err := strconv.ParseUint(hex, 16, 64)
	return id, err == nil
}

func (e *evidence) path(id uint64) string { return filepath.Join(e.dir, fileName(id, evidenceSuffix)) }

func (e *evidence) read(id uint64) (Record, int64, error) {
	frame, err := os.ReadFile(e.path(id))
	if err != nil {
		return Record{}, 0, err
	}
	payload, err := parseFrame(frame)
	if err != nil {
		return Record{}, 0, err
	}
	r, err := parseEvidence(payload)
	return r, int64(len(frame)), err
}

func (e *evidence) pin(file string, by int) {
	if file == "" {
		return
	}
	if e.pins[file] += by; e.pins[file] <= 0 {
		delete(e.pins, file)
	}
}

// queue takes a record into memory; flush moves it to disk.
func (e *evidence) queue(r Record) {
	frame := appendFrame(nil, appendEvidence(nil, r))
	e.entries = append(e.entries, &entry{id: e.nextID, file: r.File, size: int64(len(frame)), frame: frame})
	e.nextID++
	e.put++
	e.memoryBytes += int64(len(frame))
	e.pin(r.File, 1)
}

func (e *evidence) flush() error {
	if e.memoryBytes == 0 {
		return nil
	}
	for _, n := range e.entries {
		if n.frame == nil {
			continue
		}
		if err := durable.WriteFile(e.path(n.id), n.frame); err != nil {
			return err
		}
		n.frame = nil
		e.memoryBytes -= n.size
		e.diskBytes += n.size
	}
	return nil
}

func (e *evidence) inMemory() (n int) {
	for _, entry := range e.entries {
		if entry.frame != nil {
			n++
		}
	}
	return n
}

func (e *evidence) next() (uint64, Record, bool) {
	for i := 0; i < len(e.entries); i++ {
		n := e.entries[i]
		if n.out {
			continue
		}
		r, err := e.load(n)
		if spoilt(err) {
			e.corrupt++
			e.remove(i)
			i--
			continue
		} else if err != nil {
			continue // the disk may read it another time
		}
		n.out = true
		return n.id, r, true
	}
	return 0, Record{}, false
}

func (e *evidence) load(n *entry) (Record, error) {
	if n.frame != nil {
		return parseEvidence(n.frame[headBytes:])
	}
	r, _, err := e.read(n.id)
	return r, err
}

func (e *evidence) find(id uint64) int {
	return slices.IndexFunc(e.entries, func(n *entry) bool { return n.id == id })
}

func (e *evidence) record(id uint64) (Record, bool) {
	i := e.find(id)
	if i < 0 {
		return Record{}, false
	}
	r, err := e.load(e.entries[i])
	return r, err == nil
}

func (e *evidence) ack(id uint64) {
	if i := e.find(id); i >= 0 {
		e.acked++
		e.remove(i)
	}
}

// remove forgets a record. A file that cannot be removed is sent once more
// after a restart, which the hub takes as the resend that it is.
func (e *evidence) remove(i int) {
	n := e.entries[i]
	if n.frame != nil {
		e.memoryBytes -= n.size
	} else {
		e.diskBytes -= n.size
		_ = os.Remove(e.path(n.id))
	}
	e.pin(n.file, -1)
	e.entries = slices.Delete(e.entries, i, i+1)
}

// dropOldest gives up the oldest record, but never the only one.
func (e *evidence) dropOldest() bool {
	if len(e.entries) < 2 {
		return false
	}
	e.dropped++
	e.remove(0)
	return true
}

// dropMemory gives up the oldest record in memory, but never the only one.
func (e *evidence) dropMemory() bool {
	if e.inMemory() < 2 {
		return false
	}
	e.dropped++
	e.remove(slices.IndexFunc(e.entries, func(n *entry) bool { return n.frame != nil }))
	return true
}

func (e *evidence) requeue() {
	for _, n := range e.entries {
		n.out = false
	}
}

func (e *evidence) length() int { return len(e.entries) }
