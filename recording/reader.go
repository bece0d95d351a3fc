package recording

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zupee/memwatch"
)

// Caps on what a stranger's recording may make us read at once.
const (
	maxLineBytes    = 1 << 20
	maxProfileBytes = 64 << 20
)

// Event is one thing that happened while recording: a reading, a failed
// reading, or a profile. Exactly one of Sample, Err and Profile is set; a
// failed reading may have a Sample too, with what could be read without the
// target's help (its RSS).
type Event struct {
	Time   time.Time
	Sample *memwatch.Sample
	// Err is why the reading failed, in words.
	Err string
	// Profile is the profile as served, gzip-compressed; Kind says of what.
	Profile []byte
	Kind    memwatch.ProfileKind
}

// Reader reads one recording.
type Reader struct {
	dir      string
	meta     Meta
	profiles []profileFile
}

type profileFile struct {
	at   time.Time
	kind memwatch.ProfileKind
	path string
}

// Open looks at the recording in dir. It fails when dir holds no samples.jsonl.
func Open(dir string) (*Reader, error) {
	if _, err := os.Stat(filepath.Join(dir, samplesFile)); err != nil {
		return nil, fmt.Errorf("open recording %s: %w", dir, err)
	}
	meta, err := readMeta(dir)
	if err != nil {
		return nil, fmt.Errorf("open recording: %w", err)
	}
	r := &Reader{dir: dir, meta: meta}
	for _, kind := range []memwatch.ProfileKind{memwatch.HeapProfile, memwatch.GoroutineProfile, memwatch.GoroutineLeakProfile} {
		if err := r.list(kind); err != nil {
			return nil, fmt.Errorf("open recording %s: %w", dir, err)
		}
	}
	slices.SortStableFunc(r.profiles, func(a, b profileFile) int { return a.at.Compare(b.at) })
	return r, nil
}

// Meta is the recording's description.
func (r *Reader) Meta() Meta { return r.meta }

func (r *Reader) list(kind memwatch.ProfileKind) error {
	entries, err := os.ReadDir(filepath.Join(r.dir, string(kind)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		stamp, ok := strings.CutSuffix(e.Name(), profileSuffix)
		t, err := strconv.ParseFloat(stamp, 64)
		if !ok || err != nil || !(t > 0 && t < 1e11) {
			continue // not a profile: a file of the user's, or one half written
		}
		r.profiles = append(r.profiles, profileFile{fromSeconds(t), kind, filepath.Join(r.dir, string(kind), e.Name())})
	}
	return nil
}

// Events yields everything in time order. It ends at the first error; a last
// line without its end (the recorder was killed) is passed over silently.
func (r *Reader) Events() iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		rest := r.profiles
		// before yields the profiles older than t; the zero t means all.
		before := func(t time.Time) bool {
			for len(rest) > 0 && (t.IsZero() || rest[0].at.Before(t)) {
				e, err := rest[0].event()
				if !yield(e, err) || err != nil {
					return false
				}
				rest = rest[1:]
			}
			return true
		}
		for l, err := range r.lines() {
			if err != nil {
				yield(Event{}, err)
				return
			}
			e := Event{Time: fromSeconds(l.T), Err: l.Error}
			if l.Error == "" || l.RSSBytes != nil {
				e.Sample = l.sample()
			}
			if !before(e.Time) || !yield(e, nil) {
				return
			}
		}
		before(time.Time{})
	}
}

func (f profileFile) event() (Event, error) {
	info, err := os.Stat(f.path)
	if err != nil {
		return Event{}, fmt.Errorf("read recording: %w", err)
	}
	if info.Size() > maxProfileBytes {
		return Event{}, fmt.Errorf("read recording: %s has %d bytes, at most %d are read", f.path, info.Size(), maxProfileBytes)
	}
	b, err := os.ReadFile(f.path)
	if err != nil {
		return Event{}, fmt.Errorf("read recording: %w", err)
	}
	return Event{Time: f.at, Kind: f.kind, Profile: b}, nil
}

func (r *Reader) lines() iter.Seq2[line, error] {
	return func(yield func(line, error) bool) {
		path := filepath.Join(r.dir, samplesFile)
		f, err := os.Open(path)
		if err != nil {
			yield(line{}, fmt.Errorf("read recording: %w", err))
			return
		}
		defer func() { _ = f.Close() }()
		in := bufio.NewReaderSize(io.LimitReader(f, 1<<40), maxLineBytes)
		for n := 1; ; n++ {
			b, err := in.ReadSlice('\n')
			if errors.Is(err, io.EOF) {
				return // nothing left, or a line that was never finished
			}
			if err != nil {
				yield(line{}, fmt.Errorf("read recording %s line %d: %w", path, n, err))
				return
			}
			if b = bytes.TrimSpace(b); len(b) == 0 {
				continue
			}
			l, err := parseLine(b)
			if err != nil {
				yield(line{}, fmt.Errorf("read recording %s line %d: %w", path, n, err))
				return
			}
			if !yield(l, nil) {
				return
			}
		}
	}
}
