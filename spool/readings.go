package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/zupee/memwatch/internal/durable"
)

// readings is a log in segments, each a file of frames. A record's id is its
// place in the log; a segment's name is the id of its first record. Records
// below base are done, and done holds those that are done above it. A segment
// goes when all of it is done; until then only the cursor file, 12 bytes
// written in place, remembers base. A lost cursor means that records are sent
// again, which changes nothing at the hub.
type readings struct {
	dir          string
	segmentBytes int64
	segments     []*segment // oldest first, no overlaps; gaps where records were lost
	out          *os.File   // the last segment, nil when the next record begins a new one
	cursor       *os.File
	memory       []waiting // the newest records, which are not on disk
	read         reader

	base, pos, end uint64 // first not done, next to hand out, next to be put
	done           map[uint64]bool
	pending        int

	dirty      bool // something waits that was written since the last sync
	dirtySince time.Time

	diskBytes, memoryBytes       int64
	put, acked, dropped, corrupt uint64
}

type segment struct {
	first, count uint64
	size         int64 // of its whole frames
}

func (s *segment) end() uint64 { return s.first + s.count }

type waiting struct {
	id    uint64
	frame []byte
}

const segmentSuffix = ".log"

func (r *readings) path(first uint64) string {
	return filepath.Join(r.dir, fileName(first, segmentSuffix))
}

// queue takes a record into memory; flush moves it to disk.
func (r *readings) queue(body []byte) {
	frame := appendFrame(make([]byte, 0, headBytes+len(body)), body)
	r.memory = append(r.memory, waiting{r.end, frame})
	r.memoryBytes += int64(len(frame))
	r.end++
	r.put++
	r.pending++
}

func (r *readings) flush() error {
	for len(r.memory) > 0 {
		w := r.memory[0]
		if err := r.write(w); err != nil {
			return err
		}
		r.memory = r.memory[1:]
		r.memoryBytes -= int64(len(w.frame))
	}
	r.memory = nil
	return nil
}

// write appends a frame. After a failure the segment takes no more: what was
// written of the frame is a torn tail, which readers pass over.
func (r *readings) write(w waiting) error {
	if r.out != nil {
		last := r.segments[len(r.segments)-1]
		if last.end() != w.id || last.size+int64(len(w.frame)) > r.segmentBytes {
			if err := r.seal(); err != nil {
				return err
			}
		}
	}
	if r.out == nil {
		f, err := os.OpenFile(r.path(w.id), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("new segment: %w", err)
		}
		r.out = f
		r.segments = append(r.segments, &segment{first: w.id})
	}
	last := r.segments[len(r.segments)-1]
	if _, err := r.out.Write(w.frame); err != nil {
		_ = r.out.Close()
		r.out = nil
		if last.count == 0 {
			r.segments = r.segments[:len(r.segments)-1]
			_ = os.Remove(r.path(last.first))
		}
		return fmt.Errorf("append: %w", err)
	}
	last.count++
	last.size += int64(len(w.frame))
	r.diskBytes += int64(len(w.frame))
	if !r.dirty {
		r.dirty, r.dirtySince = true, time.Now()
	}
	return nil
}

// seal ends the segment that is written to.
func (r *readings) seal() error {
	if r.out == nil {
		return nil
	}
	err := r.sync()
	_ = r.out.Close()
	r.out = nil
	r.compact()
	return err
}

// sync makes what waits durable.
func (r *readings) sync() error {
	if r.out == nil || !r.dirty {
		return nil
	}
	r.dirty = false
	if err := r.out.Sync(); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	return durable.SyncDir(r.dir)
}

func (r *readings) next() (uint64, Record, bool) {
	for {
		id := r.existing(r.pos)
		if id >= r.end {
			return 0, Record{}, false
		}
		r.pos = id + 1
		if r.done[id] {
			continue
		}
		body, err := r.body(id)
		if spoilt(err) {
			r.corrupt++
			r.finish(id)
			continue
		} else if err != nil {
			r.pos = id // the disk may read it another time
			return 0, Record{}, false
		}
		return id, Record{Class: Reading, Body: body}, true
	}
}

