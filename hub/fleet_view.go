package hub

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/api"
	"github.com/zupee/memwatch/wire"
)

// Services returns the fleet, worst first.
func (f *fleet) Services() []api.Service {
	f.mu.RLock()
	defer f.mu.RUnlock()
	out := make([]api.Service, 0, len(f.services))
	for _, s := range f.services {
		out = append(out, s.view())
	}
	slices.SortFunc(out, func(a, b api.Service) int {
		return cmp.Or(
			compareVerdicts(a.Verdict, b.Verdict),
			cmp.Compare(trouble(b.Status), trouble(a.Status)),
			cmp.Compare(a.Name, b.Name),
		)
	})
	return out
}

// Service returns one service by name.
func (f *fleet) Service(name string) (api.Service, bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	s := f.services[name]
	if s == nil {
		return api.Service{}, false
	}
	return s.view(), true
}

// counts are the fleet's part of the statistics.
func (f *fleet) counts() (services, connected, instances int) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	for _, s := range f.services {
		instances += len(s.instances)
		if s.status() != wire.Disconnected {
			connected++
		}
	}
	return len(f.services), connected, instances
}

// trouble orders statuses among services that are equally well.
func trouble(s wire.Status) int {
	switch s {
	case wire.Disconnected:
		return 2
	case wire.Unreachable:
		return 1
	case wire.Connected:
	}
	return 0
}

// compareVerdicts puts the worse first: by severity, then state, then by how
// soon the limit is reached, then by growth.
func compareVerdicts(a, b *memwatch.Verdict) int {
	var none memwatch.Verdict
	if a == nil {
		a = &none
	}
	if b == nil {
		b = &none
	}
	return cmp.Or(
		cmp.Compare(b.Severity.Rank(), a.Severity.Rank()),
		cmp.Compare(b.State.Rank(), a.State.Rank()),
		cmp.Compare(secondsLeft(a), secondsLeft(b)),
		cmp.Compare(b.GrowthBytesPerSecond.Estimate, a.GrowthBytesPerSecond.Estimate),
	)
}

func secondsLeft(v *memwatch.Verdict) float64 {
	if v.TimeToLimitSeconds == nil {
		return math.Inf(1)
	}
	return *v.TimeToLimitSeconds
}

func (s *service) view() api.Service {
	out := api.Service{
		Name: s.name, Status: s.status(), RegisteredAt: s.registeredAt,
		TotalAlerts: s.totalAlerts, OpenAlerts: len(s.open),
		Instances: make([]api.Instance, 0, len(s.instances)), Releases: slices.Clone(s.releases),
	}
	names := slices.SortedFunc(maps.Keys(s.instances), func(a, b string) int {
		return cmp.Or(compareVerdicts(s.instances[a].verdict, s.instances[b].verdict), cmp.Compare(a, b))
	})
	for at, n := range names {
		i := s.instances[n]
		v := i.view()
		out.Instances = append(out.Instances, v)
		if at == 0 {
			out.Worst, out.Verdict, out.Sparkline, out.Labels = n, i.verdict, i.sparkline(), common(s.instances)
		}
		if v.LastSeen > out.LastSeen {
			out.LastSeen = v.LastSeen
		}
		if i.metrics != nil && (out.LastMetrics == nil || i.metrics.Timestamp > out.LastMetrics.Timestamp) {
			out.LastMetrics = i.metrics
		}
	}
	return out
}

func (i *instance) view() api.Instance {
	out := api.Instance{
		Name: i.name, Status: i.status, Reason: i.reason,
		LastSeen: memwatch.Milli(i.heard), Labels: i.labels, Verdict: i.verdict,
	}
	if i.metrics != nil {
		out.Sample = i.metrics.Sample
	}
	return out
}

// common are the labels that all instances share.
func common(instances map[string]*instance) map[string]string {
	var out map[string]string
	first := true
	for _, i := range instances {
		if first {
			out, first = maps.Clone(i.labels), false
			continue
		}
		maps.DeleteFunc(out, func(k, v string) bool { have, ok := i.labels[k]; return !ok || have != v })
	}
	return out
}
