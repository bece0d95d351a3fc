package recording

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/zupee/memwatch"
)

// line is one line of samples.jsonl. MemStats go by the names that
// runtime.MemStats has; what has no place of its own goes by its signal name.
type line struct {
	T          float64            `json:"t"`
	ScrapeMS   float64            `json:"scrape_ms"`
	MemStats   map[string]float64 `json:"memstats,omitempty"`
	Goroutines *float64           `json:"goroutines,omitempty"`
	RSSBytes   *float64           `json:"rss_bytes,omitempty"`
	StartTime  float64            `json:"start_time,omitempty"`
	LiveHeap   *float64           `json:"gc_heap_live_bytes,omitempty"`
	Signals    map[string]float64 `json:"signals,omitempty"`
	Error      string             `json:"error,omitempty"`
}

// ownPlace are the signals that have a field of their own on a line.
func (l *line) ownPlace() map[memwatch.Signal]**float64 {
	return map[memwatch.Signal]**float64{
		memwatch.Goroutines:    &l.Goroutines,
		memwatch.RSSBytes:      &l.RSSBytes,
		memwatch.LiveHeapBytes: &l.LiveHeap,
	}
}

func parseLine(b []byte) (line, error) {
	var l line
	// LastGC and the like are integers of 19 digits: as floats they keep
	// microseconds, which is more than any use of them needs.
	if err := json.Unmarshal(b, &l); err != nil {
		return l, err
	}
	if l.T <= 0 || l.T > 1e11 {
		return l, fmt.Errorf("t is %v: want seconds since 1970", l.T)
	}
	return l, nil
}

func (l *line) sample() *memwatch.Sample {
	s := &memwatch.Sample{Time: fromSeconds(l.T)}
	if l.StartTime > 0 {
		s.Start = fromSeconds(l.StartTime)
	}
	for sig := range memwatch.SignalCount {
		info := sig.Info()
		if v, ok := l.MemStats[info.MemStats]; ok && info.MemStats != "" {
			s.Set(sig, v*info.Scale)
		}
		if v, ok := l.Signals[info.Name]; ok {
			s.Set(sig, v)
		}
	}
	for sig, place := range l.ownPlace() {
		if *place != nil {
			s.Set(sig, **place)
		}
	}
	if l.ScrapeMS > 0 {
		s.Set(memwatch.ScrapeSeconds, l.ScrapeMS/1e3)
	}
	return s
}

func lineOf(s *memwatch.Sample, scrapeErr string) line {
	l := line{T: seconds(s.Time), Error: scrapeErr}
	if !s.Start.IsZero() {
		l.StartTime = seconds(s.Start)
	}
	places := l.ownPlace()
	for sig, v := range s.All() {
		info := sig.Info()
		place, own := places[sig]
		switch {
		case sig == memwatch.ScrapeSeconds:
			l.ScrapeMS = v * 1e3
		case own:
			*place = &v
		case info.MemStats != "":
			if l.MemStats == nil {
				l.MemStats = make(map[string]float64, 32)
			}
			l.MemStats[info.MemStats] = math.Round(v/info.Scale*1e9) / 1e9
		default:
			if l.Signals == nil {
				l.Signals = make(map[string]float64, 8)
			}
			l.Signals[info.Name] = v
		}
	}
	return l
}

// fromSeconds keeps microseconds: a float of today's date holds no more.
func fromSeconds(t float64) time.Time { return time.UnixMicro(int64(math.Round(t * 1e6))).UTC() }

func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }
