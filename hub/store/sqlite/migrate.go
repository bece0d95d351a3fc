package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/zupee/memwatch/hub/store"
	"github.com/zupee/memwatch/hub/store/chunk"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the database's form up to this program's.
func migrate(ctx context.Context, db *sql.DB) error {
	provider, err := newProvider(db)
	if err != nil {
		return err
	}
	current, newest, err := provider.GetVersions(ctx)
	if err != nil {
		return diagnose(ctx, db, err)
	}
	if current > newest {
		return newer(current, newest)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate from version %d to %d: %w", current, newest, err)
	}
	return nil
}

func newProvider(db *sql.DB) (*goose.Provider, error) {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, dir)
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	return provider, nil
}

func newer(current, newest int64) error {
	return fmt.Errorf("%w: it has version %d and this memwatch-hub knows up to %d: run the newer memwatch-hub, or restore a backup of before the upgrade", store.ErrNewer, current, newest)
}

// diagnose finds out whether an error that does not say so comes from damage.
func diagnose(ctx context.Context, db *sql.DB, err error) error {
	var answer string
	if e := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&answer); e != nil || answer == "ok" {
		return errors.Join(err, e)
	}
	return corrupt(answer)
}

func corrupt(where string) error {
	return fmt.Errorf("%w: %s: restore a backup, or move the file away to begin anew", store.ErrCorrupt, where)
}

// check finds damage before it spreads. It reads every table but the chunks,
// which are too many to read at each start and carry a checksum of their own.
func (s *Store) check(ctx context.Context) error {
	for _, table := range []string{"signals", "instances", "verdicts", "journal", "seals", "alerts", "alert_log", "deliveries", "captures"} {
		var answer string
		if err := s.write.QueryRowContext(ctx, "SELECT * FROM pragma_quick_check('"+table+"')").Scan(&answer); err != nil {
			return fmt.Errorf("check table %s: %w", table, err)
		}
		if answer != "ok" {
			return corrupt("table " + table + ": " + answer)
		}
	}
	return nil
}

// explain gives SQLite's codes that matter to callers their sentinel.
func explain(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w (%w)", store.ErrFull, err)
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%w: restore a backup, or move the file away to begin anew (%w)", store.ErrCorrupt, err)
	}
	return err
}

// Check reads the whole database and answers store.ErrCorrupt, with the place, when
// any of it is damaged. It takes as long as reading the file does.
func (s *Store) Check(ctx context.Context) error {
	var answer string
	if err := s.read.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&answer); err != nil {
		return fmt.Errorf("check database: %w", explain(err))
	}
	if answer != "ok" {
		return corrupt(answer)
	}
	rows, err := s.read.QueryContext(ctx, "SELECT id, data FROM chunks")
	if err != nil {
		return fmt.Errorf("check database: %w", explain(err))
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id int64
		var data sql.RawBytes
		if err := rows.Scan(&id, &data); err != nil {
			return fmt.Errorf("check database: %w", explain(err))
		}
		if _, err := chunk.Times(nil, data); err != nil {
			return corrupt(fmt.Sprintf("chunk %d: %v", id, err))
		}
	}
	return explain(rows.Err())
}
