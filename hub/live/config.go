package live

import (
	"fmt"
	"time"
)

// Config bounds what browsers may cost.
type Config struct {
	// Window is the least time between two frames to one browser where there are
	// many. A few hundred get theirs each 100 ms, if that is less.
	Window time.Duration `yaml:"window"`
	// MaxClients bounds the connections; more are refused with 503.
	MaxClients int `yaml:"maxClients"`
	// Origins are hosts of pages, besides the hub's own, that may connect
	// (patterns as in path.Match).
	Origins []string `yaml:"origins"`
	// Overlap is from how long before they came browsers get events, for the state
	// that they fetch may be from a hub that has not heard of them yet.
	Overlap time.Duration `yaml:"-"`
}

// DefaultConfig is what serves well: four frames a second to each of 5,000 browsers.
func DefaultConfig() Config {
	return Config{Window: 250 * time.Millisecond, MaxClients: 5000}
}

// Validate names the field that is wrong, its value and what is allowed.
func (c Config) Validate() error {
	if c.Window < 10*time.Millisecond || c.Window > time.Minute {
		return fmt.Errorf("live.window: %s is not allowed: want 10ms to 1m", c.Window)
	}
	if c.MaxClients < 1 || c.MaxClients > 1_000_000 {
		return fmt.Errorf("live.maxClients: %d is not allowed: want 1 to 1000000", c.MaxClients)
	}
	return nil
}

const (
	// soonest is how often a browser is told at most, manyClients how many there are
	// when each waits for the whole window.
	soonest     = 100 * time.Millisecond
	manyClients = 1000
	// writeTimeout is how long a browser may take for one frame.
	writeTimeout = 10 * time.Second
	// keep is how long an event stays in the log: longer than any frame may take, and
	// than a browser is usually away before it comes back to go on. Of readings only
	// the newest of an instance stays, so that time costs little.
	keep = 2 * time.Minute
	// maxAlerts bounds the events in the log that are not readings.
	maxAlerts = 4096
	// maxFrameBytes is where a frame to a browser ends; what is left goes into the next.
	maxFrameBytes = 1 << 20
	// maxClientFrameBytes bounds what a browser sends: room for a watch of maxWatch names.
	maxClientFrameBytes = 256 << 10
	maxWatch            = 1000
	pingEvery           = 30 * time.Second
)
