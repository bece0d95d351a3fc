package agent

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/detector"
	"github.com/zupee/memwatch/internal/durable"
)

// states keeps on disk what is known of each target, so that a restart of the
// agent does not cost what took a day to learn. A file a target, whole or not
// there. A nil one keeps nothing.
type states struct {
	dir  string
	lock *os.File
	log  *slog.Logger

	turn     sync.Mutex // one file at a time: that bounds the memory it takes
	late     bool       // the newest save came too late
	mu       sync.Mutex // of what follows; never held while the disk works
	patience time.Duration
	stats    stateStats
}

// stateStats counts since the start.
type stateStats struct{ saved, failed, restored, refused uint64 }

const (
	// stateEvery is how often what is known of a target is saved; also at each
	// change of its state and at the end.
	stateEvery = 5 * time.Minute
	// stateKept is how long that of a target that is watched no more is kept.
	stateKept = 7 * 24 * time.Hour
	// clockSlack is how far in the future a state may have been saved.
	clockSlack  = time.Minute
	stateSuffix = ".state"
	// minPatience is how long a save may wait for its turn where the grace is short.
	minPatience = time.Second
	// maxStateBytes bounds a file, unpacked: the detector's part and a history.
	maxStateBytes = detector.MaxSnapshotBytes + 16<<20
)

// stateHead is the first line of a file; the detector's snapshot follows.
type stateHead struct {
	Version  int                `json:"version"`
	Service  string             `json:"service"`
	Instance string             `json:"instance"`
	URL      string             `json:"url"`
	SavedAt  memwatch.UnixMilli `json:"savedAt"`
	Stride   int                `json:"stride"`
	History  []memwatch.Sample  `json:"history"`
}

const stateVersion = 1

// openStates makes the folder, which belongs to this agent alone, and removes
// what has been of no use for long.
func openStates(dir string, log *slog.Logger) (*states, error) {
	if dir == "" {
		return nil, nil
	}
	if err := durable.MkdirAll(dir); err != nil {
		return nil, fmt.Errorf("open states: %w: set stateDir to a folder that can be written to, or to \"\"", err)
	}
	lock, err := durable.Lock(dir)
	if err != nil {
		return nil, fmt.Errorf("open states: %w: give each agent its own stateDir", err)
	}
	s := &states{dir: dir, lock: lock, log: log, patience: minPatience}
	if err := durable.Clean(dir); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("open states: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("open states: %w", err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && strings.HasSuffix(e.Name(), stateSuffix) && time.Since(info.ModTime()) > stateKept {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
	return s, nil
}

func (s *states) close() error { return s.lock.Close() }

// path is a target's file: its name for people, and a hash that tells names
// apart that look the same as files.
func (s *states) path(t memwatch.Target) string {
	h := fnv.New64a()
	_, _ = io.WriteString(h, t.Service+"\x00"+t.Instance)
	name := fileName(t.Service + "_" + t.Instance)
	return filepath.Join(s.dir, fmt.Sprintf("%s_%016x%s", name[:min(len(name), 100)], h.Sum64(), stateSuffix))
}

// bound has the saves at the end, when all targets wait for their turn, take no
// more than half of the grace: the other half is the hub's.
func (s *states) bound(grace time.Duration) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.patience = max(grace/2, minPatience)
}

// Reasons not to save. errLate says that the turn of a save came too late;
// states has logged it. errBusy says that the disk is at work for another target.
var (
	errLate = errors.New("the disk is too slow")
	errBusy = errors.New("another state is being saved")
)

