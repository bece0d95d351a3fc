package scraper

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zupee/memwatch"
)

// byMetric maps Prometheus names to signals: client_golang's default and
// extended collectors, prom-client of Node.js, jemalloc exporters and the
// process collector that all of them share.
var byMetric = map[string]memwatch.Signal{
	"go_gc_heap_live_bytes":            memwatch.LiveHeapBytes,
	"go_memstats_heap_alloc_bytes":     memwatch.HeapAllocBytes,
	"go_memstats_heap_inuse_bytes":     memwatch.HeapInuseBytes,
	"go_memstats_heap_idle_bytes":      memwatch.HeapIdleBytes,
	"go_memstats_heap_released_bytes":  memwatch.HeapReleasedBytes,
	"go_memstats_heap_sys_bytes":       memwatch.HeapSysBytes,
	"go_memstats_heap_objects":         memwatch.HeapObjects,
	"go_memstats_stack_inuse_bytes":    memwatch.StackInuseBytes,
	"go_memstats_sys_bytes":            memwatch.SysBytes,
	"go_memstats_buck_hash_sys_bytes":  memwatch.BuckHashSysBytes,
	"go_memstats_gc_sys_bytes":         memwatch.GCSysBytes,
	"go_memstats_next_gc_bytes":        memwatch.NextGCBytes,
	"go_memstats_alloc_bytes_total":    memwatch.TotalAllocBytes,
	"go_memstats_mallocs_total":        memwatch.Mallocs,
	"go_memstats_frees_total":          memwatch.Frees,
	"go_memstats_gc_cpu_fraction":      memwatch.GCCPUFraction,
	"go_memstats_last_gc_time_seconds": memwatch.LastGCSeconds,
	"go_gc_duration_seconds_count":     memwatch.NumGC,
	"go_gc_duration_seconds_sum":       memwatch.PauseTotalSeconds,
	"go_goroutines":                    memwatch.Goroutines,
	"go_gc_gogc_percent":               memwatch.GOGCPercent,
	"go_gc_gomemlimit_bytes":           memwatch.GoMemLimitBytes,
	"process_resident_memory_bytes":    memwatch.RSSBytes,
	// Those of runtime/metrics, which client_golang serves on request
	// (MetricsGC, MetricsScheduler, MetricsMemory) beside or without go_memstats.
	"go_gc_heap_goal_bytes":                     memwatch.NextGCBytes,
	"go_gc_cycles_total_gc_cycles_total":        memwatch.NumGC,
	"go_gc_cycles_forced_gc_cycles_total":       memwatch.NumForcedGC,
	"go_gc_heap_allocs_bytes_total":             memwatch.TotalAllocBytes,
	"go_gc_heap_allocs_objects_total":           memwatch.Mallocs,
	"go_gc_heap_frees_objects_total":            memwatch.Frees,
	"go_gc_heap_objects_objects":                memwatch.HeapObjects,
	"go_sched_goroutines_goroutines":            memwatch.Goroutines,
	"go_memory_classes_heap_objects_bytes":      memwatch.HeapAllocBytes,
	"go_memory_classes_heap_released_bytes":     memwatch.HeapReleasedBytes,
	"go_memory_classes_heap_stacks_bytes":       memwatch.StackInuseBytes,
	"go_memory_classes_profiling_buckets_bytes": memwatch.BuckHashSysBytes,
	"go_memory_classes_total_bytes":             memwatch.SysBytes,
	// prom-client of Node.js.
	"nodejs_gc_duration_seconds_count": memwatch.NumGC,
	"nodejs_gc_duration_seconds_sum":   memwatch.PauseTotalSeconds,
	"nodejs_heap_size_used_bytes":      memwatch.HeapAllocBytes,
	"nodejs_heap_size_total_bytes":     memwatch.HeapSysBytes,
	"nodejs_external_memory_bytes":     memwatch.ExternalBytes,
	"nodejs_eventloop_lag_seconds":     memwatch.LatencySeconds,
	"jemalloc_allocated_bytes":         memwatch.HeapAllocBytes,
	"jemalloc_allocated":               memwatch.HeapAllocBytes,
	"jemalloc_active_bytes":            memwatch.HeapInuseBytes,
	"jemalloc_active":                  memwatch.HeapInuseBytes,
	"jemalloc_mapped_bytes":            memwatch.HeapSysBytes,
	"jemalloc_mapped":                  memwatch.HeapSysBytes,
}

// summed are metrics of several series of which some are added up, by the value
// of a label. V8 collects its young generation far more often than the old one:
// what is left after either is the best that is known of what is alive.
var summed = map[string]struct {
	label  string
	values []string
}{
	"nodejs_gc_duration_seconds_count": {"kind", []string{"minor", "major"}},
	"nodejs_gc_duration_seconds_sum":   {"kind", []string{"minor", "major"}},
}

// startMetric is the process's start in seconds since 1970.
const startMetric = "process_start_time_seconds"

// noLimit and beyond is what a runtime reports for "none": GOMEMLIMIT's
// math.MaxInt64, GOGC=off's largest integer, a cgroup v1's page-rounded maximum.
const noLimit = float64(1 << 60)

