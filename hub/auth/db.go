package auth

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// DB holds users, tokens, sessions and the audit log. Several processes may have
// it open, and all methods are safe for concurrent use.
type DB struct {
	db       *sql.DB
	postgres bool
	now      func() time.Time
}

func newDB(db *sql.DB, postgres bool) *DB { return &DB{db: db, postgres: postgres, now: time.Now} }

// Close closes the database.
func (d *DB) Close() error { return d.db.Close() }

// words are a statement in the database's own way.
func (d *DB) words(query string) string {
	if d.postgres {
		return numbered(query)
	}
	return query
}

// change runs a statement and reports how many rows it changed.
func (d *DB) change(ctx context.Context, query string, args ...any) (int64, error) {
	result, err := d.db.ExecContext(ctx, d.words(query), args...)
	if err != nil {
		return 0, fmt.Errorf("access database: %w", err)
	}
	return result.RowsAffected()
}

func (d *DB) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return d.db.QueryContext(ctx, d.words(query), args...)
}

func (d *DB) row(ctx context.Context, query string, args ...any) *sql.Row {
	return d.db.QueryRowContext(ctx, d.words(query), args...)
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
	rows, err := d.query(ctx, "SELECT id, at, who, action, what, remote FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?", before, limit)
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
