package auth

import (
	"context"
	"fmt"
	"strings"
)

// Transfer adds the users, tokens and lines of the audit log of one database to
// another, and answers how many users and tokens were not there yet. Nobody stays
// signed in: sessions are left behind. The log's lines are added once, while the
// other has none.
func Transfer(ctx context.Context, from, to *DB) (users, tokens int, err error) {
	if users, err = rows(ctx, from, to, "users", "name, role, hash, created", 4); err != nil {
		return 0, 0, err
	}
	if tokens, err = rows(ctx, from, to, "tokens", "id, name, role, hash, services, created, expires, revoked, used", 9); err != nil {
		return users, 0, err
	}
	var lines int
	if err := to.row(ctx, "SELECT count(*) FROM audit").Scan(&lines); err != nil {
		return users, tokens, fmt.Errorf("read the audit log: %w", err)
	}
	if lines == 0 {
		_, err = rows(ctx, from, to, "audit", "at, who, action, what, remote", 5)
	}
	return users, tokens, err
}

// rows copies a table's rows, those that are there aside, and counts the others.
func rows(ctx context.Context, from, to *DB, table, columns string, n int) (added int, err error) {
	found, err := from.query(ctx, "SELECT "+columns+" FROM "+table+" ORDER BY 1") //nolint:gosec // the names are ours
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", table, err)
	}
	defer func() { _ = found.Close() }()
	insert := "INSERT INTO " + table + " (" + columns + ") VALUES (?" + strings.Repeat(", ?", n-1) + ") ON CONFLICT DO NOTHING"
	values, into := make([]any, n), make([]any, n)
	for i := range values {
		into[i] = &values[i]
	}
	for found.Next() {
		if err := found.Scan(into...); err != nil {
			return added, fmt.Errorf("read %s: %w", table, err)
		}
		changed, err := to.change(ctx, insert, values...)
		if err != nil {
			return added, fmt.Errorf("copy %s: %w", table, err)
		}
		added += int(changed)
	}
	return added, found.Err()
}