// save writes what is known of a target. Unless it is the last chance it does
// not wait for its turn: a slow disk must not hold up the readings of all targets.
func (s *states) save(t memwatch.Target, url string, det *detector.Detector, h *history, now time.Time, last bool) error {
	if s == nil {
		return nil
	}
	asked := time.Now()
	if !s.turn.TryLock() {
		if !last {
			return errBusy
		}
		s.turn.Lock()
	}
	defer s.turn.Unlock()
	s.mu.Lock()
	patience := s.patience
	s.mu.Unlock()
	was := s.late
	if s.late = time.Since(asked) > patience; s.late {
		s.count(&s.stats.failed)
		if !was {
			s.log.Warn("what is known of the targets takes long to save: the rest stays as it was last saved", "waited", patience)
		}
		return errLate
	}
	err := s.write(stateHead{
		Version: stateVersion, Service: t.Service, Instance: t.Instance, URL: url,
		SavedAt: memwatch.Milli(now), Stride: h.stride, History: h.kept,
	}, s.path(t), det)
	if err != nil {
		s.count(&s.stats.failed)
		return fmt.Errorf("save what is known: %w", err)
	}
	s.count(&s.stats.saved)
	return nil
}

func (s *states) count(n *uint64) {
	s.mu.Lock()
	*n++
	s.mu.Unlock()
}

func (s *states) write(head stateHead, path string, det *detector.Detector) error {
	snapshot, err := det.Snapshot()
	if err != nil {
		return err
	}
	line, err := json.Marshal(head)
	if err != nil {
		return fmt.Errorf("encode history: %w", err)
	}
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		return err
	}
	for _, part := range [][]byte{line, []byte("\n"), snapshot} {
		if _, err := z.Write(part); err != nil {
			return fmt.Errorf("compress: %w", err)
		}
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	return durable.WriteFile(path, out.Bytes())
}

// errState says that a state is whole, and still of no use.
var errState = errors.New("does not fit")

// restore gives back what was known of a target, nil when there is nothing.
// What cannot be used is said: the target is learnt anew.
func (s *states) restore(t memwatch.Target, url string, cfg detector.Config, h *history, now time.Time) *detector.Detector {
	if s == nil {
		return nil
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	path := s.path(t)
	det, err := s.read(path, t, url, cfg, h, now)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		s.count(&s.stats.refused)
		s.log.Warn("what was known of a target cannot be used: it is learnt anew",
			"service", t.Service, "instance", t.Instance, "file", path, "error", err)
		return nil
	}
	s.count(&s.stats.restored)
	return det
}

func (s *states) read(path string, t memwatch.Target, url string, cfg detector.Config, h *history, now time.Time) (*detector.Detector, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	plain, err := io.ReadAll(io.LimitReader(z, maxStateBytes))
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	line, snapshot, _ := bytes.Cut(plain, []byte("\n"))
	var head stateHead
	if err := json.Unmarshal(line, &head); err != nil {
		return nil, fmt.Errorf("head: %w", err)
	}
	saved := head.SavedAt.Time()
	switch {
	case head.Version != stateVersion:
		return nil, fmt.Errorf("%w: version %d, want %d", errState, head.Version, stateVersion)
	case head.Service != t.Service || head.Instance != t.Instance:
		return nil, fmt.Errorf("%w: it is of service %q, instance %q", errState, head.Service, head.Instance)
	case head.URL != url:
		return nil, fmt.Errorf("%w: it is of the target at %s", errState, head.URL)
	case saved.Sub(now) > clockSlack:
		return nil, fmt.Errorf("%w: saved at %s, which is yet to come: was the clock set back?", errState, saved.UTC().Format(time.RFC3339))
	}
	det, err := detector.Restore(cfg, snapshot, now)
	if err != nil {
		return nil, err
	}
	h.restore(head.History, head.Stride)
	s.log.Info("goes on with what was known of the target", "service", t.Service, "instance", t.Instance,
		"state", string(det.State()), "saved_ago", now.Sub(saved).Round(time.Second))
	return det, nil
}

func (s *states) fill(n numbers) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n.counter("memwatch_states_saved_total", "", s.stats.saved)
	n.counter("memwatch_states_failed_total", "", s.stats.failed)
	n.counter("memwatch_states_restored_total", "", s.stats.restored)
	n.counter("memwatch_states_refused_total", "", s.stats.refused)
}
