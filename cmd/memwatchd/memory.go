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
	// percent has the collector run two and a half times as often as by Go's
	// default. Nearly all that is held has no pointers in it, so that a cycle is
	// short: a few percent of little CPU buy a third of the memory.
	percent = 40
)

// fitMemory sets the pace of the collector, and the soft memory limit by the
// container's limit; what the environment sets stays.
func fitMemory(env func(string) (string, bool), limit func() (uint64, error), log *slog.Logger) {
	given := func(key string) bool {
		v, ok := env(key)
		return ok && v != ""
	}
	if !given("GOGC") {
		debug.SetGCPercent(percent)
	}
	bytes, err := limit()
	if err != nil || bytes == 0 || bytes >= math.MaxInt64 {
		log.Debug("no container limits the memory of this process", "reason", err)
		return
	}
	attrs := []any{"container_bytes", bytes}
	if !given("GOMEMLIMIT") && bytes >= leastLimit {
		soft := int64(memoryShare * float64(bytes))
		debug.SetMemoryLimit(soft)
		attrs = append(attrs, "GOMEMLIMIT", soft)
	}
	log.Debug("memory fitted to the container", attrs...)
}

// containerLimit asks cgroup v2 and v1, the groups above included.
func containerLimit() (uint64, error) {
	return memlimit.FromCgroup()
}
