package capture

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/internal/durable"
)

// Errors of Save that callers may want to tell apart.
var (
	// ErrNotDue says that the target's last bundle of this role is too young.
	ErrNotDue = errors.New("not due")
	// ErrBudget says that everything on disk is worth more than what was to be saved.
	ErrBudget = errors.New("disk budget is used up by evidence that must stay: raise capture.maxBytes")
)

// Profile is one profile as the target served it.
type Profile struct {
	Kind memwatch.ProfileKind
	// Time is when it was read.
	Time time.Time
	// Data is gzip-compressed protobuf; plain protobuf and the text formats of
	// gperftools and jemalloc are converted.
	Data []byte
}

// Evidence is what Save makes a bundle of.
type Evidence struct {
	Target memwatch.Target
	// Role is baseline, suspect, leaking or lastgasp.
	Role memwatch.Role
	// Time is when it happened.
	Time time.Time
	// Life is when the process started, zero when unknown. It tells the lives of
	// a target apart.
	Life     time.Time
	Profiles []Profile
	// Verdict and Readings lead to it; nil for none.
	Verdict  *memwatch.Verdict
	Readings []memwatch.Sample
	// Build is what is known of the program: version, commit, Go version.
	Build map[string]string
}

// Stats is how the store is doing. Counters count since Open.
type Stats struct {
	Bundles         int
	Bytes, MaxBytes int64
	// Open counts the bundles of leaks that are not resolved.
	Open int
	// Saved and Removed count bundles; Refused counts profiles that were not
	// whole; Failed counts bundles that could not be written.
	Saved, Removed, Refused, Failed uint64
	// LastError is the newest reason of Refused or Failed, "" if there was none.
	LastError string
}

// Store is the bundles in one folder. Its methods may be called from any
// goroutine.
type Store struct {
	cfg    Config
	pinned func(path string) bool
	log    *slog.Logger
	lock   *os.File

	mu      sync.Mutex
	targets map[string][]*Bundle // by service and instance; oldest first
	stats   Stats
	lastErr error
}

// Open finds what is in cfg.Dir already. Pinned tells whether a file must stay
// because the hub does not have it yet; nil stands for never. It is called
// while the store is locked and must not call back.
func Open(cfg Config, pinned func(path string) bool, log *slog.Logger) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("open captures: %w", err)
	}
	cfg.Dir = dir
	if err := durable.MkdirAll(dir); err != nil {
		return nil, fmt.Errorf("open captures: %w: set snapshotPath to a folder that can be written to", err)
	}
	lock, err := durable.Lock(dir)
	if err != nil {
		return nil, fmt.Errorf("open captures: %w: give each agent its own snapshotPath", err)
	}
	if pinned == nil {
		pinned = func(string) bool { return false }
	}
	s := &Store{cfg: cfg, pinned: pinned, log: log, lock: lock, targets: map[string][]*Bundle{}}
	if err := s.load(); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("open captures: %w", err)
	}
	s.shrink(0, nil)
	return s, nil
}

// Close lets another process have the folder.
func (s *Store) Close() error { return s.lock.Close() }

func key(t memwatch.Target) string { return t.Service + "\x00" + t.Instance }

