package auth

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// begin makes a session and returns its secret.
func (d *DB) begin(ctx context.Context, who Identity, lifetime time.Duration) (secret string, expires time.Time, err error) {
	secret, expires = base64.RawURLEncoding.EncodeToString(random(32)), d.now().Add(lifetime)
	_, err = d.change(ctx, "INSERT INTO sessions (id, name, role, method, expires) VALUES (?, ?, ?, ?, ?)",
		sessionID(secret), who.Name, string(who.Role), who.Method, expires.UnixMilli())
	return secret, expires, err
}

func sessionID(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// session finds who a session stands for, by its id. Local users have the role
// that they have now.
func (d *DB) session(ctx context.Context, id string) (Identity, error) {
	who := Identity{key: id}
	var present sql.NullString
	err := d.row(ctx, `SELECT s.name, s.role, s.method, u.role FROM sessions s
		LEFT JOIN users u ON u.name = s.name AND s.method = 'password' WHERE s.id = ? AND s.expires > ?`, id, d.now().UnixMilli()).
		Scan(&who.Name, &who.Role, &who.Method, &present)
	if errors.Is(err, sql.ErrNoRows) {
		return Identity{}, ErrSession
	}
	if err != nil {
		return Identity{}, fmt.Errorf("read session: %w", err)
	}
	if who.Method == "password" {
		if !present.Valid {
			return Identity{}, ErrSession
		}
		who.Role = Role(present.String)
	}
	return who, nil
}

func (d *DB) end(ctx context.Context, id string) error {
	_, err := d.change(ctx, "DELETE FROM sessions WHERE id = ?", id)
	return err
}
