package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// Token is what lets a program in. Its secret is told once.
type Token struct {
	ID, Name               string
	Role                   Role
	Services               []string  // patterns that an agent is held to; none means all
	Created, Expires, Used time.Time // zero: never
	Revoked                time.Time
}

// tokenPrefix lets secret scanners know a token when they see one.
const tokenPrefix = "memwatch_"

// CreateToken makes a token and returns its text, which is not kept. A zero
// lifetime means that it does not expire. An agent's may be held to services.
func (d *DB) CreateToken(ctx context.Context, name string, role Role, lifetime time.Duration, services ...string) (Token, string, error) {
	if err := errors.Join(checkName("token", name), checkRole(role, RoleAgent, RoleViewer, RoleOperator), checkServices(role, services)); err != nil {
		return Token{}, "", err
	}
	if lifetime < 0 {
		return Token{}, "", fmt.Errorf("expires: %s is not allowed: want a time ahead, or 0 for never", lifetime)
	}
	t := Token{ID: hex.EncodeToString(random(6)), Name: name, Role: role, Services: services, Created: d.now()}
	secret := base64.RawURLEncoding.EncodeToString(random(32))
	expires := int64(0)
	if lifetime > 0 {
		t.Expires = t.Created.Add(lifetime)
		expires = t.Expires.UnixMilli()
	}
	hash := sha256.Sum256([]byte(secret))
	_, err := d.change(ctx, "INSERT INTO tokens (id, name, role, services, hash, created, expires) VALUES (?, ?, ?, ?, ?, ?, ?)",
		t.ID, name, string(role), strings.Join(services, ","), hash[:], t.Created.UnixMilli(), expires)
	return t, tokenPrefix + t.ID + "_" + secret, err
}

// checkServices refuses patterns that can match nothing, or mean nothing.
func checkServices(role Role, patterns []string) error {
	if len(patterns) > 0 && role != RoleAgent {
		return fmt.Errorf("services: a token of the role %s cannot be held to services: want agent", role)
	}
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil || p == "" || len(p) > maxPattern || strings.ContainsAny(p, ", \n\t") {
			return fmt.Errorf("services: %q is not allowed: want a service's name of at most %d characters, in which * stands for any characters but /", p, maxPattern)
		}
	}
	return nil
}

const maxPattern = 200

// servicesIn are the patterns as they are kept.
func servicesIn(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

// MaySend reports whether an identity may send of a service.
func (i Identity) MaySend(service string) bool {
	return len(i.Services) == 0 || slices.ContainsFunc(i.Services, func(p string) bool {
		ok, _ := path.Match(p, service) // checked when the token was made
		return ok
	})
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

// Tokens lists them, the newest first.
func (d *DB) Tokens(ctx context.Context) ([]Token, error) {
	rows, err := d.query(ctx, "SELECT id, name, role, services, created, expires, revoked, used FROM tokens ORDER BY created DESC, id")
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	defer func() { _ = rows.Close() }()
	var out []Token
	for rows.Next() {
		var t Token
		var services string
		var times [4]int64
		if err := rows.Scan(&t.ID, &t.Name, &t.Role, &services, &times[0], &times[1], &times[2], &times[3]); err != nil {
			return nil, fmt.Errorf("list tokens: %w", err)
		}
		t.Services = servicesIn(services)
		for i, p := range []*time.Time{&t.Created, &t.Expires, &t.Revoked, &t.Used} {
			if times[i] > 0 {
				*p = time.UnixMilli(times[i]).UTC()
			}
		}
		out = append(out, t)
	}
	return out, rows.Err()
}

// RevokeToken ends a token, by its id, or by its name if one alone that holds has
// it. Connections that it opened are closed within seconds.
func (d *DB) RevokeToken(ctx context.Context, which string) error {
	all, err := d.Tokens(ctx)
	if err != nil {
		return err
	}
	id, found := "", 0
	for _, t := range all {
		if t.ID == which {
			id, found = t.ID, 1
			break
		}
		if t.Name == which && t.Revoked.IsZero() {
			id = t.ID
			found++
		}
	}
	if found == 0 {
		return fmt.Errorf("token %q: %w", which, ErrNotFound)
	}
	if found > 1 {
		return fmt.Errorf("token %q: %d tokens have this name: say the id", which, found)
	}
	_, err = d.change(ctx, "UPDATE tokens SET revoked = ? WHERE id = ? AND revoked = 0", d.now().UnixMilli(), id)
	return err
}

// usedEvery is how exactly the last use of a token is noted.
const usedEvery = time.Minute

// token finds whose text this is, in time that does not depend on the secret.
func (d *DB) token(ctx context.Context, text string) (Identity, error) {
	rest, ok := strings.CutPrefix(text, tokenPrefix)
	id, secret, ok2 := strings.Cut(rest, "_")
	if !ok || !ok2 || len(text) > 200 {
		return Identity{}, ErrUnknown
	}
	who, hash, err := d.tokenByID(ctx, id)
	if errors.Is(err, ErrUnknown) {
		hash = make([]byte, sha256.Size)
	}
	sum := sha256.Sum256([]byte(secret))
	if subtle.ConstantTimeCompare(sum[:], hash) != 1 {
		if err != nil && !errors.Is(err, ErrRevoked) && !errors.Is(err, ErrExpired) && !errors.Is(err, ErrUnknown) {
			return Identity{}, err
		}
		return Identity{}, ErrUnknown // whether it was revoked is told to its owner alone
	}
	return who, err
}

// tokenByID returns who a token stands for, with ErrRevoked or ErrExpired if it no longer does.
func (d *DB) tokenByID(ctx context.Context, id string) (who Identity, hash []byte, err error) {
	var services string
	var expires, revoked, used int64
	who = Identity{Method: "token", key: id}
	err = d.row(ctx, "SELECT name, role, services, hash, expires, revoked, used FROM tokens WHERE id = ?", id).
		Scan(&who.Name, &who.Role, &services, &hash, &expires, &revoked, &used)
	who.Services = servicesIn(services)
	now := d.now().UnixMilli()
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return who, nil, ErrUnknown
	case err != nil:
		return who, nil, fmt.Errorf("read token: %w", err)
	case revoked > 0:
		return who, hash, ErrRevoked
	case expires > 0 && expires <= now:
		return who, hash, ErrExpired
	}
	if now-used > usedEvery.Milliseconds() {
		_, _ = d.change(ctx, "UPDATE tokens SET used = ? WHERE id = ?", now, id) // a full disk must not keep agents out
	}
	return who, hash, nil
}
