package scraper

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/zupee/memwatch"
)

// errNoMemStats says that expvar is there but not the runtime's part of it.
var errNoMemStats = errors.New("JSON without memstats: want what package expvar serves")

// number is a JSON number, or nothing when something else stands in its place.
type number struct {
	is    bool
	value float64
	found string // what stood there instead
}

// UnmarshalJSON never fails: one odd field must not lose the others.
func (n *number) UnmarshalJSON(b []byte) error {
	if err := json.Unmarshal(b, &n.value); err != nil || b[0] == 'n' {
		n.found = string(b[:min(len(b), 40)])
		return nil //nolint:nilerr // said once the whole document is read
	}
	n.is = true
	return nil
}

// memStatsType has a field of type number for each field of runtime.MemStats
// that the signal table names; memStatsSignals has their signals, in that order.
var memStatsType, memStatsSignals = func() (reflect.Type, []memwatch.Signal) {
	var fields []reflect.StructField
	var signals []memwatch.Signal
	for sig := range memwatch.SignalCount {
		if name := sig.Info().MemStats; name != "" {
			fields = append(fields, reflect.StructField{Name: name, Type: reflect.TypeFor[number]()})
			signals = append(signals, sig)
		}
	}
	return reflect.StructOf(fields), signals
}()

// readVars fills a sample from expvar's JSON by the signal table. A field that
// is no number is left out, and told.
func readVars(body []byte, s *memwatch.Sample) error {
	var vars struct {
		MemStats json.RawMessage `json:"memstats"`
	}
	if err := json.Unmarshal(body, &vars); err != nil {
		return fmt.Errorf("no JSON as package expvar serves it: %w", err)
	}
	if len(vars.MemStats) == 0 || vars.MemStats[0] != '{' {
		return errNoMemStats
	}
	stats := reflect.New(memStatsType)
	if err := json.Unmarshal(vars.MemStats, stats.Interface()); err != nil {
		return fmt.Errorf("memstats: %w", err)
	}
	var odd error
	for i, sig := range memStatsSignals {
		n := stats.Elem().Field(i).Addr().Interface().(*number)
		switch info := sig.Info(); {
		case n.is:
			s.Set(sig, n.value*info.Scale)
		case n.found != "" && odd == nil:
			odd = fmt.Errorf("memstats.%s: want a number, found %s", info.MemStats, n.found)
		}
	}
	return odd
}

// varsArgs is the command line that expvar publishes; nil if it does not.
func varsArgs(body []byte) []string {
	var vars struct {
		Cmdline []string `json:"cmdline"`
	}
	if json.Unmarshal(body, &vars) != nil {
		return nil
	}
	return vars.Cmdline
}
