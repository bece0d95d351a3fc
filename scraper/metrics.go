package scraper

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

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
	"go_goroutines":                    memwatch.Goroutines,
	"go_gc_gogc_percent":               memwatch.GOGCPercent,
	"go_gc_gomemlimit_bytes":           memwatch.GoMemLimitBytes,
	"process_resident_memory_bytes":    memwatch.RSSBytes,
	"nodejs_heap_size_used_bytes":      memwatch.HeapAllocBytes,
	"nodejs_heap_size_total_bytes":     memwatch.HeapSysBytes,
	"nodejs_external_memory_bytes":     memwatch.ExternalBytes,
	"nodejs_eventloop_lag_seconds":     memwatch.LatencySeconds,
	"jemalloc_allocated_bytes":         memwatch.HeapAllocBytes,
	"jemalloc_active_bytes":            memwatch.HeapInuseBytes,
	"jemalloc_mapped_bytes":            memwatch.HeapSysBytes,
}

// noLimit is what a runtime reports for "none": GOMEMLIMIT's math.MaxInt64, a
// cgroup v1's page-rounded maximum.
const noLimit = float64(1 << 60)

// readMetrics adds to a sample what a Prometheus text holds and the sample
// lacks: expvar, where there is one, is read first and wins.
func readMetrics(body []byte, s *memwatch.Sample) error {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(body))
	if err != nil && len(families) == 0 {
		return fmt.Errorf("no Prometheus text: %w", err)
	}
	found := false
	for name, family := range families {
		v, ok := single(family)
		if !ok {
			continue
		}
		switch name {
		case "process_start_time_seconds":
			if s.Start.IsZero() && v > 0 && v < 1e11 {
				s.Start = time.UnixMilli(int64(v * 1000)).UTC()
			}
			continue
		case "go_gc_duration_seconds":
			set(s, memwatch.NumGC, float64(family.Metric[0].GetSummary().GetSampleCount()))
			set(s, memwatch.PauseTotalSeconds, family.Metric[0].GetSummary().GetSampleSum())
			continue
		case "go_gc_gogc_percent", "go_gc_gomemlimit_bytes":
			if v >= noLimit { // off
				continue
			}
		}
		if sig, ok := byMetric[name]; ok {
			set(s, sig, v)
			found = true
		}
	}
	if !found {
		return errors.New("Prometheus text without any memory metric that memwatch knows (go_memstats_*, nodejs_*, jemalloc_*, process_resident_memory_bytes)")
	}
	return nil
}

func set(s *memwatch.Sample, sig memwatch.Signal, v float64) {
	if _, has := s.Get(sig); !has {
		s.Set(sig, v)
	}
}

// single is the value of a family that has one metric. One with several (the
// same name with labels) says nothing about the whole process.
func single(f *dto.MetricFamily) (float64, bool) {
	if len(f.Metric) != 1 {
		return 0, false
	}
	m := f.Metric[0]
	switch {
	case m.Gauge != nil:
		return m.Gauge.GetValue(), !math.IsNaN(m.Gauge.GetValue())
	case m.Counter != nil:
		return m.Counter.GetValue(), true
	case m.Untyped != nil:
		return m.Untyped.GetValue(), true
	case m.Summary != nil:
		return m.Summary.GetSampleSum(), true
	}
	return 0, false
}