// spoilt tells a record that is lost from one that cannot be read just now, as
// when the process has no more files to open.
func spoilt(err error) bool {
	return errors.Is(err, errCorrupt) || errors.Is(err, io.EOF) || errors.Is(err, fs.ErrNotExist)
}

// existing is the first id, from id on, that was not lost; end when there is none.
func (r *readings) existing(id uint64) uint64 {
	for _, s := range r.segments {
		if id < s.end() {
			return max(id, s.first)
		}
	}
	if len(r.memory) > 0 {
		return max(id, r.memory[0].id)
	}
	return r.end
}

func (r *readings) body(id uint64) ([]byte, error) {
	for _, s := range r.segments {
		if id >= s.first && id < s.end() {
			return r.read.body(r.path(s.first), s, id)
		}
	}
	for _, w := range r.memory {
		if w.id == id {
			return w.frame[headBytes:], nil
		}
	}
	return nil, errCorrupt
}

func (r *readings) record(id uint64) (Record, bool) {
	body, err := r.body(id)
	return Record{Class: Reading, Body: body}, err == nil
}

func (r *readings) ack(id uint64) {
	if id < r.base || id >= r.pos || r.done[id] {
		return
	}
	r.acked++
	r.finish(id)
}

// finish marks a record done and moves base over all that are.
func (r *readings) finish(id uint64) {
	r.done[id] = true
	r.pending--
	r.advance()
}

func (r *readings) advance() {
	from := r.base
	for {
		r.base = r.existing(r.base)
		if !r.done[r.base] {
			break
		}
		delete(r.done, r.base)
		r.base++
	}
	if r.base == from {
		return
	}
	r.pos = max(r.pos, r.base)
	if r.pending == 0 {
		r.dirty = false // nothing waits: nothing that a power cut could cost
	}
	r.compact()
	_ = writeCursor(r.cursor, r.base) // a failure costs a resend
}

// compact removes segments that are done, save the one that is written to.
func (r *readings) compact() {
	for len(r.segments) > 0 {
		s := r.segments[0]
		if s.end() > r.base || (r.out != nil && len(r.segments) == 1) {
			return
		}
		r.removeOldest()
	}
}

func (r *readings) removeOldest() {
	s := r.segments[0]
	r.segments = r.segments[1:]
	r.diskBytes -= s.size
	r.read.forget(s)
	_ = os.Remove(r.path(s.first))
}

// dropSegment gives up the oldest segment.
func (r *readings) dropSegment() bool {
	if len(r.segments) == 0 {
		return false
	}
	if len(r.segments) == 1 && r.out != nil {
		_ = r.out.Close()
		r.out = nil
	}
	s := r.segments[0]
	r.lose(max(r.base, s.first), s.end())
	r.removeOldest()
	r.advance()
	return true
}

// dropMemory gives up the oldest record in memory, but never the newest record.
func (r *readings) dropMemory() bool {
	if len(r.memory) < 2 {
		return false
	}
	w := r.memory[0]
	r.memory = r.memory[1:]
	r.memoryBytes -= int64(len(w.frame))
	r.lose(w.id, w.id+1)
	r.advance()
	return true
}

// lose counts what is given up of the ids from first to end.
func (r *readings) lose(first, end uint64) {
	for id := first; id < end; id++ {
		if r.done[id] {
			delete(r.done, id)
			continue
		}
		r.dropped++
		r.pending--
	}
}

func (r *readings) requeue() { r.pos = r.base }

func (r *readings) length() int { return r.pending }

func (r *readings) close() error {
	err := r.seal()
	r.read.forget(nil)
	if cerr := r.cursor.Close(); err == nil && cerr != nil {
		err = cerr
	}
	return err
}
