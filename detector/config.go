package detector

import "fmt"

// Config are the few things that an operator may want to change. All other
// constants stand beside the physics that they come from.
type Config struct {
	// LeakThresholdBytes is the growth since it began at which a leak is worth
	// waking somebody for, however far the limit is.
	LeakThresholdBytes int64 `yaml:"leakThresholdBytes" json:"leakThresholdBytes"`
	// LimitBytes overrides the target's memory limit; 0 takes what the samples say.
	LimitBytes int64 `yaml:"limitBytes" json:"limitBytes"`
	// Significance is the z-score that a trend must reach.
	Significance float64 `yaml:"significance" json:"significance"`
	// HorizonFactor is how far a trend may be extrapolated, as a multiple of
	// the time it has been seen.
	HorizonFactor float64 `yaml:"horizonFactor" json:"horizonFactor"`
}

// DefaultConfig is what the detector was evaluated with.
func DefaultConfig() Config {
	return Config{LeakThresholdBytes: 50 << 20, Significance: 3.5, HorizonFactor: 3.7}
}

// Validate names the first field that cannot work.
func (c Config) Validate() error {
	switch {
	case c.LeakThresholdBytes <= 0:
		return fmt.Errorf("leakThresholdBytes is %d: want more than 0", c.LeakThresholdBytes)
	case c.LimitBytes < 0:
		return fmt.Errorf("limitBytes is %d: want 0 (take the target's) or more", c.LimitBytes)
	case !(c.Significance >= 1 && c.Significance <= 20):
		return fmt.Errorf("significance is %v: want 1 to 20", c.Significance)
	case !(c.HorizonFactor > 0 && c.HorizonFactor <= 100):
		return fmt.Errorf("horizonFactor is %v: want more than 0, at most 100", c.HorizonFactor)
	}
	return nil
}

// Configure changes the configuration, which must be valid; what was seen stays.
func (d *Detector) Configure(cfg Config) {
	if cfg != d.cfg {
		d.cfg, d.verdict = cfg, nil
	}
}
