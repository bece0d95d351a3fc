package main

import (
	"context"
	"fmt"
	"math"
	"time"
)

// What one of each costs a hub, as measured by the rows of docs/benchmarks.md
// that the comments name, rounded up. This is the one place for them:
// docs/capacity.md is made of it.
const (
	readingCPU  = 10e-6  // s a reading, in batches of 500: hub
	batchCPU    = 120e-6 // s a batch that comes with others, its part of the commit included: hub, each with an agent of its own
	instanceCPU = 3e-6   // s a second for an instance that is known, to see who is gone: profile
	frameCPU    = 15e-6  // s a frame to a browser: fanout, uncoalesced
	updateCPU   = 3e-6   // s an update within a frame: fanout, coalesced

	idleMemory     = 33e6 // bytes of a hub with 20 agents: hub
	instanceMemory = 25e3 // bytes an instance, its open chunk and the collector's reserve included: soak
	agentMemory    = 50e3 // bytes a connection of an agent: hub, each with an agent of its own
	browserMemory  = 65e3 // bytes a connection of a browser: fanout

	readingDisk    = 55    // bytes a reading in its chunk: micro
	readingWritten = 270   // bytes handed to the disk for it, journal and chunk: micro
	profileBytes   = 250e3 // a heap profile of 3,000 stacks, compressed
)

// What is assumed where the configuration does not say.
const (
	interval         = 10 * time.Second // checkInterval
	targetsAnAgent   = 1                // a sidecar in each pod
	profilesADay     = 0.03             // an instance: one in a hundred leaks a day, and each leak leaves three
	keepRaw          = 48 * time.Hour
	keepMinutes      = 14 * 24 * time.Hour
	keepTenMinutes   = 180 * 24 * time.Hour
	keepProfiles     = 30.0 // days
	browsersPerThous = 2.0  // that are open, for a thousand instances
	updatesAFrame    = 250  // at most: what the window of 250 ms gathers of 1,000 readings a second
	headroom         = 2    // cores to have, for one in use
)

const capacityPage = "docs/capacity.md"

// need is what a fleet takes.
type need struct {
	instances             int
	readings              float64 // a second
	cores, coresNode      float64 // with a sidecar in each pod, and with an agent for each node of 30 targets
	memory, written       float64 // bytes, bytes a second
	database, profiles    float64 // bytes, at the defaults of retention
	connections, browsers float64
}

func needs(instances int) need {
	n := need{instances: instances, readings: float64(instances) / interval.Seconds()}
	n.browsers = math.Max(5, browsersPerThous*float64(instances)/1000)
	perAgent := func(targets float64) float64 {
		return n.readings*readingCPU + n.readings/targets*batchCPU + float64(instances)*instanceCPU
	}
	// A browser that looks at the fleet gets four frames a second with all that changed.
	updates := math.Min(n.readings, 4*updatesAFrame)
	live := n.browsers * (4*frameCPU + updates*updateCPU)
	n.cores, n.coresNode = perAgent(targetsAnAgent)+live, perAgent(30)+live
	n.connections = float64(instances)/targetsAnAgent + n.browsers
	n.memory = idleMemory + float64(instances)*(instanceMemory+agentMemory/targetsAnAgent) + n.browsers*browserMemory
	n.written = n.readings * readingWritten
	kept := keepRaw.Seconds()/interval.Seconds() + 2*(keepMinutes-keepRaw).Minutes() + 2*(keepTenMinutes-keepMinutes).Minutes()/10
	n.database = float64(instances) * kept * readingDisk
	n.profiles = float64(instances) * profilesADay * keepProfiles * profileBytes
	return n
}

// costs tells the constants.
func costs(context.Context, *lab) (*table, error) {
	t := &table{{"what", "costs", "measured by `go run ./bench …`"}}
	micro := func(s float64) string { return fmt.Sprintf("%.3g µs of CPU", s*1e6) }
	t.add("a reading, in batches of 500", micro(readingCPU), "hub")
	t.add("a batch, with its part of a commit", micro(batchCPU), "hub")
	t.add("an instance that is known, each second", micro(instanceCPU), "profile")
	t.add("a frame to a browser", micro(frameCPU), "fanout")
	t.add("an update in it", micro(updateCPU), "fanout")
	t.add("a hub with nothing to do", bytesOf(idleMemory)+" of memory", "hub")
	t.add("an instance", bytesOf(instanceMemory)+" of memory", "soak")
	t.add("an agent's connection", bytesOf(agentMemory)+" of memory", "hub")
	t.add("a browser's connection", bytesOf(browserMemory)+" of memory", "fanout")
	t.add("a reading that is kept", fmt.Sprintf("%d B of database, %d B handed to the disk", readingDisk, readingWritten), "micro")
	t.add("a profile of 3,000 stacks", bytesOf(profileBytes)+" of blobs", "target")
	return t, nil
}

// capacity tells what fleets take.
func capacity(context.Context, *lab) (*table, error) {
	t := &table{{"instances", "readings a second", "cores in use: a sidecar each · an agent a node", "memory", "handed to the disk", "database", "profiles", "connections"}}
	for _, instances := range []int{1000, 10_000, 100_000, 1_000_000} {
		n := needs(instances)
		t.add(thousands(instances), fmt.Sprintf("%.0f", n.readings), fmt.Sprintf("%.2g · %.2g", n.cores, n.coresNode), bytesOf(n.memory),
			bytesOf(n.written)+"/s", bytesOf(n.database), bytesOf(n.profiles), thousands(int(n.connections)))
	}
	return t, nil
}

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

func bytesOf(v float64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	i := 0
	for ; v >= 1000 && i < len(units)-1; i++ {
		v /= 1000
	}
	return fmt.Sprintf("%.3g %s", v, units[i])
}
