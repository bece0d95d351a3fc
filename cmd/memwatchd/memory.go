package main

import (
	"log/slog"
	"math"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// A sidecar's container is small, and nobody tells Go's collector how small.
const (
	// memoryShare of the container's limit is where the collector begins to work
	// harder: the rest is for what it does not count.
	memoryShare = 0.9
	// leastLimit is the smallest container that a soft limit is set for. Below it
	// the limit would be under what the agent needs: the collector would run all
	// the time, and five times the CPU would go for nothing.
	leastLimit = 32 << 20
	// smallLimit is up to where the collector runs twice as often from the start.
	smallLimit, smallPercent = 96 << 20, 50
)

// fitMemory sets the soft memory limit and the pace of the collector to the
// container's limit; what the environment sets stays.
func fitMemory(env func(string) (string, bool), limit func() (uint64, error), log *slog.Logger) {
	bytes, err := limit()
	if err != nil || bytes == 0 || bytes >= math.MaxInt64 {
		log.Debug("no container limits the memory of this process", "reason", err)
		return
	}
	given := func(key string) bool {
		v, ok := env(key)
		return ok && v != ""
	}
	attrs := []any{"container_bytes", bytes}
	if !given("GOMEMLIMIT") && bytes >= leastLimit {
		soft := int64(memoryShare * float64(bytes))
		debug.SetMemoryLimit(soft)
		attrs = append(attrs, "GOMEMLIMIT", soft)
	}
	if !given("GOGC") && bytes <= smallLimit {
		debug.SetGCPercent(smallPercent)
		attrs = append(attrs, "GOGC", smallPercent)
	}
	log.Debug("memory fitted to the container", attrs...)
}

// containerLimit asks cgroup v2 and v1, the groups above included.
func containerLimit() (uint64, error) {
	return memlimit.FromCgroup()
}
