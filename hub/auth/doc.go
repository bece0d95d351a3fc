// Package auth knows who may do what: agents and programs by bearer tokens,
// people by a local password, an OpenID Connect provider or a proxy that has
// signed them in, and what each did in an audit log. Requests come in, an
// Identity goes out; what it may do is decided by its Role alone.
//
// Secrets are kept as hashes (argon2id for passwords, SHA-256 for tokens and
// sessions, which are random) in a database of its own beside the hub's, so that
// the commands that make users and tokens work while a hub runs. Every request
// asks the database: what is revoked is over at once.
package auth

import (
	"errors"
	"time"
)

// Role is what somebody may do.
type Role string

// The roles.
const (
	// RoleAgent may send readings and profiles, and nothing else.
	RoleAgent Role = "agent"
	// RoleViewer may look.
	RoleViewer Role = "viewer"
	// RoleOperator may also change things.
	RoleOperator Role = "operator"
)

// May reports whether a role is enough for what needs another.
func (r Role) May(need Role) bool {
	return r == need || r == RoleOperator && need == RoleViewer
}

// Identity is who made a request.
type Identity struct {
	// Name is a user's or a token's; "" on a hub that asks nobody.
	Name string
	Role Role
	// Method says how it is known: token, password, oidc, proxy, certificate or open.
	Method string
	// Services are patterns of the services that an agent may send of; none means all.
	Services []string
	// key finds the token or session again, to see whether it still holds.
	key string
}

// Open is everybody, on a hub that asks nobody.
var Open = Identity{Role: RoleOperator, Method: "open"}

// May reports whether an identity is enough for what needs a role.
func (i Identity) May(need Role) bool { return i.Method == "open" || i.Role.May(need) }

// Errors that say why nobody is known. Their words are meant for whoever asked.
var (
	ErrMissing = errors.New("sign in, or send a token: Authorization: Bearer …")
	ErrUnknown = errors.New("this token is not known here: make one with `memwatch-hub token create`")
	ErrRevoked = errors.New("this token was revoked: make another with `memwatch-hub token create`")
	ErrExpired = errors.New("this token has expired: make another with `memwatch-hub token create`")
	ErrSession = errors.New("this session is over: sign in again")
	// ErrPassword does not tell whether the name or the password is wrong.
	ErrPassword = errors.New("name or password is wrong")
	// ErrNotFound: there is no such user or token.
	ErrNotFound = errors.New("not found")
	// ErrExists: there is one of this name already.
	ErrExists = errors.New("exists already")
)

// TooManyError asks whoever tries to sign in to wait.
type TooManyError struct{ RetryAfter time.Duration }

func (e *TooManyError) Error() string { return "too many attempts to sign in: wait a little" }
