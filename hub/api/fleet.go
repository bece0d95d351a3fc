package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/wire"
)

// reply is a JSON answer.
type reply[T any] struct{ Body T }

// ByService names a service.
type ByService struct {
	Service string `path:"service" doc:"The service's name"`
}

func (s *Server) fleetOperations() {
	register(s, operation{
		method: http.MethodGet, path: "/api/services", id: "list-services", tag: "fleet", access: AccessViewer,
		summary: "Every service, worst first",
	}, s.services)
	register(s, operation{
		method: http.MethodGet, path: "/api/services/{service}", id: "get-service", tag: "fleet", access: AccessViewer,
		summary: "One service with its instances", errors: []int{http.StatusNotFound},
	}, s.service)
	register(s, operation{
		method: http.MethodGet, path: "/api/services/{service}/metrics", id: "get-metrics", tag: "fleet", access: AccessViewer,
		summary: "A service's readings: the newest, or a range thinned so that no peak is lost", errors: []int{http.StatusNotFound},
	}, s.serviceMetrics)
}

func (s *Server) services(context.Context, *struct{}) (*reply[[]Service], error) {
	all := s.Fleet.Services()
	if all == nil {
		all = []Service{}
	}
	return &reply[[]Service]{all}, nil
}

func (s *Server) service(_ context.Context, in *ByService) (*reply[Service], error) {
	one, ok := s.Fleet.Service(in.Service)
	if !ok {
		return nil, notFound("service", in.Service)
	}
	return &reply[Service]{one}, nil
}

// maxReadings bounds the points of one instance in one answer.
const maxReadings = 20_000

type metricsInput struct {
	ByService
	Instance string  `query:"instance" maxLength:"200" doc:"One instance; all without"`
	From     instant `query:"from" doc:"The beginning of the range"`
	To       instant `query:"to" doc:"The end of the range"`
	Limit    int     `query:"limit" default:"100" minimum:"1" maximum:"20000" doc:"At most so many readings of each instance: the newest, or a range thinned to as many"`
	Step     length  `query:"step" doc:"Thin a range to two readings in each such step; needs from"`
}

// serviceMetrics answers with the newest readings, or with a range of them
// thinned to limit points for each instance, or to two for each step.
func (s *Server) serviceMetrics(ctx context.Context, in *metricsInput) (*reply[ServiceMetrics], error) {
	q := MetricsQuery{Service: in.Service, Instance: in.Instance, From: in.From.Time, To: in.To.Time, Limit: in.Limit}
	if !q.From.IsZero() && !q.To.IsZero() && q.To.Before(q.From) {
		return nil, badParameter("to", in.To.text, "a time after from")
	}
	if in.Step.Duration > 0 {
		if q.From.IsZero() {
			return nil, badParameter("from", "", "a time, as step needs a range")
		}
		q.Limit = steps(q, in.Step.Duration)
	}
	known, ok := s.Fleet.Service(q.Service)
	if !ok {
		return nil, notFound("service", q.Service)
	}
	if q.Instance != "" && !slices.ContainsFunc(known.Instances, func(i Instance) bool { return i.Name == q.Instance }) {
		return nil, notFound("instance", q.Instance)
	}
	out := ServiceMetrics{Service: q.Service, Metrics: []wire.Metrics{}}
	all, total, err := s.Store.Readings(ctx, q)
	switch {
	case errors.Is(err, ErrNotFound): // registered, but nothing came yet
	case err != nil:
		return nil, fmt.Errorf("readings of %s: %w", q.Service, err)
	default:
		out.Metrics, out.Total = merge(q.Service, all), total
	}
	return &reply[ServiceMetrics]{out}, nil
}

// steps is how many points a step leaves of a range, two for each.
func steps(q MetricsQuery, step time.Duration) int {
	to := q.To
	if to.IsZero() {
		to = time.Now()
	}
	points := max(0, min(2*int64(to.Sub(q.From)/step), maxReadings)) + 4
	return int(min(points, maxReadings))
}

// merge puts the series in one, by time.
func merge(service string, all []Series) []wire.Metrics {
	type reading struct {
		instance string
		sample   *memwatch.Sample
	}
	var readings []reading
	for _, series := range all {
		for i := range series.Samples {
			readings = append(readings, reading{series.Instance, &series.Samples[i]})
		}
	}
	slices.SortStableFunc(readings, func(a, b reading) int { return a.sample.Time.Compare(b.sample.Time) })
	out := make([]wire.Metrics, len(readings))
	for i, r := range readings {
		out[i] = *wire.NewMetrics("", memwatch.Target{Service: service, Instance: r.instance}, r.sample, nil)
	}
	return out
}
