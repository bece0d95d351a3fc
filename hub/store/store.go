package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // registers the driver

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/store/chunk"
)

// Errors that callers branch on.
var (
	// ErrNotFound: there is nothing under this name or id.
	ErrNotFound = errors.New("not found")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("store is closed")
	// ErrFull: the disk, or Config.MaxBytes, is used up. Reading and Prune still work.
	ErrFull = errors.New("database is full: free disk space or shorten the retention")
	// ErrNewer: the database was written by a newer hub.
	ErrNewer = errors.New("database is newer than this program")
	// ErrCorrupt: the database is damaged, or is none.
	ErrCorrupt = errors.New("database is damaged")
	// ErrLocked: another process has the database open.
	ErrLocked = errors.New("database is in use by another process")
)

// Config says where the database lies and how long things are kept. Zero values
// mean the defaults.
type Config struct {
	// Path is the database file. Its folder is made if need be.
	Path string
	// KeepReadings is how long readings are kept as they came in; 48 h. After that
	// two of each minute are, for KeepMinutes since they came; 14 days. Then two of
	// each ten minutes, for KeepTenMinutes; 180 days.
	KeepReadings, KeepMinutes, KeepTenMinutes time.Duration
	// KeepAlerts is how long alerts are kept after they resolved; 180 days.
	KeepAlerts time.Duration
	// KeepCaptures is how long captures are kept that no open alert needs; 30 days.
	KeepCaptures time.Duration
	// MaxCaptures and MaxCaptureBytes bound the captures kept, open alerts' own
	// not counted; 10,000 and 20 GiB.
	MaxCaptures     int
	MaxCaptureBytes int64
	// MaxBytes bounds the database file; 0 is no bound but the disk's.
	MaxBytes int64
	// ChunkReadings is how many readings a chunk gathers; 120, at most 2,048.
	ChunkReadings int
	// CommitEvery is the least time between the beginnings of two commits, so
	// that many small calls share one; 10 ms. A call after a pause does not wait.
	CommitEvery time.Duration
	// Logger gets what no caller can be told; nil is silence.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	defaultTo(&c.KeepReadings, 48*time.Hour)
	defaultTo(&c.KeepMinutes, max(14*24*time.Hour, c.KeepReadings))
	defaultTo(&c.KeepTenMinutes, max(180*24*time.Hour, c.KeepMinutes))
	defaultTo(&c.KeepAlerts, 180*24*time.Hour)
	defaultTo(&c.KeepCaptures, 30*24*time.Hour)
	defaultTo(&c.MaxCaptures, 10_000)
	defaultTo(&c.MaxCaptureBytes, 20<<30)
	defaultTo(&c.ChunkReadings, 120)
	defaultTo(&c.CommitEvery, 10*time.Millisecond)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func defaultTo[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// Validate says what is wrong with the configuration, naming field, value and
// what is allowed.
func (c Config) Validate() error {
	if c.Path == "" {
		return errors.New("store: Path is empty: want the database's file")
	}
	if c.ChunkReadings < 0 || c.ChunkReadings > chunk.MaxReadings/2 {
		return fmt.Errorf("store: ChunkReadings is %d: want 1 to %d", c.ChunkReadings, chunk.MaxReadings/2)
	}
	for name, v := range map[string]int64{
		"KeepReadings": int64(c.KeepReadings), "KeepMinutes": int64(c.KeepMinutes), "KeepTenMinutes": int64(c.KeepTenMinutes),
		"KeepAlerts": int64(c.KeepAlerts), "KeepCaptures": int64(c.KeepCaptures),
		"MaxCaptures": int64(c.MaxCaptures), "MaxCaptureBytes": c.MaxCaptureBytes, "MaxBytes": c.MaxBytes, "CommitEvery": int64(c.CommitEvery),
	} {
		if v < 0 {
			return fmt.Errorf("store: %s is %d: want 0 (the default) or more", name, v)
		}
	}
	return nil
}

// Store is the database. All methods are safe for concurrent use.
type Store struct {
	cfg  Config
	log  *slog.Logger
	lock io.Closer
	// write has one connection, used by the writing goroutine alone once the
	// store is open; read has several that cannot write.
	write, read *sql.DB
	dict        *chunk.Dictionary

	jobs chan *job     // to the writing goroutine
	quit chan struct{} // closed by Close
	done chan struct{} // closed when the writing goroutine has ended

	// mu guards the map and what its series hold. The writing goroutine alone
	// changes them, so it reads without the lock.
	mu     sync.RWMutex
	series map[target]*series

	w writer

	closeOnce sync.Once
	closeErr  error

	stored, duplicates, late, commits, damaged atomic.Int64
}

// target is what an instance is known by.
type target struct{ service, instance string }

// Open opens the database, making it if there is none, brings its form up to
// date, checks it and rebuilds the open chunks. ctx bounds the opening alone.
// The error is ErrNewer, ErrCorrupt or ErrLocked where that is the reason.
func Open(ctx context.Context, cfg Config) (_ *Store, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	s := &Store{
		cfg: cfg, log: cfg.Logger,
		jobs: make(chan *job, maxJobs), quit: make(chan struct{}), done: make(chan struct{}),
		series: map[target]*series{},
	}
	defer func() {
		if err != nil {
			_ = s.closeFiles()
			err = fmt.Errorf("open database %s: %w", cfg.Path, explain(err))
		}
	}()
	if err := os.MkdirAll(filepath.Dir(cfg.Path), 0o750); err != nil {
		return nil, err
	}
	if s.lock, err = lockFile(cfg.Path + ".lock"); err != nil {
		return nil, err
	}
	if s.write, err = connect(cfg, 1, "_txlock=immediate"); err != nil {
		return nil, err
	}
	if err := migrate(ctx, s.write); err != nil {
		return nil, err
	}
	if err := s.check(ctx); err != nil {
		return nil, err
	}
	if s.read, err = connect(cfg, readers, "_pragma=query_only(1)"); err != nil {
		return nil, err
	}
	if err := s.loadDictionary(ctx); err != nil {
		return nil, fmt.Errorf("signal names: %w", err)
	}
	if err := s.recover(ctx); err != nil {
		return nil, err
	}
	if err := s.w.prepare(ctx, s.write); err != nil {
		return nil, err
	}
	go s.run() //nolint:gosec,contextcheck // it outlives ctx, which bounds the opening alone
	return s, nil
}

// readers is how many queries run at the same time.
const readers = 4

func connect(cfg Config, conns int, option string) (*sql.DB, error) {
	dsn := "file:" + (&url.URL{Path: cfg.Path}).EscapedPath() + "?" + option +
		// busy_timeout first: the other pragmas may need it.
		"&_pragma=busy_timeout(10000)" +
		"&_pragma=page_size(4096)" +
		"&_pragma=journal_mode(wal)" +
		// FULL: a commit is on the disk when it returns, also when the power goes.
		"&_pragma=synchronous(full)" +
		"&_pragma=foreign_keys(1)" +
		"&_pragma=wal_autocheckpoint(4000)" +
		"&_pragma=journal_size_limit(67108864)" +
		"&_pragma=cache_size(-8192)" +
		"&_pragma=temp_store(memory)"
	if cfg.MaxBytes > 0 {
		dsn += fmt.Sprintf("&_pragma=max_page_count(%d)", max(1, cfg.MaxBytes/4096))
	}
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// Close finishes the writes under way, refuses new ones with ErrClosed, and
// closes the database.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		close(s.quit)
		<-s.done
		s.closeErr = s.closeFiles()
	})
	return s.closeErr
}

func (s *Store) closeFiles() error {
	var errs []error
	// Readers first: the last connection to close tidies the WAL away, and must
	// be one that can write.
	for _, db := range []*sql.DB{s.read, s.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close database %s: %w", s.cfg.Path, err)
	}
	return nil
}

// Reading is one reading of one instance.
type Reading struct {
	Service, Instance string
	// Sample must have a time; of it, milliseconds are kept.
	Sample memwatch.Sample
}

// AppendResult says what became of readings.
type AppendResult struct {
	// Stored are new, Duplicates were there already and changed nothing.
	Stored, Duplicates int
	// Late, a part of Stored, are older than another reading of their instance.
	Late int
}
