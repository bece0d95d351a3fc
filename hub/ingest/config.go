package ingest

import "fmt"

// Config bounds what agents may cost.
type Config struct {
	// MaxAgents bounds the connections; more are refused with 503.
	MaxAgents int `yaml:"maxAgents"`
	// MaxProfileBytes bounds one saved profile, compressed as it is sent.
	MaxProfileBytes int64 `yaml:"maxProfileBytes"`
}

// DefaultConfig is what serves well: 20,000 agents, profiles up to 64 MiB.
func DefaultConfig() Config {
	return Config{MaxAgents: 20_000, MaxProfileBytes: 64 << 20}
}

// Validate names the field that is wrong, its value and what is allowed.
func (c Config) Validate() error {
	if c.MaxAgents < 1 || c.MaxAgents > 1_000_000 {
		return fmt.Errorf("ingest.maxAgents: %d is not allowed: want 1 to 1000000", c.MaxAgents)
	}
	if c.MaxProfileBytes < 1<<10 || c.MaxProfileBytes > 4<<30 {
		return fmt.Errorf("ingest.maxProfileBytes: %d is not allowed: want 1024 to %d", c.MaxProfileBytes, int64(4<<30))
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
