package main

import (
	"errors"
	"log/slog"
	"math"
	"runtime/debug"
	"testing"
)

// Not parallel: the limits are the whole process's.
func TestTheCollectorIsFittedToTheContainer(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		name    string
		limit   uint64
		err     error
		env     map[string]string
		soft    int64
		percent int
	}{
		{name: "none", err: errors.New("no cgroup"), soft: math.MaxInt64, percent: 40},
		{name: "without bound", limit: math.MaxUint64, soft: math.MaxInt64, percent: 40},
		{name: "tiny", limit: 20 * mib, soft: math.MaxInt64, percent: 40},
		{name: "small", limit: 64 * mib, soft: 64 * mib * 9 / 10, percent: 40},
		{name: "large", limit: 512 * mib, soft: 512 * mib * 9 / 10, percent: 40},
		{name: "set by hand", limit: 64 * mib, env: map[string]string{"GOMEMLIMIT": "50MiB", "GOGC": "80"}, soft: math.MaxInt64, percent: 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			wasSoft, wasPercent := debug.SetMemoryLimit(math.MaxInt64), debug.SetGCPercent(100)
			defer func() {
				debug.SetMemoryLimit(wasSoft)
				debug.SetGCPercent(wasPercent)
			}()
			env := func(k string) (string, bool) { v, ok := c.env[k]; return v, ok }
			fitMemory(env, func() (uint64, error) { return c.limit, c.err }, slog.New(slog.DiscardHandler))
			if got := debug.SetMemoryLimit(-1); got != c.soft {
				t.Errorf("GOMEMLIMIT is %d, want %d", got, c.soft)
			}
			if got := debug.SetGCPercent(100); got != c.percent {
				t.Errorf("GOGC is %d, want %d", got, c.percent)
			}
		})
	}
}
