package capture

import (
	"errors"
	"fmt"
	"time"
)

// Config is for Open.
type Config struct {
	// Dir is where bundles go; it is made when missing.
	Dir string `yaml:"-"`
	// MaxBytes bounds the disk used.
	MaxBytes int64 `yaml:"maxBytes"`
	// MaxProfileBytes bounds one profile, compressed; larger ones are refused.
	MaxProfileBytes int64 `yaml:"maxProfileBytes"`
	// MaxPerTarget bounds the bundles of one target, baselines not counted.
	MaxPerTarget int `yaml:"maxPerTarget"`
	// BaselineEvery is the least time between baselines of one process.
	BaselineEvery time.Duration `yaml:"baselineEvery"`
	// Cooldown is the least time between bundles of one target and role.
	Cooldown time.Duration `yaml:"cooldown"`
}

// DefaultConfig suits a sidecar; a profile is most often well under 1 MiB.
func DefaultConfig() Config {
	return Config{
		Dir: "./snapshots", MaxBytes: 512 << 20, MaxProfileBytes: 32 << 20, MaxPerTarget: 12,
		BaselineEvery: time.Hour, Cooldown: 10 * time.Minute,
	}
}

// Validate names the field that is wrong, its value and what is allowed.
func (c Config) Validate() error {
	switch {
	case c.Dir == "":
		return errors.New("snapshotPath: missing: want a folder")
	case c.MaxBytes < 1<<20:
		return fmt.Errorf("capture.maxBytes: %d is not allowed: want 1 MiB or more", c.MaxBytes)
	case c.MaxProfileBytes < 1<<10 || c.MaxProfileBytes > c.MaxBytes:
		return fmt.Errorf("capture.maxProfileBytes: %d is not allowed: want 1 KiB to maxBytes (%d)", c.MaxProfileBytes, c.MaxBytes)
	case c.MaxPerTarget < 1:
		return fmt.Errorf("capture.maxPerTarget: %d is not allowed: want 1 or more", c.MaxPerTarget)
	case c.BaselineEvery < 0:
		return fmt.Errorf("capture.baselineEvery: %s is not allowed: want 0s or more", c.BaselineEvery)
	case c.Cooldown < 0:
		return fmt.Errorf("capture.cooldown: %s is not allowed: want 0s or more", c.Cooldown)
	}
	return nil
}
