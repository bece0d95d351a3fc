// Package spool keeps what the hub has not confirmed yet: a bounded queue on
// disk that survives kill -9, power cuts and full disks.
//
// Records come in whose bytes it does not look into, and go out again oldest
// first until they are acknowledged; several may be out at once. There are two
// classes with a queue each. Evidence is rare and precious: durable when Put
// returns. Readings are many and each matters little: they are appended to a
// log that is synced now and then, and the oldest give way when room is short.
// A saved profile's bytes are never copied in here: the record names its file,
// which counts as pinned (see Pinned) until the record is done.
//
// When the disk takes nothing more, records wait in a small bounded memory
// and go to disk as soon as it does again. Everything lost is counted.
package spool

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/zupee/memwatch/internal/durable"
)

// Class says how much a record matters.
type Class string

// The classes of record.
const (
	Reading  Class = "reading"
	Evidence Class = "evidence"
)

// Record is what is kept.
type Record struct {
	Class Class
	// Body is the message, at least one byte, at most MaxRecordBytes.
	Body []byte
	// File is the absolute path of a file whose bytes belong to the message, ""
	// for none; evidence alone may have one.
	File string
}

// MaxRecordBytes bounds the body of one record.
const MaxRecordBytes = 1 << 20

// Errors that callers may want to tell apart.
var (
	// ErrInMemory says that a record was taken but is not on disk, because the
	// disk refuses writes. The spool has said so in its log, once.
	ErrInMemory = errors.New("kept in memory only: it is lost if the agent ends now")
	// ErrTooLarge says that a record was refused for its size.
	ErrTooLarge = errors.New("record too large")
	// ErrClosed says that the spool was closed.
	ErrClosed = errors.New("spool closed")
)

// Spool is the two queues over one folder. All methods may be called from any
// goroutine.
type Spool struct {
	cfg  Config
	log  *slog.Logger
	lock *os.File

	mu       sync.Mutex
	readings *readings
	evidence *evidence
	rejected *rejected
	wake     chan struct{} // closed and replaced when there is something new
	closed   bool
	degraded bool // the last write failed
	lastErr  error

	syncFailed bool
	// rejectFailed says that the newest rejected record could not be kept.
	rejectFailed bool
}

// Open opens the spool in cfg.Dir, or makes a new one. What a crash cut off is
// passed over, counted, and said in the log. A folder that another process
// uses is refused.
func Open(cfg Config, log *slog.Logger) (*Spool, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := durable.MkdirAll(cfg.Dir); err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	lock, err := durable.Lock(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("open spool: %w: give each agent its own spool.dir", err)
	}
	s := &Spool{cfg: cfg, log: log, lock: lock, wake: make(chan struct{})}
	if err := s.load(); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("open spool %s: %w", cfg.Dir, err)
	}
	if n, m := s.readings.pending, len(s.evidence.entries); n+m > 0 {
		log.Info("spool has records from before", "readings", n, "evidence", m)
	}
	if n := s.readings.corrupt + s.evidence.corrupt; n > 0 {
		log.Warn("spool passed over what a crash cut off or the disk spoilt", "places", n)
	}
	return s, nil
}

func (s *Spool) load() (err error) {
	sub := func(name string) string {
		dir := filepath.Join(s.cfg.Dir, name)
		if err == nil {
			err = durable.MkdirAll(dir)
		}
		if err == nil {
			err = durable.Clean(dir)
		}
		return dir
	}
	readingsDir, evidenceDir, rejectedDir := sub("readings"), sub("evidence"), sub("rejected")
	if err != nil {
		return err
	}
	if s.evidence, err = loadEvidence(evidenceDir); err != nil {
		return err
	}
	if s.rejected, err = loadRejected(rejectedDir, s.cfg.MaxRejected); err != nil {
		return err
	}
	s.readings, err = loadReadings(readingsDir, min(max(s.cfg.MaxBytes/16, 64<<10), 4<<20))
	return err
}

