package api

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/zupee/memwatch"
)

// People knows who makes a request and what they may do.
type People interface {
	// Allow answers a *Problem when whoever made the request may not do what needs
	// this access.
	Allow(ctx context.Context, need Access) error
	// Current is who made the request.
	Current(ctx context.Context) Session
	// SignIn begins a session; the cookie is nil where nobody needs one.
	SignIn(ctx context.Context, name, password string) (Session, *http.Cookie, error)
	SignOut(ctx context.Context) (*http.Cookie, error)
	// Record adds what the caller did to the audit log.
	Record(ctx context.Context, action, what string)
	// Audit answers the newest entries first, those with an id below before (0: all).
	Audit(ctx context.Context, before int64, limit int) ([]AuditEntry, error)
}

// Session says who is signed in.
type Session struct {
	Required bool   `json:"required" doc:"Whether this hub asks anybody who they are"`
	SignedIn bool   `json:"signedIn"`
	Name     string `json:"name"`
	Role     string `json:"role" doc:"viewer, operator or agent; empty when nobody is signed in"`
	Method   string `json:"method" doc:"How it is known: password, oidc, proxy, token, certificate; open where nobody is asked"`
}

// AuditEntry is one thing that somebody did.
type AuditEntry struct {
	ID     int64              `json:"id"`
	Time   memwatch.UnixMilli `json:"timestamp"`
	Who    string             `json:"who"`
	Action string             `json:"action"`
	What   string             `json:"what"`
	Remote string             `json:"remote"`
}

// AuditLog answers GET /api/audit, newest first.
type AuditLog struct {
	Entries []AuditEntry `json:"entries" nullable:"false"`
	Next    string       `json:"next,omitempty" doc:"The cursor of the next page; absent on the last"`
}

// NotKnown is the answer to those who are not known.
func NotKnown(detail string) *Problem {
	p := newProblem(http.StatusUnauthorized, "Not signed in", "%s", detail)
	p.header = http.Header{"Www-Authenticate": {"Bearer"}}
	return p
}

// Forbidden is the answer to those who may not.
func Forbidden(detail string) *Problem {
	return newProblem(http.StatusForbidden, "Not allowed", "%s", detail)
}

// TooMany asks to wait.
func TooMany(detail string, retryAfter time.Duration) *Problem {
	p := newProblem(http.StatusTooManyRequests, "Too many requests", "%s", detail)
	p.header = http.Header{"Retry-After": {strconv.Itoa(int(retryAfter.Seconds()) + 1)}}
	return p
}

// everybody may do everything: a server without People.
type everybody struct{}

func (everybody) Allow(context.Context, Access) error { return nil }
func (everybody) Current(context.Context) Session {
	return Session{SignedIn: true, Role: string(AccessOperator), Method: "open"}
}

func (e everybody) SignIn(ctx context.Context, _, _ string) (Session, *http.Cookie, error) {
	return e.Current(ctx), nil, nil
}

func (everybody) SignOut(context.Context) (*http.Cookie, error) {
	return &http.Cookie{Name: SessionCookie, MaxAge: -1, HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode}, nil
}
func (everybody) Record(context.Context, string, string)                  {}
func (everybody) Audit(context.Context, int64, int) ([]AuditEntry, error) { return nil, nil }

type signInInput struct {
	Body struct {
		Name     string `json:"name" minLength:"1" maxLength:"100"`
		Password string `json:"password" minLength:"1" maxLength:"800"`
	}
}

type sessionReply struct {
	Cookie       string `header:"Set-Cookie"`
	CacheControl string `header:"Cache-Control"`
	Body         Session
}

type auditInput struct {
	Limit  int    `query:"limit" default:"100" minimum:"1" maximum:"1000" doc:"At most so many"`
	Cursor string `query:"cursor" maxLength:"20" doc:"Go on where an earlier answer ended: its next"`
}

func (s *Server) peopleOperations() {
	register(s, operation{
		method: http.MethodGet, path: "/api/session", id: "get-session", tag: "access", summary: "Who am I?",
	}, func(ctx context.Context, _ *struct{}) (*sessionReply, error) {
		return &sessionReply{CacheControl: "no-store", Body: s.People.Current(ctx)}, nil
	})
	register(s, operation{
		method: http.MethodPost, path: "/api/session", id: "sign-in", tag: "access", summary: "Sign in with a local password",
		errors: []int{http.StatusUnauthorized, http.StatusTooManyRequests},
	}, func(ctx context.Context, in *signInInput) (*sessionReply, error) {
		session, cookie, err := s.People.SignIn(ctx, in.Body.Name, in.Body.Password)
		return replySession(session, cookie), err
	})
	register(s, operation{
		method: http.MethodDelete, path: "/api/session", id: "sign-out", tag: "access", summary: "Sign out",
	}, func(ctx context.Context, _ *struct{}) (*struct {
		Cookie string `header:"Set-Cookie"`
	}, error,
	) {
		cookie, err := s.People.SignOut(ctx)
		if err != nil {
			return nil, err
		}
		return &struct {
			Cookie string `header:"Set-Cookie"`
		}{cookie.String()}, nil
	})
	register(s, operation{
		method: http.MethodGet, path: "/api/audit", id: "list-audit", tag: "access", access: AccessOperator,
		summary: "Who did what: sign-ins, tokens, decisions, profiles",
	}, s.audit)
}

func replySession(session Session, cookie *http.Cookie) *sessionReply {
	out := &sessionReply{CacheControl: "no-store", Body: session}
	if cookie != nil {
		out.Cookie = cookie.String()
	}
	return out
}

func (s *Server) audit(ctx context.Context, in *auditInput) (*reply[AuditLog], error) {
	before := int64(0)
	if in.Cursor != "" {
		n, err := strconv.ParseInt(in.Cursor, 10, 64)
		if err != nil || n < 1 {
			return nil, badParameter("cursor", in.Cursor, "the next of an earlier answer")
		}
		before = n
	}
	entries, err := s.People.Audit(ctx, before, in.Limit)
	if err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	out := AuditLog{Entries: entries}
	if entries == nil {
		out.Entries = []AuditEntry{}
	}
	if len(entries) == in.Limit {
		out.Next = strconv.FormatInt(entries[len(entries)-1].ID, 10)
	}
	return &reply[AuditLog]{out}, nil
}
