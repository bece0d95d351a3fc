package ingest

import "fmt"

// Config bounds what agents may cost.
type Config struct {
	// MaxAgents bounds the connections; more are refused with 503.
	MaxAgents int `yaml:"maxAgents"`
	// MaxProfileBytes bounds one saved profile, compressed as it is sent.
	MaxProfileBytes int64 `yaml:"maxProfileBytes"`
	// MaxServices and MaxInstances bound what the hub knows at once; new ones
	// beyond are refused until others are forgotten.
	MaxServices  int `yaml:"maxServices"`
	MaxInstances int `yaml:"maxInstances"`
	// MaxLabels bounds the labels of one instance.
	MaxLabels int `yaml:"maxLabels"`
	// MaxReadingsPerSecond bounds one agent; what comes faster is to be sent later.
	MaxReadingsPerSecond int `yaml:"maxReadingsPerSecond"`
}

// DefaultConfig is what serves well.
func DefaultConfig() Config {
	return Config{
		MaxAgents: 20_000, MaxProfileBytes: 64 << 20, MaxServices: 10_000, MaxInstances: 50_000, MaxLabels: 64, MaxReadingsPerSecond: 50_000,
	}
}

// Validate names the field that is wrong, its value and what is allowed.
func (c Config) Validate() error {
	if c.MaxAgents < 1 || c.MaxAgents > 1_000_000 {
		return fmt.Errorf("ingest.maxAgents: %d is not allowed: want 1 to 1000000", c.MaxAgents)
	}
	if c.MaxProfileBytes < 1<<10 || c.MaxProfileBytes > 4<<30 {
		return fmt.Errorf("ingest.maxProfileBytes: %d is not allowed: want 1024 to %d", c.MaxProfileBytes, int64(4<<30))
	}
	for _, n := range []struct {
		name    string
		v, most int
	}{
		{"maxServices", c.MaxServices, 1_000_000},
		{"maxInstances", c.MaxInstances, 1_000_000},
		{"maxLabels", c.MaxLabels, 1000},
		{"maxReadingsPerSecond", c.MaxReadingsPerSecond, 10_000_000},
	} {
		if n.v < 1 || n.v > n.most {
			return fmt.Errorf("ingest.%s: %d is not allowed: want 1 to %d", n.name, n.v, n.most)
		}
	}
	return nil
}

const (
	// maxInWork bounds the frames being decoded or stored at once.
	maxInWork = 256
	// maxTargets bounds what one connection may speak for.
	maxTargets = 10_000
	// maxUploads bounds the profiles that one connection sends at once.
	maxUploads = 32
)
