package auth

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	_ "modernc.org/sqlite" // registers the driver
)

// Where the database is: a file of its own in the hub's folder, or, for hubs that
// share one, tables in PostgreSQL. The statements are the same for both; they are
// written with ? for what is put in.

//go:embed migrations/*/*.sql
var migrations embed.FS

// FileName is the database's name in the hub's folder.
const FileName = "auth.db"

// OpenDB opens the database in the hub's folder, making both if need be.
func OpenDB(ctx context.Context, dir string) (*DB, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("make the hub's folder: %w", err)
	}
	file := filepath.Join(dir, FileName)
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600) // its owner's alone, before SQLite makes it
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	db, err := connect(file)
	if err != nil {
		return nil, err
	}
	return open(ctx, db, goose.DialectSQLite3, file)
}

// OpenPostgres opens the tables in a PostgreSQL database, making them if need be.
func OpenPostgres(ctx context.Context, url string) (*DB, error) {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return nil, fmt.Errorf("open users and tokens: %w", err)
	}
	db.SetMaxOpenConns(4)
	return open(ctx, db, goose.DialectPostgres, "users and tokens")
}

func open(ctx context.Context, db *sql.DB, dialect goose.Dialect, what string) (*DB, error) {
	if err := migrate(ctx, db, dialect); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", what, err), db.Close())
	}
	return newDB(db, dialect == goose.DialectPostgres), nil
}

func connect(file string) (*sql.DB, error) {
	source := url.URL{Scheme: "file", Opaque: (&url.URL{Path: file}).EscapedPath(), RawQuery: url.Values{
		"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)"}, "_txlock": {"immediate"},
	}.Encode()}
	db, err := sql.Open("sqlite", source.String())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", file, err)
	}
	db.SetMaxOpenConns(4)
	return db, nil
}

// Copy writes the database of one folder, as it is at one moment, into another.
// A folder without one is no error.
func Copy(ctx context.Context, from, to string) (err error) {
	if _, err := os.Stat(filepath.Join(from, FileName)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	db, err := connect(filepath.Join(from, FileName))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := sameForm(ctx, db); err != nil {
		return fmt.Errorf("copy %s: %w", FileName, err)
	}
	target := filepath.Join(to, FileName)
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", target); err != nil {
		return fmt.Errorf("copy %s: %w", FileName, err)
	}
	return os.Chmod(target, 0o600)
}

// lockID keeps apart hubs that make the tables at the same time.
const lockID = 0x6d656d77_61757468

// versions are that of the database and the newest that this program knows.
func versions(ctx context.Context, db *sql.DB, dialect goose.Dialect) (p *goose.Provider, current, newest int64, err error) {
	folder, options := "sqlite", []goose.ProviderOption(nil)
	if dialect == goose.DialectPostgres {
		folder = "postgres"
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(lockID), lock.WithLockTimeout(1, 300))
		if err != nil {
			return nil, 0, 0, err
		}
		options = append(options, goose.WithTableName("auth_version"), goose.WithSessionLocker(locker))
	}
	dir, err := fs.Sub(migrations, "migrations/"+folder)
	if err != nil {
		return nil, 0, 0, err
	}
	if p, err = goose.NewProvider(dialect, db, dir, options...); err != nil {
		return nil, 0, 0, err
	}
	current, newest, err = p.GetVersions(ctx)
	return p, current, newest, err
}

func migrate(ctx context.Context, db *sql.DB, dialect goose.Dialect) error {
	provider, current, newest, err := versions(ctx, db, dialect)
	if err != nil {
		return err
	}
	if current > newest {
		return fmt.Errorf("it has version %d and this memwatch-hub knows up to %d: run the newer memwatch-hub", current, newest)
	}
	if current == newest {
		return nil
	}
	_, err = provider.Up(ctx)
	return err
}

// sameForm refuses a database of another form: the program that it belongs to
// could not read it any more if a copy changed it.
func sameForm(ctx context.Context, db *sql.DB) error {
	_, current, newest, err := versions(ctx, db, goose.DialectSQLite3)
	if err == nil && current != newest {
		err = fmt.Errorf("it has version %d and this memwatch-hub writes %d: use the memwatch-hub that it belongs to, "+
			"or start this one on it once", current, newest)
	}
	return err
}

// numbered turns each ? into $1, $2, …, as PostgreSQL wants them.
func numbered(query string) string {
	var b strings.Builder
	parts := strings.Split(query, "?")
	for i, part := range parts[:len(parts)-1] {
		b.WriteString(part + "$" + strconv.Itoa(i+1))
	}
	return b.String() + parts[len(parts)-1]
}
