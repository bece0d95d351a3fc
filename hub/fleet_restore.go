package hub

import (
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/wire"
)

// restore takes an instance as the store knows it. Until it is heard of, it is
// disconnected; it counts as heard of when it last was.
func (f *fleet) restore(r restored) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, i := f.get(name{r.target.Service, r.target.Instance})
	if first := memwatch.Milli(r.firstSeen); first > 0 && first < s.registeredAt {
		s.registeredAt = first
	}
	i.reason = "not heard of since the hub started"
	i.heard, i.labels, i.verdict = r.lastSeen, r.target.Labels, r.verdict
	s.release(versionOf(i.labels), 0)
	if i.heard.After(f.heardBefore) && i.heard.Before(f.started) {
		f.heardBefore = i.heard
	}
	for n := range r.readings {
		i.remember(&r.readings[n])
	}
	if n := len(r.readings); n > 1 {
		i.interval = r.readings[n-1].Time.Sub(r.readings[0].Time) / time.Duration(n-1)
	}
	if r.last != nil {
		i.newest = memwatch.Milli(r.last.Time)
		i.metrics = wire.NewMetrics("", memwatch.Target{Service: s.name, Instance: i.name}, r.last, r.verdict)
		i.metrics.Verdict = nil
	}
}

// restored is what a restart finds of an instance.
type restored struct {
	target              memwatch.Target
	firstSeen, lastSeen time.Time
	last                *memwatch.Sample
	verdict             *memwatch.Verdict
	readings            []memwatch.Sample // of the last while, thinned
}

// counted sets how many alerts a service has had.
func (f *fleet) counted(service string, total int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.services[service]; s != nil {
		s.totalAlerts = total
	}
}
