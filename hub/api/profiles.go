package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/zupee/memwatch"
)

func (s *Server) profileOperations() {
	register(s, operation{
		method: http.MethodGet, path: "/api/profiles", id: "list-profiles", tag: "profiles", access: AccessViewer,
		summary: "Profiles, newest first", errors: []int{http.StatusNotFound},
	}, s.profiles)
	register(s, operation{
		method: http.MethodGet, path: "/api/profiles/{id}", id: "get-profile", tag: "profiles", access: AccessViewer,
		summary: "A profile's bytes, as `go tool pprof` reads them", errors: []int{http.StatusNotFound},
		more: bytesOf("application/octet-stream"),
	}, s.download)
	register(s, operation{
		method: http.MethodGet, path: "/api/profiles/{id}/flamegraph", id: "get-flamegraph", tag: "profiles", access: AccessViewer,
		summary: "A profile as a tree of calls; with base, two on top of each other",
		errors:  []int{http.StatusNotFound, http.StatusUnprocessableEntity},
	}, s.flamegraph)
}

type profilesInput struct {
	Page
	Service  string `query:"service" maxLength:"200"`
	Instance string `query:"instance" maxLength:"200"`
	Kind     string `query:"kind" enum:"heap,goroutine,goroutineleak,other"`
	Role     string `query:"role" enum:"baseline,suspect,leaking,lastgasp,upload"`
	Alert    string `query:"alert" maxLength:"200" doc:"Those that belong to this alert"`
}

func (s *Server) profiles(ctx context.Context, in *profilesInput) (*reply[Profiles], error) {
	q := ProfileQuery{
		Service: in.Service, Instance: in.Instance, Kind: memwatch.ProfileKind(in.Kind), Role: memwatch.Role(in.Role),
		Limit: in.Limit, Before: in.Cursor,
	}
	if in.Alert != "" {
		a, err := s.Store.Alert(ctx, in.Alert)
		if err != nil {
			return nil, unknownOr(err, "alert", in.Alert)
		}
		q.IDs = append([]string{}, a.Profiles...)
	}
	list, total, err := s.Store.Captures(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("profiles: %w", badCursor(err, in.Cursor))
	}
	out := Profiles{Profiles: list, Total: total}
	if list == nil {
		out.Profiles = []memwatch.Capture{}
	}
	if len(list) == in.Limit {
		out.Next = list[len(list)-1].ID
	}
	return &reply[Profiles]{out}, nil
}

// find returns a capture, or the problem to answer with.
func (s *Server) find(ctx context.Context, id string) (memwatch.Capture, error) {
	c, err := s.Store.Capture(ctx, id)
	return c, unknownOr(err, "profile", id)
}

// forever is the Cache-Control of what never changes: a profile and its graph.
const forever = "private, max-age=31536000, immutable"

// download serves a profile's bytes as they were captured.
func (s *Server) download(ctx context.Context, in *ByID) (*huma.StreamResponse, error) {
	c, err := s.find(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	f, err := s.Blobs.Open(ctx, c.SHA256)
	if errors.Is(err, ErrNotFound) {
		return nil, notFound("stored data of profile", c.ID)
	}
	if err != nil {
		return nil, fmt.Errorf("open profile %s: %w", c.ID, err)
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer func() { _ = f.Close() }()
		r, w := humago.Unwrap(hc)
		h := w.Header()
		h.Set("Content-Type", "application/octet-stream")
		h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", c.Filename))
		h.Set("ETag", `"`+c.SHA256+`"`)
		h.Set("Cache-Control", forever)
		http.ServeContent(w, r, "", c.Time.Time(), f)
	}}, nil
}
