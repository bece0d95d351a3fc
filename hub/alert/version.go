package alert

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/zupee/memwatch"
)

const (
	// maxReleases is how many versions of a service are remembered, the newest.
	maxReleases = 16
	// flatFor is how long a fixed version must stay flat at most; less where the
	// leak showed sooner.
	flatFor = time.Hour
)

// release is what is remembered of one version of a service.
type release struct {
	version string
	began   time.Time // the start of its first process
	// calm is the longest uptime at which an instance of it was healthy.
	calm time.Duration
	// levels are its mean heap at uptimes of up to 1, 2, 4, … minutes.
	levels [24]mean
}

type mean struct {
	sum   float64
	count int
}

// stage is the index into levels for an uptime.
func stage(up time.Duration) int {
	return min(max(0, int(math.Ceil(math.Log2(max(up.Minutes(), 1))))), len(release{}.levels)-1)
}

// Describe says which version of its service an instance is; "" is unknown.
func (e *Engine) Describe(serviceName, instanceName, version string) {
	e.instance(serviceName, instanceName).version = version
}

// learn remembers what an instance's reading of that time says of its version.
func (in *instance) learn(at time.Time) {
	sv, up := in.service, max(0, at.Sub(in.footing.start))
	if in.footing.start.IsZero() {
		return
	}
	if sv.began.IsZero() || in.footing.start.Before(sv.began) {
		sv.began = in.footing.start
	}
	if in.version == "" {
		return
	}
	r := sv.release(in.version, in.footing.start)
	if in.finding.state == memwatch.Healthy {
		r.calm = max(r.calm, up)
	}
	l := &r.levels[stage(up)]
	l.sum, l.count = l.sum+in.footing.heap, l.count+1
}

// release finds or makes the memory of a version.
func (sv *service) release(version string, start time.Time) *release {
	i := slices.IndexFunc(sv.releases, func(r *release) bool { return r.version == version })
	if i < 0 {
		sv.releases = append(sv.releases, &release{version: version, began: start})
		slices.SortStableFunc(sv.releases, func(a, b *release) int { return a.began.Compare(b.began) })
		if len(sv.releases) > maxReleases {
			sv.releases = slices.Delete(sv.releases, 0, 1)
		}
		if i = slices.IndexFunc(sv.releases, func(r *release) bool { return r.version == version }); i < 0 {
			return &release{version: version, began: start} // older than all that are remembered
		}
	}
	r := sv.releases[i]
	if start.Before(r.began) {
		r.began = start
	}
	return r
}

// show notes which version shows the alert's leak, and after how long; and finds
// the version that brought it: the one after a version that ran as long and was
// healthy.
func (o *open) show(in *instance) {
	a := &o.alert
	if up := in.uptime().Seconds(); up > 0 && (a.FoundAfterSeconds == 0 || up < a.FoundAfterSeconds) {
		a.FoundAfterSeconds = up
	}
	if in.version == "" {
		return
	}
	if !slices.Contains(a.Versions, in.version) && len(a.Versions) < maxReleases {
		a.Versions = append(a.Versions, in.version)
	}
	at := slices.IndexFunc(in.service.releases, func(r *release) bool { return r.version == in.version })
	if a.SinceVersion == in.version || at < 1 {
		return
	}
	now, before := in.service.releases[at], in.service.releases[at-1]
	if slices.Contains(a.Versions, before.version) || before.calm < in.uptime() {
		return
	}
	a.SinceVersion = in.version
	why := fmt.Sprintf("since %s: %s was healthy after as long", now.version, before.version)
	if n, b := now.levels[stage(in.uptime())], before.levels[stage(in.uptime())]; n.count > 0 && b.count > 0 {
		why += fmt.Sprintf(" and held %s where it holds %s", size(b.sum/float64(b.count)), size(n.sum/float64(n.count)))
	}
	o.note(in.at, memwatch.ActionBlame, memwatchItself, why)
}

// needsUptime is how long a process must run to show that an alert's leak is gone.
func (o *open) needsUptime() time.Duration {
	return min(time.Duration(o.alert.FoundAfterSeconds*float64(time.Second)), flatFor)
}

// fixed resolves the alerts whose instances are gone, when a healthy instance of
// another version runs for as long as the leak took to show.
func (e *Engine) fixed(in *instance) (events []Event) {
	if in.version == "" || in.finding.state != memwatch.Healthy {
		return nil
	}
	for _, o := range slices.Clone(in.service.open) {
		a := &o.alert
		if a.Type != memwatch.AlertLeak || len(a.Versions) == 0 || slices.Contains(a.Versions, in.version) ||
			in.uptime() < max(o.needsUptime(), e.cfg.HealthyFor) || !o.replaced() {
			continue
		}
		why := fmt.Sprintf("%s stays flat after %s", in.version, span(in.uptime()))
		events = append(events, e.resolve(o, in.at, memwatchItself, resolvedMessage(o, why)))
	}
	return events
}

// replaced reports whether no instance is left that may show the leak: its members
// are away, or run a version that never showed it, and what runs is healthy.
func (o *open) replaced() bool {
	for _, in := range o.service.instances {
		old := in.version == "" || slices.Contains(o.alert.Versions, in.version)
		if in.connected && (old || in.finding.state != memwatch.Healthy) {
			return false
		}
	}
	return true
}
