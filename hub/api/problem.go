package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// ErrNotFound is returned by the rooms behind the API for what does not exist.
var ErrNotFound = errors.New("not found")

// Error makes a Problem an error that handlers may return.
func (p *Problem) Error() string { return p.Title + ": " + p.Detail }

func badParameter(field, value, allowed string) error {
	if len(value) > 100 {
		value = value[:100] + "…"
	}
	return &Problem{
		Title: "Bad parameter", Status: http.StatusBadRequest,
		Detail: fmt.Sprintf("%s: %q is not allowed: want %s", field, value, allowed),
		Field:  field, Value: value, Allowed: allowed,
	}
}

func notFound(noun, name string) error {
	if len(name) > 200 {
		name = name[:200] + "…"
	}
	return &Problem{Title: "Not found", Status: http.StatusNotFound, Detail: fmt.Sprintf("there is no %s %q", noun, name)}
}

// writeError maps any error to a problem; what is not meant for the outside
// stays in the log.
func (s *Server) writeError(w http.ResponseWriter, r *http.Request, err error) {
	var p *Problem
	if !errors.As(err, &p) {
		if r.Context().Err() != nil {
			return // nobody waits for the answer
		}
		s.logger.Error("request failed", "method", r.Method, "path", r.URL.Path, "error", err)
		p = &Problem{Title: "Internal error", Status: http.StatusInternalServerError, Detail: "the hub's log says more"}
	}
	out := *p
	if out.Type == "" {
		out.Type = "about:blank"
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	h.Del("Content-Disposition")
	w.WriteHeader(out.Status)
	_ = json.NewEncoder(w).Encode(out) // the reader may be gone; there is nobody to tell
}
