package sqlite

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

	"github.com/zupee/memwatch/hub/store"
	"github.com/zupee/memwatch/hub/store/chunk"
)

// Config says where the database lies and how long things are kept. Zero values
// mean the defaults.
type Config struct {
	store.Retention
	// Path is the database file. Its folder is made if need be.
	Path string
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
	c.Retention = c.WithDefaults()
	if c.ChunkReadings == 0 {
		c.ChunkReadings = 120
	}
	if c.CommitEvery == 0 {
		c.CommitEvery = 10 * time.Millisecond
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
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
	for name, v := range map[string]int64{"MaxBytes": c.MaxBytes, "CommitEvery": int64(c.CommitEvery)} {
		if v < 0 {
			return fmt.Errorf("store: %s is %d: want 0 (the default) or more", name, v)
		}
	}
	return c.Retention.Validate()
}

// Store is the database, a store.Store. All methods are safe for concurrent use.
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

	stored, duplicates, commits, damaged atomic.Int64
}

// target is what an instance is known by.
type target struct{ service, instance string }

// Open opens the database, making it if there is none, brings its form up to
// date, checks it and rebuilds the open chunks. ctx bounds the opening alone.
// The error is store.ErrNewer, store.ErrCorrupt or store.ErrLocked where that is the reason.
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

// Close finishes the writes under way, refuses new ones with store.ErrClosed, and
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
