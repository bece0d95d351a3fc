package hub

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/api"
	"github.com/zupee/memwatch/wire"
)

// Metrics says what the hub tells a Prometheus besides its own numbers.
type Metrics struct {
	// Instances is of how many instances /metrics tells the verdicts, the worst
	// first; 0 is of none. Each has about a dozen series.
	Instances int `yaml:"instances"`
}

// verdicts tells Prometheus of every instance what memwatchd's own /metrics does,
// under the same names.
type verdicts struct {
	fleet *fleet
	most  int
}

var instanceLabels = []string{"service", "instance"}

func instanceDesc(name, help string, more ...string) *prometheus.Desc {
	return prometheus.NewDesc("memwatch_"+name, help, append(instanceLabels[:2:2], more...), nil)
}

var (
	upDesc       = instanceDesc("target_up", "1 while readings of the instance come in.")
	stateDesc    = instanceDesc("state", "1 for the state that the instance is in.", "state")
	severityDesc = instanceDesc("severity", "How much its leak matters: 0 none, 1 info, 2 warning, 3 critical.")
	leakDesc     = instanceDesc("leak", "1 for an instance that leaks, with the kind of its leak.", "kind")
	omittedDesc  = prometheus.NewDesc("memwatch_hub_instances_omitted", "Instances that /metrics leaves out: more than metrics.instances.", nil, nil)
)

// verdictGauges come from the verdict; ok is false where it does not say.
var verdictGauges = []struct {
	desc  *prometheus.Desc
	value func(v *memwatch.Verdict) (number float64, ok bool)
}{
	{instanceDesc("growth_bytes_per_second", "How fast it grows."), func(v *memwatch.Verdict) (float64, bool) { return v.GrowthBytesPerSecond.Estimate, true }},
	{instanceDesc("growth_bytes", "How much it has grown since the present growth began."), func(v *memwatch.Verdict) (float64, bool) { return v.GrowthBytes, true }},
	{instanceDesc("confidence", "How sure the verdict is, 0 to 1."), func(v *memwatch.Verdict) (float64, bool) { return v.Confidence, true }},
	{instanceDesc("limit_bytes", "The memory limit that it grows towards."), func(v *memwatch.Verdict) (float64, bool) { return float64(v.LimitBytes), v.LimitBytes > 0 }},
	{instanceDesc("time_to_limit_seconds", "When it reaches its limit if nothing changes; absent when nothing grows towards it."), func(v *memwatch.Verdict) (float64, bool) {
		if v.TimeToLimitSeconds == nil {
			return 0, false
		}
		return *v.TimeToLimitSeconds, true
	}},
}

// sampleGauges come from the newest reading.
var sampleGauges = []struct {
	desc   *prometheus.Desc
	signal memwatch.Signal
}{
	{instanceDesc("live_heap_bytes", "What survived its last garbage collection."), memwatch.LiveHeapBytes},
	{instanceDesc("rss_bytes", "Its resident memory."), memwatch.RSSBytes},
	{instanceDesc("goroutines", "Its goroutines."), memwatch.Goroutines},
}

// Describe implements prometheus.Collector.
func (c verdicts) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{upDesc, stateDesc, severityDesc, leakDesc, omittedDesc} {
		out <- d
	}
	for _, g := range verdictGauges {
		out <- g.desc
	}
	for _, g := range sampleGauges {
		out <- g.desc
	}
}

// Collect implements prometheus.Collector.
func (c verdicts) Collect(out chan<- prometheus.Metric) {
	told, omitted := 0, 0
	for _, s := range c.fleet.Services() { // worst first, and so are their instances
		for i := range s.Instances {
			if told == c.most {
				omitted++
				continue
			}
			told++
			collectInstance(out, s.Name, &s.Instances[i])
		}
	}
	out <- prometheus.MustNewConstMetric(omittedDesc, prometheus.GaugeValue, float64(omitted))
}

func collectInstance(out chan<- prometheus.Metric, service string, in *api.Instance) {
	gauge := func(desc *prometheus.Desc, v float64, more ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v, append([]string{service, in.Name}, more...)...)
	}
	gauge(upDesc, flag(in.Status == wire.Connected))
	if in.Sample != nil {
		for _, g := range sampleGauges {
			if v, ok := in.Sample.Get(g.signal); ok {
				gauge(g.desc, v)
			}
		}
	}
	v := in.Verdict
	if v == nil {
		return
	}
	for _, s := range []memwatch.State{memwatch.Learning, memwatch.Healthy, memwatch.Suspect, memwatch.Leaking} {
		gauge(stateDesc, flag(v.State == s), string(s))
	}
	gauge(severityDesc, float64(v.Severity.Rank()))
	if v.State == memwatch.Leaking {
		gauge(leakDesc, 1, string(v.Kind))
	}
	for _, g := range verdictGauges {
		if n, ok := g.value(v); ok {
			gauge(g.desc, n)
		}
	}
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
