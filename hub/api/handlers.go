package api

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/wire"
)

func (s *Server) services(*http.Request) (any, error) {
	all := s.Fleet.Services()
	if all == nil {
		all = []Service{}
	}
	return all, nil
}

func (s *Server) service(r *http.Request) (any, error) {
	name := r.PathValue("service")
	one, ok := s.Fleet.Service(name)
	if !ok {
		return nil, notFound("service", name)
	}
	return one, nil
}

const (
	// defaultReadings is how many readings the original returned.
	defaultReadings = 100
	maxReadings     = 20_000
)

// serviceMetrics answers with the newest readings, or with a range of them
// thinned to limit points for each instance, or to two for each step.
func (s *Server) serviceMetrics(r *http.Request) (any, error) {
	p := parse(r)
	q := MetricsQuery{
		Service: r.PathValue("service"), Instance: p.text("instance"),
		From: p.instant("from"), To: p.instant("to"), Limit: p.limit(defaultReadings, maxReadings),
	}
	if !q.From.IsZero() && !q.To.IsZero() && q.To.Before(q.From) {
		p.fail("to", p.text("to"), "a time after from")
	}
	if step := p.length("step"); step > 0 {
		q.Limit = p.steps(q, step)
	}
	if p.err != nil {
		return nil, p.err
	}
	known, ok := s.Fleet.Service(q.Service)
	if !ok {
		return nil, notFound("service", q.Service)
	}
	if q.Instance != "" && !slices.ContainsFunc(known.Instances, func(i Instance) bool { return i.Name == q.Instance }) {
		return nil, notFound("instance", q.Instance)
	}
	out := ServiceMetrics{Service: q.Service, Metrics: []wire.Metrics{}}
	all, total, err := s.Store.Readings(r.Context(), q)
	switch {
	case errors.Is(err, ErrNotFound): // registered, but nothing came yet
	case err != nil:
		return nil, fmt.Errorf("readings of %s: %w", q.Service, err)
	default:
		out.Metrics, out.Total = merge(q.Service, all), total
	}
	return out, nil
}

// steps is how many points a step leaves of a range, two for each.
func (p *params) steps(q MetricsQuery, step time.Duration) int {
	to := q.To
	if to.IsZero() {
		to = time.Now()
	}
	if q.From.IsZero() {
		p.fail("from", "", "a time, as step needs a range")
		return 0
	}
	points := 2*int(to.Sub(q.From)/step) + 4
	if p.text("limit") != "" {
		points = min(points, q.Limit)
	}
	return min(points, maxReadings)
}

// merge interleaves the series by time.
func merge(service string, all []Series) []wire.Metrics {
	n := 0
	for _, series := range all {
		n += len(series.Samples)
	}
	out := make([]wire.Metrics, 0, n)
	next := make([]int, len(all))
	for len(out) < n {
		first := -1
		var at time.Time
		for i, series := range all {
			if next[i] < len(series.Samples) && (first < 0 || series.Samples[next[i]].Time.Before(at)) {
				first, at = i, series.Samples[next[i]].Time
			}
		}
		target := memwatch.Target{Service: service, Instance: all[first].Instance}
		out = append(out, *wire.NewMetrics("", target, &all[first].Samples[next[first]], nil))
		next[first]++
	}
	return out
}

func (s *Server) alerts(r *http.Request) (any, error) {
	p := parse(r)
	q := AlertQuery{
		Service:  p.text("service"),
		Severity: choice(p, "severity", memwatch.SeverityInfo, memwatch.SeverityWarning, memwatch.SeverityCritical),
		State:    choice(p, "state", memwatch.AlertFiring, memwatch.AlertResolved),
		Kind:     choice(p, "kind", memwatch.KindHeap, memwatch.KindGoroutine, memwatch.KindOffHeap, memwatch.KindFragmentation),
		Limit:    p.limit(100, 1000),
	}
	if p.err != nil {
		return nil, p.err
	}
	list, total, err := s.Store.Alerts(r.Context(), q)
	if err != nil {
		return nil, fmt.Errorf("alerts: %w", err)
	}
	if list == nil {
		list = []memwatch.Alert{}
	}
	return Alerts{Alerts: list, Total: total}, nil
}

func (s *Server) alert(r *http.Request) (any, error) {
	id := r.PathValue("id")
	a, err := s.Store.Alert(r.Context(), id)
	if errors.Is(err, ErrNotFound) {
		return nil, notFound("alert", id)
	}
	if err != nil {
		return nil, fmt.Errorf("alert %s: %w", id, err)
	}
	return a, nil
}

func (s *Server) profiles(r *http.Request) (any, error) {
	p := parse(r)
	q := ProfileQuery{Service: p.text("service"), Instance: p.text("instance"), Limit: p.limit(100, 1000)}
	if p.err != nil {
		return nil, p.err
	}
	if id := p.text("alert"); id != "" {
		return s.profilesOf(r, id, q)
	}
	list, total, err := s.Store.Captures(r.Context(), q)
	if err != nil {
		return nil, fmt.Errorf("profiles: %w", err)
	}
	if list == nil {
		list = []memwatch.Capture{}
	}
	return Profiles{Profiles: list, Total: total}, nil
}

// profilesOf returns the captures that belong to an alert; those that retention
// has removed meanwhile are left out.
func (s *Server) profilesOf(r *http.Request, id string, q ProfileQuery) (any, error) {
	a, err := s.Store.Alert(r.Context(), id)
	if errors.Is(err, ErrNotFound) {
		return nil, notFound("alert", id)
	}
	if err != nil {
		return nil, fmt.Errorf("alert %s: %w", id, err)
	}
	out := Profiles{Profiles: []memwatch.Capture{}}
	for i := len(a.Profiles) - 1; i >= 0; i-- {
		c, err := s.Store.Capture(r.Context(), a.Profiles[i])
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("profile %s: %w", a.Profiles[i], err)
		}
		if (q.Service != "" && q.Service != c.Service) || (q.Instance != "" && q.Instance != c.Instance) {
			continue
		}
		if out.Total++; len(out.Profiles) < q.Limit {
			out.Profiles = append(out.Profiles, c)
		}
	}
	return out, nil
}

// find returns a capture, or the problem to answer with.
func (s *Server) find(r *http.Request, id string) (memwatch.Capture, error) {
	c, err := s.Store.Capture(r.Context(), id)
	if errors.Is(err, ErrNotFound) {
		return c, notFound("profile", id)
	}
	if err != nil {
		return c, fmt.Errorf("profile %s: %w", id, err)
	}
	return c, nil
}

// forever is the Cache-Control of what never changes: a profile and its graph.
const forever = "private, max-age=31536000, immutable"

// download serves a profile's bytes as they were captured.
func (s *Server) download(w http.ResponseWriter, r *http.Request) {
	c, err := s.find(r, r.PathValue("id"))
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	f, err := s.Blobs.Open(r.Context(), c.SHA256)
	if errors.Is(err, ErrNotFound) {
		err = notFound("stored data of profile", c.ID)
	}
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	defer func() { _ = f.Close() }()
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", c.Filename))
	h.Set("ETag", `"`+c.SHA256+`"`)
	h.Set("Cache-Control", forever)
	http.ServeContent(w, r, "", c.Time.Time(), f)
}
