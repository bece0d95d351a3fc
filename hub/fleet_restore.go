package hub

import (
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/wire"
)

// restore takes an instance as the store knows it. Until it is heard of, it is
// disconnected; it counts as heard of when it last was. Of one that is known
// already, it takes what is newer.
func (f *fleet) restore(r restored) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, i := f.get(name{r.target.Service, r.target.Instance})
	if i.newest > 0 {
		i.renew(s.name, r)
		return
	}
	if first := memwatch.Milli(r.firstSeen); first > 0 && first < s.registeredAt {
		s.registeredAt = first
	}
	if i.labels, i.verdict = r.target.Labels, r.verdict; i.status == wire.Disconnected {
		i.reason, i.heard = "not heard of since the hub started", r.lastSeen
	}
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
	i.renew(s.name, r)
}

// renew takes the newest reading and the verdict.
func (i *instance) renew(service string, r restored) {
	if r.last == nil || memwatch.Milli(r.last.Time) <= i.newest {
		return
	}
	i.newest, i.verdict = memwatch.Milli(r.last.Time), r.verdict
	i.metrics = wire.NewMetrics("", memwatch.Target{Service: service, Instance: i.name}, r.last, r.verdict)
	i.metrics.Verdict = nil
}

// restored is what a restart finds of an instance.
type restored struct {
	target              memwatch.Target
	firstSeen, lastSeen time.Time
	last                *memwatch.Sample
	verdict             *memwatch.Verdict
	readings            []memwatch.Sample // of the last while, thinned
}

// counted sets how many alerts each service has had, and which fire.
func (f *fleet) counted(totals map[string]int, open []memwatch.Alert) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.services {
		s.totalAlerts = totals[s.name]
		clear(s.open)
	}
	for i := range open {
		if s := f.services[open[i].Service]; s != nil {
			s.open[open[i].ID] = true
		}
	}
}
