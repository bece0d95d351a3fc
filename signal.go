package memwatch

// Signal is one measured quantity of a process. The numbers are stored and
// sent by name only, so the order below may change freely.
type Signal uint8

// The signals. Names carry the unit; the comments give the source for Go and,
// where another runtime has the same quantity, its Prometheus name.
const (
	// LiveHeapBytes is what survived the last completed GC: /gc/heap/live:bytes
	// where exported, else derived from the GC's pacing (scraper.LiveHeap).
	LiveHeapBytes Signal = iota
	// HeapAllocBytes is live heap plus garbage not yet swept: MemStats.HeapAlloc,
	// nodejs_heap_size_used_bytes, jemalloc's allocated.
	HeapAllocBytes
	// HeapInuseBytes are spans with at least one object: MemStats.HeapInuse, jemalloc's active.
	HeapInuseBytes
	// HeapIdleBytes are spans without objects: MemStats.HeapIdle.
	HeapIdleBytes
	// HeapReleasedBytes are idle spans given back to the system: MemStats.HeapReleased.
	HeapReleasedBytes
	// HeapSysBytes is heap address space obtained: MemStats.HeapSys, nodejs_heap_size_total_bytes.
	HeapSysBytes
	// HeapObjects counts allocated objects: MemStats.HeapObjects.
	HeapObjects
	// StackInuseBytes are goroutine stacks: MemStats.StackInuse.
	StackInuseBytes
	// SysBytes is all memory the runtime obtained: MemStats.Sys.
	SysBytes
	// BuckHashSysBytes is the profiler's own table: MemStats.BuckHashSys.
	BuckHashSysBytes
	// GCSysBytes is the GC's metadata: MemStats.GCSys.
	GCSysBytes
	// NextGCBytes is the heap goal of the next cycle: MemStats.NextGC.
	NextGCBytes
	// NumGC counts completed GC cycles since start: MemStats.NumGC.
	NumGC
	// NumForcedGC counts cycles the program or the two-minute timer forced: MemStats.NumForcedGC.
	NumForcedGC
	// LastGCSeconds is the end of the last cycle, seconds since 1970: MemStats.LastGC.
	LastGCSeconds
	// PauseTotalSeconds is stop-the-world time since start: MemStats.PauseTotalNs.
	PauseTotalSeconds
	// GCCPUFraction is the share of CPU used by GC since start, 0 to 1: MemStats.GCCPUFraction.
	GCCPUFraction
	// TotalAllocBytes counts bytes allocated since start: MemStats.TotalAlloc.
	TotalAllocBytes
	// Mallocs counts allocations since start: MemStats.Mallocs.
	Mallocs
	// Frees counts frees since start: MemStats.Frees.
	Frees
	// Goroutines is the number of live goroutines.
	Goroutines
	// ExternalBytes is memory the runtime accounts outside its heap: nodejs_external_memory_bytes.
	ExternalBytes
	// RSSBytes is resident memory: /proc/PID, process_resident_memory_bytes.
	RSSBytes
	// CgroupBytes is the cgroup's usage less its inactive file cache: what the OOM killer counts.
	CgroupBytes
	// LimitBytes is the memory limit: cgroup, or configuration.
	LimitBytes
	// GOGCPercent is the GC's target: go_gc_gogc_percent. Absent when GC is off.
	GOGCPercent
	// GoMemLimitBytes is the runtime's soft limit: go_gc_gomemlimit_bytes. Absent when unlimited.
	GoMemLimitBytes
	// LatencySeconds is scheduling or event-loop delay: nodejs_eventloop_lag_seconds.
	LatencySeconds
	// ScrapeSeconds is how long reading the target took.
	ScrapeSeconds

	// SignalCount is the number of signals, for arrays indexed by Signal.
	SignalCount
)

// Unit says how a signal's number is read.
type Unit string

// The units of signals.
const (
	Bytes   Unit = "bytes"
	Seconds Unit = "seconds"
	Count   Unit = "count"
	Ratio   Unit = "ratio"
)

// SignalInfo describes a signal to those who store, send or draw it.
type SignalInfo struct {
	// Name is the key in JSON, camelCase with the unit.
	Name string
	Unit Unit
	// Cumulative signals only rise while a process lives; a fall means a restart.
	Cumulative bool
	// MemStats is the field of runtime.MemStats that fills it, "" if none.
	MemStats string
	// Scale turns the MemStats number into the signal's unit.
	Scale float64
}

