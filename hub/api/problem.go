package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// ErrNotFound is returned by the rooms behind the API for what does not exist.
var ErrNotFound = errors.New("not found")

// ErrUnavailable is returned by the rooms behind the API while their database cannot
// be reached.
var ErrUnavailable = errors.New("database cannot be reached")

// Problem is every error's body (RFC 9457, application/problem+json).
type Problem struct {
	Type   string `json:"type" doc:"about:blank: the title says it"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty" doc:"What happened, in words for people"`
	// Field, Value and Allowed name what was wrong with a request, where it is one thing.
	Field   string `json:"field,omitempty" doc:"The parameter, or the part of the body, that is wrong"`
	Value   string `json:"value,omitempty" doc:"What it was"`
	Allowed string `json:"allowed,omitempty" doc:"What it may be"`

	header http.Header
}

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header { return p.header }

// Error makes a Problem an error that handlers may return.
func (p *Problem) Error() string { return p.Title + ": " + p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

func newProblem(status int, title, format string, args ...any) *Problem {
	return &Problem{Type: "about:blank", Title: title, Status: status, Detail: fmt.Sprintf(format, args...)}
}

func badParameter(field, value, allowed string) *Problem {
	value = short(value, 100)
	p := newProblem(http.StatusBadRequest, "Bad parameter", "%s: %q is not allowed: want %s", field, value, allowed)
	p.Field, p.Value, p.Allowed = field, value, allowed
	return p
}

func notFound(noun, name string) *Problem {
	return newProblem(http.StatusNotFound, "Not found", "there is no %s %q", noun, short(name, 200))
}

// unknownOr turns a room's error into a problem where it says that there is no such thing.
func unknownOr(err error, noun, name string) error {
	switch {
	case errors.Is(err, ErrNotFound):
		return notFound(noun, name)
	case err != nil:
		return fmt.Errorf("%s %s: %w", noun, short(name, 200), err)
	}
	return nil
}

// short cuts a value that is only repeated to whoever sent it.
func short(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// The library's errors become Problems; it offers no other place to say so.
func init() {
	huma.NewErrorWithContext = refusal
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
		return refusal(nil, status, msg, errs...)
	}
}

// refusal words what huma found wrong with a request.
func refusal(ctx huma.Context, status int, msg string, errs ...error) huma.StatusError {
	if len(errs) == 0 {
		return newProblem(status, http.StatusText(status), "%s", msg)
	}
	var p *Problem
	if errors.As(errs[0], &p) {
		return p
	}
	var d *huma.ErrorDetail
	if !errors.As(errs[0], &d) {
		return newProblem(status, http.StatusText(status), "%s: %s", msg, errs[0])
	}
	place, field, _ := strings.Cut(d.Location, ".")
	if field == "" {
		field = place
	}
	var op *huma.Operation
	if ctx != nil {
		op = ctx.Operation()
	}
	return badParameter(field, fmt.Sprint(d.Value), wanted(op, place, field, d.Message))
}

// wanted says what a parameter may be, from its schema; of a body, what huma said.
func wanted(op *huma.Operation, place, field, said string) string {
	said = strings.TrimPrefix(said, "expected ")
	if op == nil || place == "body" {
		return said
	}
	for _, p := range op.Parameters {
		if p.In != place || p.Name != field {
			continue
		}
		switch s := p.Schema; {
		case len(s.Enum) > 0:
			words := make([]string, len(s.Enum))
			for i, v := range s.Enum {
				words[i] = fmt.Sprint(v)
			}
			return "one of " + strings.Join(words, ", ")
		case s.Type == huma.TypeInteger && s.Minimum != nil && s.Maximum != nil:
			return fmt.Sprintf("a number from %g to %g", *s.Minimum, *s.Maximum)
		case s.Format == formatInstant:
			return wantInstant
		case s.Format == formatLength:
			return wantLength
		case s.MaxLength != nil:
			return fmt.Sprintf("at most %d characters", *s.MaxLength)
		}
	}
	return said
}

// WriteError answers a request with an error, of which the outside is told what
// is meant for it.
func (s *Server) WriteError(w http.ResponseWriter, r *http.Request, err error) {
	if p, ok := asProblem(s.outside(r.Context(), r.URL.Path, err)); ok {
		s.writeError(w, p)
	}
}

// writeError answers a request that no operation does.
func (s *Server) writeError(w http.ResponseWriter, p *Problem) {
	h := w.Header()
	for k, v := range p.header {
		h[k] = v
	}
	h.Set("Content-Type", p.ContentType(""))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the reader may be gone; there is nobody to tell
}
