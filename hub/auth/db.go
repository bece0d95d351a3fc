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
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // registers the driver
)

//go:embed migrations/*.sql
var migrations embed.FS

// FileName is the database's name in the hub's folder.
const FileName = "auth.db"

// DB holds users, tokens, sessions and the audit log. Several processes may have
// it open, and all methods are safe for concurrent use.
type DB struct {
	db  *sql.DB
	now func() time.Time
}

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
	if err := migrate(ctx, db); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", file, err), db.Close())
	}
	return &DB{db: db, now: time.Now}, nil
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

// versions are that of the database and the newest that this program knows.
func versions(ctx context.Context, db *sql.DB) (p *goose.Provider, current, newest int64, err error) {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, 0, 0, err
	}
	if p, err = goose.NewProvider(goose.DialectSQLite3, db, dir); err != nil {
		return nil, 0, 0, err
	}
	current, newest, err = p.GetVersions(ctx)
	return p, current, newest, err
}

func migrate(ctx context.Context, db *sql.DB) error {
	provider, current, newest, err := versions(ctx, db)
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
	_, current, newest, err := versions(ctx, db)
	if err == nil && current != newest {
		err = fmt.Errorf("it has version %d and this memwatch-hub writes %d: use the memwatch-hub that it belongs to, "+
			"or start this one on it once", current, newest)
	}
	return err
}

// Close closes the database.
func (d *DB) Close() error { return d.db.Close() }

// change runs a statement and reports how many rows it changed.
func (d *DB) change(ctx context.Context, query string, args ...any) (int64, error) {
	result, err := d.db.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, fmt.Errorf("access database: %w", err)
	}
	return result.RowsAffected()
}

// checkName bounds the names of users and tokens.
func checkName(what, name string) error {
	if n := utf8.RuneCountInString(name); n < 1 || n > 100 || !utf8.ValidString(name) || strings.TrimSpace(name) != name || strings.ContainsFunc(name, unicode.IsControl) {
		return fmt.Errorf("%s: %.40q is not allowed: want 1 to 100 characters of text, no spaces around", what, name)
	}
	return nil
}

func checkRole(role Role, allowed ...Role) error {
	words := make([]string, len(allowed))
	for i, a := range allowed {
		if role == a {
			return nil
		}
		words[i] = string(a)
	}
	return fmt.Errorf("role: %.40q is not allowed: want %s", role, strings.Join(words, " or "))
}

// Entry is one line of the audit log.
type Entry struct {
	ID     int64
	Time   time.Time
	Who    string // a user's or token's name, or "command" for whoever runs memwatch-hub
	Action string // login, login-failed, logout, user-add, token-revoke, …
	What   string
	Remote string // address
}

const (
	// keepAudit bounds the log, in lines.
	keepAudit = 100_000
	// maxAuditText bounds what a line repeats of what others sent.
	maxAuditText = 200
)

// Record adds a line to the audit log.
func (d *DB) Record(ctx context.Context, e Entry) error {
	for _, s := range []*string{&e.Who, &e.What, &e.Remote} {
		*s = strings.ToValidUTF8((*s)[:min(len(*s), maxAuditText)], "")
	}
	_, err := d.change(ctx, "INSERT INTO audit (at, who, action, what, remote) VALUES (?, ?, ?, ?, ?)", d.now().UnixMilli(), e.Who, e.Action, e.What, e.Remote)
	return err
}

// Audit answers the newest lines first, those with an id below before (0: all).
func (d *DB) Audit(ctx context.Context, before int64, limit int) ([]Entry, error) {
	if before <= 0 {
		before = 1 << 62
	}
	rows, err := d.db.QueryContext(ctx, "SELECT id, at, who, action, what, remote FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?", before, limit)
	if err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	defer func() { _ = rows.Close() }()
	out := []Entry{}
	for rows.Next() {
		var e Entry
		var at int64
		if err := rows.Scan(&e.ID, &at, &e.Who, &e.Action, &e.What, &e.Remote); err != nil {
			return nil, fmt.Errorf("audit log: %w", err)
		}
		e.Time = time.UnixMilli(at).UTC()
		out = append(out, e)
	}
	return out, rows.Err()
}

// Tidy removes sessions that are over and the oldest lines of a long audit log.
func (d *DB) Tidy(ctx context.Context) error {
	_, err := d.change(ctx, "DELETE FROM sessions WHERE expires < ?", d.now().UnixMilli())
	_, err2 := d.change(ctx, "DELETE FROM audit WHERE id <= (SELECT max(id) FROM audit) - ?", keepAudit)
	return errors.Join(err, err2)
}