// readMetrics adds to a sample what a Prometheus text holds and the sample
// lacks: expvar, where there is one, is read first and wins. Three dozen names
// are wanted of what may be a hundred thousand series, so lines are passed over
// by their name alone; a metric that is not wanted costs no memory.
//
// A name that comes twice (twice the same, or once for each of several labels)
// says nothing certain of the whole process: it is left out, and told.
func readMetrics(body []byte, s *memwatch.Sample) (Build, error) {
	m := metrics{seen: make(map[string]bool, 40)}
	series := 0
	for line := range bytes.Lines(body) {
		name, rest := cutName(bytes.TrimRight(line, "\r\n"))
		if name == nil {
			continue
		}
		series++
		m.see(name, rest)
	}
	switch {
	case series == 0:
		return nil, errors.New("no Prometheus text")
	case len(m.seen) == 0:
		return nil, fmt.Errorf("text of %d Prometheus series, none of which tells memory (go_memstats_*, nodejs_*, jemalloc_*, process_resident_memory_bytes)", series)
	}
	for _, from := range []*memwatch.Sample{&m.found, &m.allocator} {
		for sig, v := range from.All() {
			set(s, sig, v)
		}
	}
	if s.Start.IsZero() && m.start > 0 && m.start < 1e11 {
		s.Start = time.UnixMilli(int64(m.start * 1000)).UTC()
	}
	return m.builds.build(), m.odd
}

// metrics are the wanted ones of one text.
type metrics struct {
	found memwatch.Sample
	// allocator is what jemalloc says: of the whole heap where there is no
	// runtime above it that knows better.
	allocator memwatch.Sample
	start     float64
	seen      map[string]bool
	odd       error // the first thing that is wrong
	builds    builds
}

// see takes in a series if it is wanted.
func (m *metrics) see(name, rest []byte) {
	if bytes.HasSuffix(name, infoSuffix) {
		if text := string(name); buildOfMetric[text] != nil || strings.HasSuffix(text, ownBuildInfo) {
			m.builds.add(text, rest)
		}
		return
	}
	if _, wanted := byMetric[string(name)]; !wanted && string(name) != startMetric {
		return
	}
	by, sum := summed[string(name)]
	if !sum {
		m.add(string(name), "", rest)
		return
	}
	if value := labelValue(rest, by.label); slices.Contains(by.values, value) {
		m.add(string(name), value, rest)
	}
}

var infoSuffix = []byte("_info")

// add takes in a value; part says which one of those that are added up, if any.
func (m *metrics) add(name, part string, rest []byte) {
	v, err := metricValue(rest)
	if m.seen[name+part] {
		err = errors.New("comes more than once: left out")
	}
	m.seen[name+part] = true
	if err != nil {
		v = -1 // a negative number is absent, as are NaN and infinity
		if m.odd == nil {
			m.odd = fmt.Errorf("%s: %w", name, err)
		}
	}
	sig := byMetric[name]
	if had, ok := m.found.Get(sig); ok && part != "" && v >= 0 {
		v += had
	}
	if v >= noLimit && (sig == memwatch.GOGCPercent || sig == memwatch.GoMemLimitBytes) {
		v = -1 // off
	}
	switch {
	case name == startMetric:
		m.start = v
	case strings.HasPrefix(name, "jemalloc_"):
		m.allocator.Set(sig, v)
	default:
		m.found.Set(sig, v)
	}
}

func set(s *memwatch.Sample, sig memwatch.Signal, v float64) {
	if _, has := s.Get(sig); !has {
		s.Set(sig, v)
	}
}

// cutName takes a line's metric name; nil when the line is a comment, empty, or
// no metric at all.
func cutName(line []byte) (name, rest []byte) {
	n := 0
	for n < len(line) && isNameByte(line[n], n) {
		n++
	}
	if n == 0 || n == len(line) || line[n] != ' ' && line[n] != '\t' && line[n] != '{' {
		return nil, nil
	}
	return line[:n], line[n:]
}

func isNameByte(b byte, at int) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b == '_' || b == ':' || at > 0 && b >= '0' && b <= '9'
}

// metricValue reads what follows a name: labels in braces, if any, the number,
// and perhaps a timestamp or an exemplar, which do not matter here.
func metricValue(rest []byte) (float64, error) {
	rest = bytes.TrimLeft(rest, " \t")
	if len(rest) > 0 && rest[0] == '{' {
		end := labelsEnd(rest)
		if end < 0 {
			return 0, errors.New("its labels have no end")
		}
		rest = rest[end:]
	}
	fields := bytes.Fields(rest)
	if len(fields) == 0 {
		return 0, errors.New("it has no number")
	}
	v, err := strconv.ParseFloat(string(fields[0]), 64)
	if err != nil {
		return 0, fmt.Errorf("want a number, found %.40q", fields[0])
	}
	return v, nil
}

// labelsEnd is the index after the closing brace; -1 if there is none. A brace
// in a quoted value does not close.
func labelsEnd(b []byte) int {
	quoted := false
	for i := 0; i < len(b); i++ {
		switch {
		case quoted && b[i] == '\\':
			i++
		case b[i] == '"':
			quoted = !quoted
		case !quoted && b[i] == '}':
			return i + 1
		}
	}
	return -1
}
