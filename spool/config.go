package spool

import (
	"errors"
	"fmt"
	"time"
)

// Config is for Open.
type Config struct {
	// Dir is the spool's own folder; it is made when missing.
	Dir string `yaml:"dir"`
	// MaxBytes bounds the disk used, 1 MiB or more.
	MaxBytes int64 `yaml:"maxBytes"`
	// MaxMemoryBytes bounds what waits in memory while the disk takes nothing.
	MaxMemoryBytes int64 `yaml:"maxMemoryBytes"`
	// SyncEvery is how much time of readings a power cut may cost. The end of
	// the process alone, kill -9 included, costs none.
	SyncEvery time.Duration `yaml:"syncEvery"`
	// MaxRejected bounds the rejected records kept in Dir/rejected to look at.
	MaxRejected int `yaml:"maxRejected"`
}

// DefaultConfig suits a sidecar: 128 MiB hold about two days of readings of
// ten targets.
func DefaultConfig() Config {
	return Config{
		Dir: "./unsent", MaxBytes: 128 << 20, MaxMemoryBytes: 1 << 20,
		SyncEvery: 5 * time.Second, MaxRejected: 100,
	}
}

// Validate names the field that is wrong, its value and what is allowed.
func (c Config) Validate() error {
	switch {
	case c.Dir == "":
		return errors.New("spool.dir: missing: want a folder")
	case c.MaxBytes < 1<<20:
		return fmt.Errorf("spool.maxBytes: %d is not allowed: want 1 MiB or more", c.MaxBytes)
	case c.MaxMemoryBytes < 0 || c.MaxMemoryBytes > c.MaxBytes:
		return fmt.Errorf("spool.maxMemoryBytes: %d is not allowed: want 0 to maxBytes (%d)", c.MaxMemoryBytes, c.MaxBytes)
	case c.SyncEvery < 0 || c.SyncEvery > time.Hour:
		return fmt.Errorf("spool.syncEvery: %s is not allowed: want 0s to 1h", c.SyncEvery)
	case c.MaxRejected < 0:
		return fmt.Errorf("spool.maxRejected: %d is not allowed: want 0 or more", c.MaxRejected)
	}
	return nil
}