var signals = [SignalCount]SignalInfo{
	LiveHeapBytes:     {Name: "liveHeapBytes", Unit: Bytes},
	HeapAllocBytes:    {Name: "heapAllocBytes", Unit: Bytes, MemStats: "HeapAlloc", Scale: 1},
	HeapInuseBytes:    {Name: "heapInuseBytes", Unit: Bytes, MemStats: "HeapInuse", Scale: 1},
	HeapIdleBytes:     {Name: "heapIdleBytes", Unit: Bytes, MemStats: "HeapIdle", Scale: 1},
	HeapReleasedBytes: {Name: "heapReleasedBytes", Unit: Bytes, MemStats: "HeapReleased", Scale: 1},
	HeapSysBytes:      {Name: "heapSysBytes", Unit: Bytes, MemStats: "HeapSys", Scale: 1},
	HeapObjects:       {Name: "heapObjects", Unit: Count, MemStats: "HeapObjects", Scale: 1},
	StackInuseBytes:   {Name: "stackInuseBytes", Unit: Bytes, MemStats: "StackInuse", Scale: 1},
	SysBytes:          {Name: "sysBytes", Unit: Bytes, MemStats: "Sys", Scale: 1},
	BuckHashSysBytes:  {Name: "buckHashSysBytes", Unit: Bytes, MemStats: "BuckHashSys", Scale: 1},
	GCSysBytes:        {Name: "gcSysBytes", Unit: Bytes, MemStats: "GCSys", Scale: 1},
	NextGCBytes:       {Name: "nextGCBytes", Unit: Bytes, MemStats: "NextGC", Scale: 1},
	NumGC:             {Name: "numGC", Unit: Count, Cumulative: true, MemStats: "NumGC", Scale: 1},
	NumForcedGC:       {Name: "numForcedGC", Unit: Count, Cumulative: true, MemStats: "NumForcedGC", Scale: 1},
	LastGCSeconds:     {Name: "lastGCSeconds", Unit: Seconds, MemStats: "LastGC", Scale: 1e-9},
	PauseTotalSeconds: {Name: "pauseTotalSeconds", Unit: Seconds, Cumulative: true, MemStats: "PauseTotalNs", Scale: 1e-9},
	GCCPUFraction:     {Name: "gcCPUFraction", Unit: Ratio, MemStats: "GCCPUFraction", Scale: 1},
	TotalAllocBytes:   {Name: "totalAllocBytes", Unit: Bytes, Cumulative: true, MemStats: "TotalAlloc", Scale: 1},
	Mallocs:           {Name: "mallocs", Unit: Count, Cumulative: true, MemStats: "Mallocs", Scale: 1},
	Frees:             {Name: "frees", Unit: Count, Cumulative: true, MemStats: "Frees", Scale: 1},
	Goroutines:        {Name: "goroutines", Unit: Count},
	ExternalBytes:     {Name: "externalBytes", Unit: Bytes},
	RSSBytes:          {Name: "rssBytes", Unit: Bytes},
	CgroupBytes:       {Name: "cgroupBytes", Unit: Bytes},
	LimitBytes:        {Name: "limitBytes", Unit: Bytes},
	GOGCPercent:       {Name: "gogcPercent", Unit: Count},
	GoMemLimitBytes:   {Name: "goMemLimitBytes", Unit: Bytes},
	LatencySeconds:    {Name: "latencySeconds", Unit: Seconds},
	ScrapeSeconds:     {Name: "scrapeSeconds", Unit: Seconds},
}

var signalByName = func() map[string]Signal {
	m := make(map[string]Signal, SignalCount)
	for i, info := range signals {
		m[info.Name] = Signal(i)
	}
	return m
}()

// Info describes the signal.
func (s Signal) Info() SignalInfo { return signals[s] }

// String is the signal's JSON name.
func (s Signal) String() string { return signals[s].Name }

// SignalNamed finds a signal by its JSON name.
func SignalNamed(name string) (Signal, bool) {
	s, ok := signalByName[name]
	return s, ok
}
