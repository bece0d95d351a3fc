package agent

import (
	"fmt"
	"strings"

	"github.com/VictoriaMetrics/metrics"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/capture"
	"github.com/zupee/memwatch/scraper"
	"github.com/zupee/memwatch/spool"
	"github.com/zupee/memwatch/uplink"
)

// labels writes pairs of names and values as a series has them.
func labels(pairs ...string) string {
	var b strings.Builder
	for i, word := range pairs {
		switch {
		case i%2 == 1:
			fmt.Fprintf(&b, `="%s"`, escape.Replace(word))
		case i > 0:
			b.WriteString("," + word)
		default:
			b.WriteString(word)
		}
	}
	return b.String()
}

var escape = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// numbers writes series into a set made for one answer.
type numbers struct{ set *metrics.Set }

func (n numbers) gauge(name, labels string, v float64) {
	n.set.GetOrCreateGauge(series(name, labels), nil).Set(v)
}

func (n numbers) counter(name, labels string, v uint64) {
	n.set.GetOrCreateCounter(series(name, labels)).Set(v)
}

func series(name, labels string) string {
	if labels == "" {
		return name
	}
	return name + "{" + labels + "}"
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// fill writes what is known of one target.
func (s *status) fill(n numbers) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := []string{"service", s.target.Service, "instance", s.target.Instance}
	own := labels(at...)
	with := func(name, value string) string { return labels(append(at[:4:4], name, value)...) }

	if len(s.build) > 0 {
		n.gauge("memwatch_target_info", labels(append(at[:4:4],
			"version", s.build[scraper.BuildVersion], "revision", s.build[scraper.BuildRevision], "runtime", s.build[scraper.BuildRuntime])...), 1)
	}
	n.gauge("memwatch_target_up", own, flag(s.up))
	n.gauge("memwatch_target_slowed", own, flag(s.slowed))
	n.counter("memwatch_scrapes_total", own, s.scrapes)
	n.counter("memwatch_target_restarts_total", own, s.restarts)
	n.counter("memwatch_captures_total", own, s.captures)
	for reason, count := range s.errors {
		n.counter("memwatch_scrape_errors_total", with("reason", string(reason)), count)
	}
	for kind, count := range s.profiles {
		n.counter("memwatch_profiles_total", with("kind", string(kind)), count)
	}
	for _, sig := range []struct {
		name string
		sig  memwatch.Signal
	}{
		{"memwatch_live_heap_bytes", memwatch.LiveHeapBytes},
		{"memwatch_rss_bytes", memwatch.RSSBytes},
		{"memwatch_goroutines", memwatch.Goroutines},
		{"memwatch_scrape_seconds", memwatch.ScrapeSeconds},
	} {
		if v, ok := s.last.Get(sig.sig); ok {
			n.gauge(sig.name, own, v)
		}
	}
	if s.verdict != nil {
		fillVerdict(n, s.verdict, own, with)
	}
}

func fillVerdict(n numbers, v *memwatch.Verdict, own string, with func(name, value string) string) {
	for _, state := range []memwatch.State{memwatch.Learning, memwatch.Healthy, memwatch.Suspect, memwatch.Leaking} {
		n.gauge("memwatch_state", with("state", string(state)), flag(v.State == state))
	}
	n.gauge("memwatch_severity", own, float64(v.Severity.Rank()))
	n.gauge("memwatch_growth_bytes_per_second", own, v.GrowthBytesPerSecond.Estimate)
	n.gauge("memwatch_growth_bytes", own, v.GrowthBytes)
	if v.TimeToLimitSeconds != nil {
		n.gauge("memwatch_time_to_limit_seconds", own, *v.TimeToLimitSeconds)
	}
	if v.LimitBytes > 0 {
		n.gauge("memwatch_limit_bytes", own, float64(v.LimitBytes))
	}
}

func fillSpool(n numbers, s spool.Stats) {
	for class, c := range map[spool.Class]spool.ClassStats{spool.Reading: s.Readings, spool.Evidence: s.Evidence} {
		of := labels("class", string(class))
		n.gauge("memwatch_spool_records", of, float64(c.Len))
		n.counter("memwatch_spool_put_total", of, c.Put)
		n.counter("memwatch_spool_acked_total", of, c.Acked)
		n.counter("memwatch_spool_rejected_total", of, c.Rejected)
		n.counter("memwatch_spool_dropped_total", of, c.Dropped)
		n.counter("memwatch_spool_corrupt_total", of, c.Corrupt)
	}
	n.gauge("memwatch_spool_disk_bytes", "", float64(s.DiskBytes))
	n.gauge("memwatch_spool_max_bytes", "", float64(s.MaxBytes))
	n.gauge("memwatch_spool_memory_bytes", "", float64(s.MemoryBytes))
	n.gauge("memwatch_spool_degraded", "", flag(s.Degraded))
}

func fillUplink(n numbers, s uplink.Stats) {
	n.gauge("memwatch_uplink_connected", "", flag(s.Connected))
	n.counter("memwatch_uplink_connects_total", "", s.Connects)
	n.counter("memwatch_uplink_failures_total", "", s.Failures)
	n.counter("memwatch_uplink_sent_total", "", s.Sent)
	n.counter("memwatch_uplink_acked_total", "", s.Acked)
	n.counter("memwatch_uplink_resent_total", "", s.Resent)
	n.counter("memwatch_uplink_rejected_total", "", s.Rejected)
	n.counter("memwatch_uplink_skipped_total", "", s.Skipped)
	n.counter("memwatch_uplink_unconfirmed_total", "", s.Unconfirmed)
	n.counter("memwatch_uplink_sent_bytes_total", "", s.Bytes)
}

func fillCaptures(n numbers, s capture.Stats) {
	n.gauge("memwatch_capture_bundles", "", float64(s.Bundles))
	n.gauge("memwatch_capture_bytes", "", float64(s.Bytes))
	n.gauge("memwatch_capture_max_bytes", "", float64(s.MaxBytes))
	n.gauge("memwatch_capture_open", "", float64(s.Open))
	n.counter("memwatch_capture_saved_total", "", s.Saved)
	n.counter("memwatch_capture_removed_total", "", s.Removed)
	n.counter("memwatch_capture_refused_total", "", s.Refused)
	n.counter("memwatch_capture_failed_total", "", s.Failed)
}
