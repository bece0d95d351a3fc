package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/store"
	"github.com/zupee/memwatch/hub/store/chunk"
)

// Config says where the database is and how long things are kept. Zero values
// mean the defaults.
type Config struct {
	store.Retention
	// URL is the database's address, postgres://user@host/database. The password
	// may be in PGPASSWORD, or in the file that PGPASSFILE names.
	URL string
	// MaxConns is how many connections the store opens at most; 10.
	MaxConns int
	// Timeout bounds each statement; 30 s.
	Timeout time.Duration
	// Patience is how long a write is tried again while the database cannot be
	// reached; 10 s. Its callers wait, which is their back-pressure.
	Patience time.Duration
	// CommitEvery is the least time between the beginnings of two commits of one
	// writer, so that many small calls share one; 10 ms. A call after a pause does
	// not wait.
	CommitEvery time.Duration
	// Logger gets what no caller can be told; nil is silence.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	c.Retention = c.WithDefaults()
	if c.MaxConns == 0 {
		c.MaxConns = 10
	}
	for _, d := range []struct {
		of  *time.Duration
		def time.Duration
	}{{&c.Timeout, 30 * time.Second}, {&c.Patience, 10 * time.Second}, {&c.CommitEvery, 10 * time.Millisecond}} {
		if *d.of == 0 {
			*d.of = d.def
		}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Validate says what is wrong with the configuration, naming field, value and
// what is allowed.
func (c Config) Validate() error {
	if _, err := c.pool(); err != nil {
		return err
	}
	if c.MaxConns < 0 || c.MaxConns > 0 && c.MaxConns < writers+1 {
		return fmt.Errorf("store: MaxConns is %d: want %d or more", c.MaxConns, writers+1)
	}
	for name, v := range map[string]time.Duration{"Timeout": c.Timeout, "Patience": c.Patience, "CommitEvery": c.CommitEvery} {
		if v < 0 {
			return fmt.Errorf("store: %s is %s: want 0 (the default) or more", name, v)
		}
	}
	return c.Retention.Validate()
}

// pool is what the URL means, with the settings that every connection has.
func (c Config) pool() (*pgxpool.Config, error) {
	if c.URL == "" {
		return nil, errors.New("store: the address is empty: want postgres://user@host/database")
	}
	p, err := pgxpool.ParseConfig(c.URL)
	if err != nil {
		return nil, fmt.Errorf("store: %w: want postgres://user@host/database", err)
	}
	p.MaxConns = int32(max(c.MaxConns, 1)) //nolint:gosec // Validate bounds it
	p.ConnConfig.ConnectTimeout = 5 * time.Second
	// A connection that broke while nobody used it is found out before it is used: a
	// server that was started again costs no query.
	p.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return true }
	p.PingTimeout = 2 * time.Second
	settings := p.ConnConfig.RuntimeParams
	settings["application_name"] = "memwatch-hub"
	settings["statement_timeout"] = fmt.Sprint(c.Timeout.Milliseconds())
	settings["idle_in_transaction_session_timeout"] = "60000"
	// A commit that was acknowledged must be on the disk, whatever the server's default.
	settings["synchronous_commit"] = "on"
	// Short queries over many partitions look costly, and compiling them costs seconds.
	settings["jit"] = "off"
	// A hub whose machine is gone holds its locks no longer than this.
	settings["tcp_keepalives_idle"], settings["tcp_keepalives_interval"], settings["tcp_keepalives_count"] = "5", "2", "3"
	settings["tcp_user_timeout"] = "10000"
	return p, nil
}

// Store is the database, a store.Store. All methods are safe for concurrent use.
type Store struct {
	cfg  Config
	log  *slog.Logger
	pool *pgxpool.Pool
	dict *chunk.Dictionary

	jobs    chan *job     // to the writing goroutines
	quit    chan struct{} // closed by Close
	done    chan struct{} // closed when all goroutines have ended
	running sync.WaitGroup

	ids ids

	closeOnce sync.Once

	stored, duplicates, commits, damaged atomic.Int64
}

// Open connects to the database, brings its form up to date, and says how if that
// cannot be. ctx bounds the opening alone. The error is store.ErrNewer or
// store.ErrUnavailable where that is the reason.
func Open(ctx context.Context, cfg Config) (_ *Store, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	pool, err := cfg.pool()
	if err != nil {
		return nil, err
	}
	s := &Store{
		cfg: cfg, log: cfg.Logger,
		jobs: make(chan *job, maxJobs), quit: make(chan struct{}), done: make(chan struct{}),
		ids: ids{of: map[target]int64{}},
	}
	place := fmt.Sprintf("%s:%d/%s", pool.ConnConfig.Host, pool.ConnConfig.Port, pool.ConnConfig.Database)
	defer func() {
		if err != nil {
			if s.pool != nil {
				s.pool.Close()
			}
			err = fmt.Errorf("open database %s: %w", place, explain(err))
		}
	}()
	if _, err := Migrate(ctx, cfg.URL); err != nil {
		return nil, err
	}
	if s.pool, err = pgxpool.NewWithConfig(ctx, pool); err != nil {
		return nil, err
	}
	if err := s.loadDictionary(ctx); err != nil {
		return nil, fmt.Errorf("signal names: %w", err)
	}
	if err := s.stand(ctx, time.Now()); err != nil {
		return nil, err
	}
	for range writers {
		s.running.Go(s.write) //nolint:contextcheck // it outlives ctx, which bounds the opening alone
	}
	return s, nil
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		close(s.quit)
		s.running.Wait()
		close(s.done)
		s.pool.Close()
	})
	return nil
}

// The advisory locks of a database, of this class.
const (
	lockClass = 0x6d656d77 // "memw"

	lockAppend = 1 // shared by transactions that write readings
	lockSeal   = 2 // who moves readings about, or looks whether they were
)

// loadDictionary reads the numbers of the signals and gives new signals theirs.
func (s *Store) loadDictionary(ctx context.Context) error {
	return s.tx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "LOCK TABLE signals IN EXCLUSIVE MODE"); err != nil {
			return err
		}
		numbers, next := map[string]int{}, 0
		rows, err := tx.Query(ctx, "SELECT number, name FROM signals")
		if err != nil {
			return err
		}
		var n int
		var name string
		if _, err := pgx.ForEachRow(rows, []any{&n, &name}, func() error {
			numbers[name], next = n, max(next, n+1)
			return nil
		}); err != nil {
			return err
		}
		for sig := range memwatch.SignalCount {
			if _, ok := numbers[sig.String()]; ok {
				continue
			}
			if _, err := tx.Exec(ctx, "INSERT INTO signals (number, name) VALUES ($1, $2)", next, sig.String()); err != nil {
				return err
			}
			numbers[sig.String()] = next
			next++
		}
		s.dict, err = chunk.NewDictionary(numbers)
		return err
	})
}

// tx runs do in a transaction, which is committed when it returns nil.
func (s *Store) tx(ctx context.Context, do func(tx pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, s.pool, do)
}

// snapshot runs do in a transaction that reads everything as of one moment.
func (s *Store) snapshot(ctx context.Context, do func(tx pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		// Before the moment is chosen: what another transaction moves within it must
		// not be dropped with its partition before it was read.
		if _, err := tx.Exec(ctx, "LOCK TABLE ONLY readings, ONLY chunks_0, ONLY chunks_60, ONLY chunks_600 IN ACCESS SHARE MODE"); err != nil {
			return err
		}
		return do(tx)
	})
}
