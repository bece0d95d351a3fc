package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The session cookie's name. Over TLS the prefix keeps other hosts from setting it.
const (
	CookieName       = "memwatch_session"
	secureCookieName = "__Host-" + CookieName
)

// Gate finds out who made a request.
type Gate struct {
	cfg     Config
	db      *DB
	logger  *slog.Logger
	proxies []netip.Prefix
	tries   *tries
	oidc    *provider // nil without one
	denied  *prometheus.CounterVec
	setup   setup

	mu   sync.Mutex
	held map[*hold]struct{}
}

// hold is a long connection.
type hold struct {
	who    Identity
	cancel context.CancelFunc
}

// New makes a gate. The configuration must be valid.
func New(cfg Config, db *DB, logger *slog.Logger, reg prometheus.Registerer) (*Gate, error) {
	proxies, err := cfg.Proxy.networks()
	if err != nil {
		return nil, err
	}
	g := &Gate{cfg: cfg, db: db, logger: logger, proxies: proxies, tries: newTries(), held: map[*hold]struct{}{}}
	g.denied = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "memwatch_hub_denied_total", Help: "Requests and sign-ins that were denied, by reason.",
	}, []string{"reason"})
	reg.MustRegister(g.denied)
	if cfg.OIDC.Issuer != "" {
		g.oidc = newProvider(cfg.OIDC)
	}
	return g, nil
}

// Required reports whether anybody is asked at all.
func (g *Gate) Required() bool { return g.cfg.Required }

// Identify returns who made a request. The error is one of this package's when
// nobody is known; it is worded for whoever asked.
func (g *Gate) Identify(r *http.Request) (Identity, error) {
	if !g.cfg.Required {
		return Open, nil
	}
	ctx := r.Context()
	if header := r.Header.Get("Authorization"); header != "" {
		return g.db.token(ctx, tokenIn(r, header))
	}
	if secret := sessionIn(r); secret != "" {
		who, err := g.db.session(ctx, sessionID(secret))
		if err == nil || !errors.Is(err, ErrSession) {
			return who, err
		}
	}
	if name := r.Header.Get(g.cfg.Proxy.Header); g.cfg.Proxy.Header != "" && name != "" && g.fromProxy(r) && checkName("user", name) == nil {
		who := Identity{Name: name, Role: RoleViewer, Method: "proxy"}
		if slices.Contains(g.cfg.Proxy.Operators, name) {
			who.Role = RoleOperator
		}
		return who, nil
	}
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		return Identity{Name: r.TLS.PeerCertificates[0].Subject.CommonName, Role: RoleAgent, Method: "certificate"}, nil
	}
	if sessionIn(r) != "" {
		return Identity{}, ErrSession
	}
	return Identity{}, ErrMissing
}

// tokenIn takes the token out of the header: as a bearer token, or as the
// password that a URL carries for programs which know nothing else.
func tokenIn(r *http.Request, header string) string {
	if token, ok := strings.CutPrefix(header, "Bearer "); ok {
		return strings.TrimSpace(token)
	}
	_, password, _ := r.BasicAuth()
	return password
}

func sessionIn(r *http.Request) string {
	names := []string{CookieName}
	if r.TLS != nil {
		names = []string{secureCookieName, CookieName} // a proxy may end TLS before the hub, or both
	} else {
		names = append(names, secureCookieName)
	}
	for _, name := range names {
		if c, err := r.Cookie(name); err == nil && c.Value != "" {
			return c.Value
		}
	}
	return ""
}

func (g *Gate) fromProxy(r *http.Request) bool {
	addr, err := netip.ParseAddr(remote(r))
	if err != nil {
		return false
	}
	return slices.ContainsFunc(g.proxies, func(p netip.Prefix) bool { return p.Contains(addr.Unmap()) })
}

// remote is the address at the other end of the connection.
func remote(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return host
	}
	return r.RemoteAddr
}

// Deny counts a request that was denied.
func (g *Gate) Deny(err error) { g.denied.WithLabelValues(reason(err)).Inc() }

func reason(err error) string {
	for known, word := range map[error]string{
		ErrMissing: "missing", ErrUnknown: "unknown", ErrRevoked: "revoked", ErrExpired: "expired", ErrSession: "session", ErrPassword: "password",
	} {
		if errors.Is(err, known) {
			return word
		}
	}
	var many *TooManyError
	if errors.As(err, &many) {
		return "too_many"
	}
	return "forbidden"
}

// SignIn checks a name and a password and begins a session. The error is
// ErrPassword or a *TooManyError when it is the other's fault.
func (g *Gate) SignIn(r *http.Request, name, password string) (Identity, *http.Cookie, error) {
	from := remote(r)
	if wait := g.tries.wait(from, name); wait > 0 {
		err := &TooManyError{RetryAfter: wait}
		g.Deny(err)
		return Identity{}, nil, err
	}
	u, err := g.db.checkUser(r.Context(), name, password)
	if err != nil {
		if errors.Is(err, ErrPassword) {
			g.Deny(err)
			g.logger.Warn("sign-in refused", "remote", from)
			g.record(r, name, "login-failed", "")
		}
		return Identity{}, nil, err
	}
	g.tries.forget(from, name)
	return g.begin(r, Identity{Name: u.Name, Role: u.Role, Method: "password"})
}

func (g *Gate) begin(r *http.Request, who Identity) (Identity, *http.Cookie, error) {
	secret, expires, err := g.db.begin(r.Context(), who, g.cfg.Session)
	if err != nil {
		return Identity{}, nil, err
	}
	g.record(r, who.Name, "login", who.Method)
	who.key = sessionID(secret)
	return who, g.cookie(r, secret, expires), nil
}

// cookie is the session's. Lax lets links from elsewhere, and the pages of pprof,
// which have an origin of their own, find the hub signed in; what changes things
// is asked for its origin besides.
func (g *Gate) cookie(r *http.Request, secret string, expires time.Time) *http.Cookie {
	c := &http.Cookie{Name: CookieName, Value: secret, Path: "/", Expires: expires, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if secret == "" {
		c.MaxAge = -1
	}
	if r.TLS != nil || g.fromProxy(r) && r.Header.Get("X-Forwarded-Proto") == "https" {
		c.Name, c.Secure = secureCookieName, true
	}
	return c
}

// SignOut ends the session of a request and returns the cookie that says so.
func (g *Gate) SignOut(r *http.Request) (*http.Cookie, error) {
	if secret := sessionIn(r); secret != "" {
		if who, err := g.db.session(r.Context(), sessionID(secret)); err == nil {
			g.record(r, who.Name, "logout", "")
		}
		if err := g.db.end(r.Context(), sessionID(secret)); err != nil {
			return nil, err
		}
	}
	return g.cookie(r, "", time.Unix(1, 0)), nil
}

// record adds to the audit log; that it fails stops nobody.
func (g *Gate) record(r *http.Request, who, action, what string) {
	err := g.db.Record(context.WithoutCancel(r.Context()), Entry{Who: who, Action: action, What: what, Remote: remote(r)})
	if err != nil {
		g.logger.Error("the audit log cannot be written", "action", action, "error", err)
	}
}

// Record adds what somebody did to the audit log.
func (g *Gate) Record(r *http.Request, who Identity, action, what string) {
	g.record(r, who.Name, action, what)
}

// Hold returns a context for a long connection that ends when whoever opened it
// is no longer let in. release must be called at its end.
func (g *Gate) Hold(ctx context.Context, who Identity) (held context.Context, release func()) {
	if who.key == "" {
		return ctx, func() {}
	}
	held, cancel := context.WithCancel(ctx)
	h := &hold{who, cancel}
	g.mu.Lock()
	g.held[h] = struct{}{}
	g.mu.Unlock()
	return held, func() {
		g.mu.Lock()
		delete(g.held, h)
		g.mu.Unlock()
		cancel()
	}
}

// Recheck ends the long connections of those who are no longer let in. It is to
// be called every few seconds.
func (g *Gate) Recheck(ctx context.Context) {
	g.mu.Lock()
	byKey := map[string][]*hold{}
	for h := range g.held {
		byKey[h.who.key] = append(byKey[h.who.key], h)
	}
	g.mu.Unlock()
	for key, holds := range byKey {
		if err := g.stillHolds(ctx, key, holds[0].who); over(err) {
			g.logger.Info("connections closed: their token or session is over", "who", holds[0].who.Name, "connections", len(holds))
			for _, h := range holds {
				h.cancel()
			}
		}
	}
}

// over tells the end of a token or session from a database that cannot be read.
func over(err error) bool {
	return slices.ContainsFunc([]error{ErrUnknown, ErrRevoked, ErrExpired, ErrSession}, func(e error) bool { return errors.Is(err, e) })
}

func (g *Gate) stillHolds(ctx context.Context, key string, who Identity) error {
	if who.Method == "token" {
		_, _, err := g.db.tokenByID(ctx, key)
		return err
	}
	_, err := g.db.session(ctx, key)
	return err
}

// Tidy removes what is over.
func (g *Gate) Tidy(ctx context.Context) error {
	if err := g.db.Tidy(ctx); err != nil {
		return fmt.Errorf("tidy %s: %w", FileName, err)
	}
	return nil
}
