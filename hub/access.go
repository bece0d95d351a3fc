package hub

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/api"
	"github.com/zupee/memwatch/hub/auth"
	"github.com/zupee/memwatch/hub/ingest"
)

// caller is who made a request, or why that is not known. It travels in the
// request's context.
type caller struct {
	who     auth.Identity
	err     error
	request *http.Request
}

type callerKey struct{}

func callerOf(ctx context.Context) caller {
	c, ok := ctx.Value(callerKey{}).(caller)
	if !ok {
		return caller{err: auth.ErrMissing}
	}
	return c
}

// identified finds out who makes each request. Nothing is refused yet: what is
// open to everybody is so also for those with a token that has expired.
func (h *hub) identified(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := h.gate.Identify(r)
		ctx := context.WithValue(r.Context(), callerKey{}, caller{who, err, r})
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// allow answers nil, or the problem to answer with.
func (h *hub) allow(ctx context.Context, need auth.Role) error {
	c := callerOf(ctx)
	switch {
	case c.err != nil && isDenial(c.err):
		h.gate.Deny(c.err)
		return api.NotKnown(c.err.Error())
	case c.err != nil:
		return c.err
	case c.who.May(need):
		return nil
	}
	h.gate.Deny(errForbidden)
	return api.Forbidden("this needs the role " + string(need) + ", and " + describe(c.who) + " has the role " + string(c.who.Role))
}

var errForbidden = errors.New("forbidden")

func describe(who auth.Identity) string {
	if who.Name == "" {
		return "whoever asks"
	}
	return strconv.Quote(who.Name)
}

// isDenial tells what whoever asked can mend from what only the hub's log says.
func isDenial(err error) bool {
	for _, known := range []error{auth.ErrMissing, auth.ErrUnknown, auth.ErrRevoked, auth.ErrExpired, auth.ErrSession} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// admitted lets those through who have a role, and cuts long connections when it
// no longer holds.
func (h *hub) admitted(need auth.Role, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h.allow(r.Context(), need); err != nil {
			h.rest.WriteError(w, r, err)
			return
		}
		ctx, release := h.gate.Hold(r.Context(), callerOf(r.Context()).who)
		defer release()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// scoped holds an agent to the services that its token names.
func scoped(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if who := callerOf(r.Context()).who; len(who.Services) > 0 {
			r = r.WithContext(ingest.Only(r.Context(), who.MaySend))
		}
		next.ServeHTTP(w, r)
	})
}

// signedIn sends browsers that ask for a page to where people sign in.
func (h *hub) signedIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asksForPage := r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html")
		if asksForPage && isDenial(callerOf(r.Context()).err) {
			w.Header().Set("Cache-Control", "no-store")
			http.Redirect(w, r, "/login?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// people are those who use the API, as it sees them.
type people struct{ *hub }

// Allow implements api.People.
func (p people) Allow(ctx context.Context, need api.Access) error {
	return p.allow(ctx, auth.Role(need))
}

// Current implements api.People.
func (p people) Current(ctx context.Context) api.Session {
	c := callerOf(ctx)
	return api.Session{Required: p.gate.Required(), SignedIn: c.err == nil, Name: c.who.Name, Role: string(c.who.Role), Method: c.who.Method}
}

// SignIn implements api.People.
func (p people) SignIn(ctx context.Context, name, password string) (api.Session, *http.Cookie, error) {
	if !p.gate.Required() {
		return p.Current(ctx), nil, nil
	}
	who, cookie, err := p.gate.SignIn(callerOf(ctx).request, name, password)
	var many *auth.TooManyError
	switch {
	case errors.As(err, &many):
		return api.Session{}, nil, api.TooMany(many.Error(), many.RetryAfter)
	case errors.Is(err, auth.ErrPassword):
		return api.Session{}, nil, api.NotKnown(err.Error())
	case err != nil:
		return api.Session{}, nil, err
	}
	return api.Session{Required: true, SignedIn: true, Name: who.Name, Role: string(who.Role), Method: who.Method}, cookie, nil
}

// SignOut implements api.People.
func (p people) SignOut(ctx context.Context) (*http.Cookie, error) {
	return p.gate.SignOut(callerOf(ctx).request)
}

// Record implements api.People.
func (p people) Record(ctx context.Context, action, what string) {
	c := callerOf(ctx)
	if c.request != nil {
		p.gate.Record(c.request, c.who, action, what)
	}
}

// Audit implements api.People.
func (p people) Audit(ctx context.Context, before int64, limit int) ([]api.AuditEntry, error) {
	lines, err := p.access.Audit(ctx, before, limit)
	out := make([]api.AuditEntry, len(lines))
	for i, l := range lines {
		out[i] = api.AuditEntry{ID: l.ID, Time: memwatch.Milli(l.Time), Who: l.Who, Action: l.Action, What: l.What, Remote: l.Remote}
	}
	return out, err
}
