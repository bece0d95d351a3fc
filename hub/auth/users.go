package auth

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// User is a person with a local password.
type User struct {
	Name    string
	Role    Role
	Created time.Time
}

// AddUser makes a user. The error is ErrExists when the name is taken.
func (d *DB) AddUser(ctx context.Context, name string, role Role, password string) error {
	if err := errors.Join(checkName("user", name), checkRole(role, RoleViewer, RoleOperator), CheckPassword(password)); err != nil {
		return err
	}
	hash, err := hashPassword(ctx, password)
	if err != nil {
		return err
	}
	n, err := d.change(ctx, "INSERT INTO users (name, role, hash, created) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", name, string(role), hash, d.now().UnixMilli())
	if err == nil && n == 0 {
		err = fmt.Errorf("user %q: %w", name, ErrExists)
	}
	return err
}

// AddFirstUser makes an operator if there is no user yet; else the error is ErrExists.
func (d *DB) AddFirstUser(ctx context.Context, name, password string) error {
	if err := errors.Join(checkName("user", name), CheckPassword(password)); err != nil {
		return err
	}
	hash, err := hashPassword(ctx, password)
	if err != nil {
		return err
	}
	n, err := d.addFirst(ctx, name, hash)
	if err == nil && n == 0 {
		err = fmt.Errorf("a first user: %w", ErrExists)
	}
	return err
}

// addFirst makes the user where there is none; two at the same time come one after
// the other.
func (d *DB) addFirst(ctx context.Context, name, hash string) (n int64, err error) {
	tx, err := d.db.BeginTx(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("access database: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // nothing, after the commit
	if d.postgres {                      // SQLite has one writer anyway
		if _, err := tx.ExecContext(ctx, "LOCK TABLE users IN EXCLUSIVE MODE"); err != nil {
			return 0, fmt.Errorf("access database: %w", err)
		}
	}
	result, err := tx.ExecContext(ctx, d.words(`INSERT INTO users (name, role, hash, created)
		SELECT CAST(? AS TEXT), 'operator', CAST(? AS TEXT), CAST(? AS BIGINT) WHERE NOT EXISTS (SELECT 1 FROM users)`), name, hash, d.now().UnixMilli())
	if err != nil {
		return 0, fmt.Errorf("access database: %w", err)
	}
	if n, err = result.RowsAffected(); err != nil {
		return 0, fmt.Errorf("access database: %w", err)
	}
	return n, tx.Commit()
}

// SetPassword changes a password and ends the user's sessions.
func (d *DB) SetPassword(ctx context.Context, name, password string) error {
	if err := CheckPassword(password); err != nil {
		return err
	}
	hash, err := hashPassword(ctx, password)
	if err != nil {
		return err
	}
	return d.changeUser(ctx, name, "UPDATE users SET hash = ? WHERE name = ?", hash, name)
}

// SetRole changes what a user may do, and ends the user's sessions.
func (d *DB) SetRole(ctx context.Context, name string, role Role) error {
	if err := checkRole(role, RoleViewer, RoleOperator); err != nil {
		return err
	}
	return d.changeUser(ctx, name, "UPDATE users SET role = ? WHERE name = ?", string(role), name)
}

// RemoveUser removes a user and ends the user's sessions.
func (d *DB) RemoveUser(ctx context.Context, name string) error {
	return d.changeUser(ctx, name, "DELETE FROM users WHERE name = ?", name)
}

func (d *DB) changeUser(ctx context.Context, name, query string, args ...any) error {
	n, err := d.change(ctx, query, args...)
	if err == nil && n == 0 {
		return fmt.Errorf("user %q: %w", name, ErrNotFound)
	}
	if err == nil {
		_, err = d.change(ctx, "DELETE FROM sessions WHERE name = ? AND method = 'password'", name)
	}
	return err
}

// Users lists them by name.
func (d *DB) Users(ctx context.Context) ([]User, error) {
	rows, err := d.query(ctx, "SELECT name, role, created FROM users ORDER BY name")
	if err != nil {
		return nil, fmt.Errorf("list users: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var out []User
	for rows.Next() {
		var u User
		var created int64
		if err := rows.Scan(&u.Name, &u.Role, &created); err != nil {
			return nil, fmt.Errorf("list users: %w", err)
		}
		u.Created = time.UnixMilli(created).UTC()
		out = append(out, u)
	}
	return out, rows.Err()
}

// nobody is a hash that is checked for names that do not exist, so that they take
// as long as those that do.
const nobody = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// checkUser returns the user whose password this is, or ErrPassword.
func (d *DB) checkUser(ctx context.Context, name, password string) (User, error) {
	u := User{Name: name}
	hash := nobody
	err := d.row(ctx, "SELECT role, hash FROM users WHERE name = ?", name).Scan(&u.Role, &hash)
	missing := errors.Is(err, sql.ErrNoRows)
	if err != nil && !missing {
		return u, fmt.Errorf("read user: %w", err)
	}
	if len(password) > 4*maxPassword {
		return u, ErrPassword
	}
	ok, err := matches(ctx, hash, password)
	if err != nil {
		return u, err
	}
	if !ok || missing {
		return u, ErrPassword
	}
	return u, nil
}
