package scraper

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/zupee/memwatch"
)

// errNoMemStats says that expvar is there but not the runtime's part of it.
var errNoMemStats = errors.New("JSON without memstats: want what package expvar serves")

// readVars fills a sample from expvar's JSON by the signal table.
func readVars(body []byte, s *memwatch.Sample) error {
	var vars struct {
		MemStats map[string]json.RawMessage `json:"memstats"`
	}
	if err := json.Unmarshal(body, &vars); err != nil {
		return fmt.Errorf("no JSON as package expvar serves it: %w", err)
	}
	if vars.MemStats == nil {
		return errNoMemStats
	}
	for sig := range memwatch.SignalCount {
		info := sig.Info()
		raw, ok := vars.MemStats[info.MemStats]
		if !ok || info.MemStats == "" {
			continue
		}
		var v float64
		if err := json.Unmarshal(raw, &v); err != nil {
			return fmt.Errorf("memstats.%s: want a number, found %.40s", info.MemStats, raw)
		}
		s.Set(sig, v*info.Scale)
	}
	return nil
}