// Put adds a record. Evidence is durable when it returns nil; a reading is
// safe from the end of the process. ErrInMemory is wrapped when the disk
// refused it; it is queued all the same.
func (s *Spool) Put(r Record) error {
	if len(r.Body) == 0 || len(r.Body) > MaxRecordBytes {
		return fmt.Errorf("spool %s of %d bytes: %w: want 1 to %d", r.Class, len(r.Body), ErrTooLarge, MaxRecordBytes)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	var err error
	switch {
	case r.Class == Evidence:
		err = s.putEvidence(r)
	case r.Class == Reading && r.File == "":
		err = s.putReading(r.Body)
	default:
		return fmt.Errorf("spool a record of class %q with file %q: want a reading without a file, or evidence", r.Class, r.File)
	}
	close(s.wake)
	s.wake = make(chan struct{})
	s.note(err)
	if err != nil {
		return fmt.Errorf("spool %s: %w: %w", r.Class, ErrInMemory, err)
	}
	return nil
}

func (s *Spool) putReading(body []byte) error {
	s.readings.queue(body)
	for s.bytes() > s.cfg.MaxBytes && (s.readings.dropSegment() || s.readings.dropMemory()) {
	}
	err := s.settle()
	if err == nil {
		s.syncReadings()
	}
	return err
}

func (s *Spool) putEvidence(r Record) error {
	s.evidence.queue(r)
	for s.bytes() > s.cfg.MaxBytes && (s.readings.dropSegment() || s.readings.dropMemory() || s.evidence.dropOldest()) {
	}
	return s.settle()
}

// settle moves what is in memory to disk, evidence first, for which the oldest
// readings on disk give way. What the disk does not take stays in memory as far
// as there is room.
func (s *Spool) settle() error {
	err := s.evidence.flush()
	for durable.IsFull(err) && s.readings.dropSegment() {
		err = s.evidence.flush()
	}
	if err == nil {
		err = s.readings.flush()
	}
	for err != nil && s.memoryBytes() > s.cfg.MaxMemoryBytes {
		if durable.IsFull(err) && s.readings.dropSegment() {
			err = errors.Join(s.evidence.flush(), s.readings.flush())
			continue
		}
		if !s.readings.dropMemory() && !s.evidence.dropMemory() {
			break
		}
	}
	return err
}

// syncReadings bounds what a power cut costs. When the hub confirms faster than
// SyncEvery, there is never anything to sync.
func (s *Spool) syncReadings() {
	if !s.readings.dirty || time.Since(s.readings.dirtySince) < s.cfg.SyncEvery {
		return
	}
	err := s.readings.sync()
	if err != nil {
		s.lastErr = err
	}
	if failed := err != nil; failed != s.syncFailed {
		s.syncFailed = failed
		if failed {
			s.log.Error("spool cannot sync; a power cut may cost more readings than syncEvery", "dir", s.cfg.Dir, "error", err)
		} else {
			s.log.Info("spool syncs again", "dir", s.cfg.Dir)
		}
	}
}

// note says once when the disk stops taking records, and once when it is back.
func (s *Spool) note(err error) {
	if err != nil {
		s.lastErr = err
	}
	switch {
	case err != nil && !s.degraded:
		s.degraded = true
		s.log.Error("spool cannot write; new records wait in memory: free space on its disk or check its mode",
			"dir", s.cfg.Dir, "error", err, "memory_bytes", s.cfg.MaxMemoryBytes)
	case err == nil && s.degraded && s.memoryBytes() == 0:
		s.degraded = false
		s.log.Info("spool writes again", "dir", s.cfg.Dir, "readings_dropped", s.readings.dropped, "evidence_dropped", s.evidence.dropped)
	}
}

// noteRejected says once when rejected records cannot be kept.
func (s *Spool) noteRejected(err error) {
	if err != nil {
		s.lastErr = err
		if !s.rejectFailed {
			s.log.Error("spool cannot keep a record that the hub rejected: it is lost", "dir", s.cfg.Dir, "error", err)
		}
	}
	s.rejectFailed = err != nil
}

func (s *Spool) diskBytes() int64   { return s.readings.diskBytes + s.evidence.diskBytes }
func (s *Spool) memoryBytes() int64 { return s.readings.memoryBytes + s.evidence.memoryBytes }
func (s *Spool) bytes() int64       { return s.diskBytes() + s.memoryBytes() }

// Pinned reports whether a record still waits whose bytes are in this file.
func (s *Spool) Pinned(file string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.evidence.pins[file] > 0
}

// Close makes everything durable that is in memory and ends every Next.
func (s *Spool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	close(s.wake)
	err := s.settle()
	if n := len(s.readings.memory) + s.evidence.inMemory(); n > 0 {
		s.log.Error("spool closed with records that the disk did not take: they are lost", "records", n, "error", err)
	}
	err = errors.Join(err, s.readings.close(), s.lock.Close())
	if err != nil {
		return fmt.Errorf("close spool: %w", err)
	}
	return nil
}
