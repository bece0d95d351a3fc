package recording

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/zupee/memwatch"
)

const (
	samplesFile   = "samples.jsonl"
	profileSuffix = ".pb.gz"
)

// Writer appends to one recording. Each line and each profile is complete on
// its own, so that whatever was written before a crash can be read. A Writer
// is not safe for concurrent use.
type Writer struct {
	dir     string
	meta    Meta
	samples *os.File
	first   time.Time
	last    time.Time
}

// Create starts a recording in dir, which is made if it does not exist. A
// recording that is there already is refused: two runs are two recordings.
func Create(dir string, meta Meta) (*Writer, error) {
	if meta.Name == "" {
		meta.Name = filepath.Base(dir)
	}
	for _, kind := range []memwatch.ProfileKind{memwatch.HeapProfile, memwatch.GoroutineProfile} {
		if err := os.MkdirAll(filepath.Join(dir, string(kind)), 0o755); err != nil {
			return nil, fmt.Errorf("create recording: %w", err)
		}
	}
	f, err := os.OpenFile(filepath.Join(dir, samplesFile), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("create recording: %w; choose a folder without one", err)
	}
	w := &Writer{dir: dir, meta: meta, samples: f}
	if err := writeMeta(dir, meta); err != nil {
		return nil, fmt.Errorf("create recording: %w", errors.Join(err, f.Close()))
	}
	return w, nil
}

// WriteSample appends one reading. scrapeErr is why the reading failed, "" if
// it did not; a failed reading may still carry what was read by other means.
func (w *Writer) WriteSample(s *memwatch.Sample, scrapeErr string) error {
	b, err := json.Marshal(lineOf(s, scrapeErr))
	if err != nil {
		return fmt.Errorf("write recording: %w", err)
	}
	// One write a line: the kernel has it whole or not at all when we die.
	if _, err := w.samples.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("write recording: %w", err)
	}
	if w.first.IsZero() {
		w.first = s.Time
	}
	w.last = s.Time
	return nil
}

// WriteProfile stores a profile's raw bytes, as served at the given time.
func (w *Writer) WriteProfile(kind memwatch.ProfileKind, at time.Time, raw []byte) error {
	dir := filepath.Join(w.dir, string(kind))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write recording: %w", err)
	}
	path := filepath.Join(dir, strconv.FormatFloat(seconds(at), 'f', 3, 64)+profileSuffix)
	// Written aside and renamed: a reader never meets half a profile.
	if err := os.WriteFile(path+".part", raw, 0o644); err != nil {
		return fmt.Errorf("write recording: %w", err)
	}
	if err := os.Rename(path+".part", path); err != nil {
		return fmt.Errorf("write recording: %w", err)
	}
	return nil
}

// Close completes meta.json with the duration and closes the recording.
func (w *Writer) Close() error {
	w.meta.DurationSeconds = w.last.Sub(w.first).Seconds()
	err := writeMeta(w.dir, w.meta)
	if e := w.samples.Close(); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("close recording: %w", err)
	}
	return nil
}
