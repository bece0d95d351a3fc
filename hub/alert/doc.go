// Package alert decides what people are told. Verdicts, connections and captures
// go in, transitions of alerts come out: one leak is one alert, however often
// and on however many replicas it is seen.
//
// It is pure: no I/O, no clock, no goroutine. What it must remember over a
// restart is the open alerts and the instances' last verdicts, which its owner
// keeps and gives back (Restore, RestoreVerdict); what it forgets costs no
// alert its single life.
//
// # One leak
//
// A leak is named by service, kind and culprit function. Verdicts are not that
// neat: culprits come late, change places, or differ between replicas. So an
// instance stays with its alert while it leaks in the same kind, unless another
// open alert names its first culprit; an alert that one instance has alone
// follows that instance's culprit; and an alert without culprit takes the first
// one named.
//
// # Its end
//
// An alert resolves when every instance in it has been healthy for HealthyFor or
// HealthyReadings, by the readings' own clock, or is gone for good. Suspect or
// learning (a restart) is not healthy, and begins the count anew.
//
// # What does not count yet
//
// A warning is held back, and is information only, while its process has just
// replaced another (DeployGrace), and while it has not grown past where older
// replicas of its version levelled off. Replicas that show the same leak make it
// surer.
//
// # Versions
//
// A leak is blamed on a version when the one before ran as long and was healthy.
// It is fixed when a version that never showed it stays flat for as long as the
// leak took to show, an hour at most. Of a version's uptimes a restart keeps what
// the newest reading of each instance tells.
package alert

import (
	"errors"
	"fmt"
	"time"
)

// Config says how patient the engine is. Zero values mean the defaults.
type Config struct {
	// HealthyFor or HealthyReadings (whichever comes first) is how long an
	// instance must be healthy before it no longer holds an alert open; 10 min, 60.
	HealthyFor      time.Duration
	HealthyReadings int
	// DisconnectAfter is how long an instance may be away without an alert; 1 min.
	DisconnectAfter time.Duration
	// ForgetAfter is how long an instance must be away, while others of its
	// service are there, to be gone for good, as pods are that were replaced; 1 h.
	// When all are away it takes 24 times as long.
	ForgetAfter time.Duration
	// DeployGrace is how long after its start a process that replaced another is
	// held back; 5 min.
	DeployGrace time.Duration
	// UpdateEvery is the least time between two events of an alert of which only
	// numbers changed; 1 min.
	UpdateEvery time.Duration
}

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	for _, d := range []struct {
		name string
		v    time.Duration
	}{{"HealthyFor", c.HealthyFor}, {"DisconnectAfter", c.DisconnectAfter}, {"ForgetAfter", c.ForgetAfter}, {"DeployGrace", c.DeployGrace}, {"UpdateEvery", c.UpdateEvery}} {
		if d.v < 0 {
			return fmt.Errorf("alert: %s is %v: want 0 (the default) or more", d.name, d.v)
		}
	}
	if c.HealthyReadings < 0 {
		return errors.New("alert: HealthyReadings is negative: want 0 (60) or more")
	}
	return nil
}

func (c Config) withDefaults() Config {
	for _, d := range []struct {
		p *time.Duration
		v time.Duration
	}{{&c.HealthyFor, 10 * time.Minute}, {&c.DisconnectAfter, time.Minute}, {&c.ForgetAfter, time.Hour}, {&c.DeployGrace, 5 * time.Minute}, {&c.UpdateEvery, time.Minute}} {
		if *d.p == 0 {
			*d.p = d.v
		}
	}
	if c.HealthyReadings == 0 {
		c.HealthyReadings = 60
	}
	return c
}

// allAway is how much longer than ForgetAfter a whole service may be away.
const allAway = 24
