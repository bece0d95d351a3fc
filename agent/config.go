package agent

import (
	"time"

	"github.com/zupee/memwatch/capture"
	"github.com/zupee/memwatch/detector"
	"github.com/zupee/memwatch/spool"
	"github.com/zupee/memwatch/uplink"
)

// Config is for Run. It is complete and checked: config.Load makes one.
type Config struct {
	Targets []Target
	// Discover are sources of more of them.
	Discover []Discover
	// Interval is the time between readings of a target.
	Interval time.Duration
	Detector detector.Config
	// ProfileShare of one core of a target is what its profiles may take.
	ProfileShare float64
	// Evidence saves profiles to Capture.Dir.
	Evidence bool
	// History is how many readings of a target go with its evidence.
	History int
	Capture capture.Config
	// StateDir is where what is known of targets waits for the next start; "" is
	// nowhere.
	StateDir string
	Spool    spool.Config
	// Uplink.URLs are the hubs; none works without one.
	Uplink uplink.Config
	// Listen is the address of the agent's own endpoints; "" is off.
	Listen string
	// Pprof serves the agent's own profiles there, too.
	Pprof bool
	// Grace is how long the end may take to send what is waiting.
	Grace time.Duration
}