func (s *Store) insert(b *Bundle) {
	k := key(b.Target)
	list := append(s.targets[k], b)
	slices.SortStableFunc(list, func(a, b *Bundle) int {
		if c := a.Time.Compare(b.Time); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	s.targets[k] = list
	s.stats.Bundles++
	s.stats.Bytes += b.size
}

// Due reports whether it is time for another bundle of this role, so that
// nothing is fetched in vain: a baseline for each life and each BaselineEvery,
// other roles each Cooldown. While the disk is at work for another target no
// baseline is due: it can wait, and so need nobody's readings.
func (s *Store) Due(t memwatch.Target, role memwatch.Role, life, now time.Time) bool {
	if !s.mu.TryLock() {
		if role == memwatch.RoleBaseline {
			return false
		}
		s.mu.Lock()
	}
	defer s.mu.Unlock()
	return s.due(t, role, life, now)
}

func (s *Store) due(t memwatch.Target, role memwatch.Role, life, now time.Time) bool {
	for _, b := range s.targets[key(t)] {
		if b.Role != role || b.Time.After(now) { // a clock that jumped back holds nothing up
			continue
		}
		age := now.Sub(b.Time)
		if role == memwatch.RoleBaseline && sameLife(b.Life, life) && age < s.cfg.BaselineEvery {
			return false
		}
		if role != memwatch.RoleBaseline && age < s.cfg.Cooldown {
			return false
		}
	}
	return true
}

// sameLife allows for a start time that is computed anew at each reading.
func sameLife(a, b time.Time) bool {
	return a.IsZero() || b.IsZero() || a.Sub(b).Abs() < 5*time.Second
}

// Save makes a bundle, durable when it returns, and gives back its captures
// for the hub: those to compare with first. A profile that is not whole is left
// out, counted and logged; a leak's bundle is made even without one.
// ErrNotDue, ErrProfile and ErrBudget are wrapped.
func (s *Store) Save(e Evidence) (*Bundle, error) {
	profiles, err := s.check(e)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && !s.due(e.Target, e.Role, e.Life, e.Time) {
		return nil, fmt.Errorf("save %s of %s: %w", e.Role, e.Target.Service, ErrNotDue)
	}
	var b *Bundle
	if err == nil {
		b, err = s.save(e, profiles)
	}
	if err != nil {
		s.stats.Failed++
		s.lastErr = err
		return nil, fmt.Errorf("save %s of %s: %w", e.Role, e.Target.Service, err)
	}
	s.stats.Saved++
	s.insert(b)
	_ = s.sayResolved(e.Target) // what failed at Resolve, which said so
	s.trim(key(e.Target))
	return b, nil
}

// check returns the profiles that are whole.
func (s *Store) check(e Evidence) ([]Profile, error) {
	switch e.Role {
	case memwatch.RoleBaseline, memwatch.RoleSuspect, memwatch.RoleLeaking, memwatch.RoleLastGasp:
	default:
		return nil, fmt.Errorf("role %q: want baseline, suspect, leaking or lastgasp", e.Role)
	}
	var good []Profile
	var last error
	for _, p := range e.Profiles {
		data, err := normalize(p.Data, s.cfg.MaxProfileBytes)
		if err != nil {
			last = fmt.Errorf("%s profile: %w", p.Kind, err)
			s.refuse(e.Target, last)
			continue
		}
		p.Data = data
		good = append(good, p)
	}
	if len(good) > 0 || (e.Role.Incident() && e.Verdict != nil) {
		return good, nil
	}
	if last == nil {
		last = fmt.Errorf("%w: none given", ErrProfile)
	}
	return nil, last
}

func (s *Store) refuse(t memwatch.Target, err error) {
	s.mu.Lock()
	s.stats.Refused++
	s.lastErr = err
	s.mu.Unlock()
	s.log.Warn("profile left out of the evidence", "service", t.Service, "instance", t.Instance, "error", err)
}

func (s *Store) save(e Evidence, profiles []Profile) (*Bundle, error) {
	id, err := newID()
	if err != nil {
		return nil, err
	}
	parent := filepath.Join(s.cfg.Dir, safe(e.Target.Service), safe(e.Target.Instance))
	d := &draft{Evidence: e, bundle: &Bundle{
		ID: id, Dir: filepath.Join(parent, fmt.Sprintf("%s_%s_%s", stamp(e.Time), e.Role, id[len(id)-8:])),
		Target: e.Target, Role: e.Role, Time: memwatch.Milli(e.Time).Time(), Life: memwatch.Milli(e.Life).Time(),
	}}
	bases := map[memwatch.ProfileKind]string{}
	if e.Role != memwatch.RoleBaseline {
		s.compare(d, profiles, bases)
	}
	for _, p := range profiles {
		if err := d.add(p, p.Data, bases[p.Kind]); err != nil {
			return nil, err
		}
	}
	if err := s.write(d, parent); err != nil {
		return nil, err
	}
	return d.bundle, d.bundle.measure()
}

// write puts the bundle in its place; what is worth least gives way for the
// budget, and while the disk is full.
func (s *Store) write(d *draft, parent string) error {
	keep := map[string]bool{}
	for _, l := range d.linked {
		keep[filepath.Dir(l.Path)] = true
	}
	if !s.shrink(d.weight(), keep) {
		return ErrBudget
	}
	for {
		err := durable.MkdirAll(parent)
		if err == nil {
			err = durable.WriteDir(d.bundle.Dir, d.fill)
		}
		if err == nil || !durable.IsFull(err) {
			return err
		}
		victim := s.victim(keep)
		if victim == nil {
			return fmt.Errorf("%w: free space on its disk", err)
		}
		s.remove(victim)
	}
}

// Resolve marks a target's leaks as over: their evidence may give way to newer.
// It is to be called too when a target is watched no more. An error says that
// the disk does not know it yet: it is told again with the target's next Save.
func (s *Store) Resolve(t memwatch.Target, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.targets[key(t)] {
		if b.open() {
			b.Resolved, b.unsaid = memwatch.Milli(at).Time(), true
		}
	}
	if err := s.sayResolved(t); err != nil {
		return fmt.Errorf("resolve %s: %w", t.Service, err)
	}
	return nil
}

func (s *Store) sayResolved(t memwatch.Target) (err error) {
	for _, b := range s.targets[key(t)] {
		if b.unsaid {
			err = errors.Join(err, b.sayResolved())
		}
	}
	if err != nil {
		s.lastErr = err
	}
	return err
}

// Unresolved are the targets that have evidence of an open leak, those of
// earlier runs included.
func (s *Store) Unresolved() []memwatch.Target {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []memwatch.Target
	for _, k := range slices.Sorted(maps.Keys(s.targets)) {
		if i := slices.IndexFunc(s.targets[k], (*Bundle).open); i >= 0 {
			out = append(out, s.targets[k][i].Target)
		}
	}
	return out
}

// Bundles are a target's, oldest first.
func (s *Store) Bundles(t memwatch.Target) []Bundle {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Bundle, 0, len(s.targets[key(t)]))
	for _, b := range s.targets[key(t)] {
		out = append(out, *b)
	}
	return out
}

// Stats returns the present numbers.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.MaxBytes = s.cfg.MaxBytes
	for _, list := range s.targets {
		for _, b := range list {
			if b.open() {
				st.Open++
			}
		}
	}
	if s.lastErr != nil {
		st.LastError = s.lastErr.Error()
	}
	return st
}
