// Package config is the agent's configuration as people write it: a YAML file,
// environment variables and flags over it, and the defaults under it all.
//
// Every room owns its own settings; this package composes them, refuses what no
// room knows, and says where and what to do. A Config leaves, complete and
// checked; only cmd/ may ask for one, and nobody changes it afterwards.
package config

import (
	"os"
	"time"

	"github.com/zupee/memwatch/agent"
	"github.com/zupee/memwatch/capture"
	"github.com/zupee/memwatch/detector"
	"github.com/zupee/memwatch/scraper"
	"github.com/zupee/memwatch/spool"
	"github.com/zupee/memwatch/uplink"
)

// Config is the whole file. The keys of the original Node agent keep their names.
type Config struct {
	// ServiceName is the service of targets that name none.
	ServiceName string `yaml:"serviceName" env:"MEMWATCH_SERVICE_NAME" flag:"service-name" help:"service of targets that name none"`
	// DashboardURL is the hub; "" works without one.
	DashboardURL string `yaml:"dashboardUrl" env:"MEMWATCH_DASHBOARD_URL" flag:"dashboard-url" help:"the hub, ws://host:port; empty works without one"`
	// CheckInterval is the time between readings of a target.
	CheckInterval time.Duration `yaml:"checkInterval" bare:"ms" env:"MEMWATCH_CHECK_INTERVAL" flag:"check-interval" help:"time between readings of a target"`
	// LeakThresholdMB is the growth, in MiB, at which a leak is worth a notification.
	LeakThresholdMB float64 `yaml:"leakThresholdMB" env:"MEMWATCH_LEAK_THRESHOLD" flag:"leak-threshold-mb" help:"growth in MiB at which a leak is worth a notification"`
	// ProfileShare is the part of one core that profiles may take of a target;
	// a slow target is asked for them less often.
	ProfileShare float64 `yaml:"profileShare"`
	// EnableHeapSnapshots saves profiles as evidence.
	EnableHeapSnapshots bool `yaml:"enableHeapSnapshots" env:"MEMWATCH_ENABLE_HEAP_SNAPSHOTS" flag:"enable-heap-snapshots" help:"save profiles as evidence"`
	// SnapshotPath is the folder of the evidence.
	SnapshotPath string `yaml:"snapshotPath" env:"MEMWATCH_SNAPSHOT_PATH" flag:"snapshot-path" help:"folder of the evidence"`
	// StateDir is where what is known of targets waits for the next start; "" is off.
	StateDir string `yaml:"stateDir" env:"MEMWATCH_STATE_DIR" flag:"state-dir" help:"folder of what is known of targets; empty forgets it at the end"`
	// HistorySize is how many readings of a target go with its evidence.
	HistorySize int `yaml:"historySize" env:"MEMWATCH_HISTORY_SIZE" flag:"history-size" help:"how many readings of a target go with its evidence"`
	// Listen is the address of the agent's own /healthz, /readyz and /metrics; "" is off.
	Listen string `yaml:"listen" env:"MEMWATCH_LISTEN" flag:"listen" help:"address of /healthz, /readyz and /metrics; empty is off"`
	// Pprof serves the agent's own profiles there, too.
	Pprof bool `yaml:"pprof" env:"MEMWATCH_PPROF" flag:"pprof" help:"serve the agent's own /debug/pprof/ beside them"`
	// Grace is how long the end may take to send what is waiting.
	Grace    time.Duration  `yaml:"grace" env:"MEMWATCH_GRACE" flag:"grace" help:"how long the end may take to send what is waiting"`
	Log      Log            `yaml:"log"`
	Detector Detector       `yaml:"detector"`
	Capture  capture.Config `yaml:"capture"`
	Spool    spool.Config   `yaml:"spool"`
	Uplink   uplink.Config  `yaml:"uplink"`
	// TargetURL is what is watched when there are no targets: a sidecar has one.
	TargetURL string `yaml:"targetUrl" env:"MEMWATCH_TARGET_URL" flag:"target-url" help:"what is watched when the file has no targets"`
	// TargetLimitBytes is its memory limit; 0 asks its cgroup and runtime.
	TargetLimitBytes int64 `yaml:"targetLimit" env:"MEMWATCH_TARGET_LIMIT" flag:"target-limit" help:"its memory limit, such as 512MiB; 0 asks its cgroup and runtime"`
	// Targets are what is watched.
	Targets []Target `yaml:"targets"`
	// Discovery are sources of more targets.
	Discovery []Discovery `yaml:"discovery"`
}

// Log says what the agent writes about itself.
type Log struct {
	// Level is debug, info, warn or error.
	Level string `yaml:"level" env:"MEMWATCH_LOG_LEVEL" flag:"log-level" help:"debug, info, warn or error"`
	// Format is text or json.
	Format string `yaml:"format" env:"MEMWATCH_LOG_FORMAT" flag:"log-format" help:"text or json"`
}

// Detector is what of the detector's settings people may want to change.
type Detector struct {
	// Significance is the z-score that a trend must reach.
	Significance float64 `yaml:"significance"`
	// HorizonFactor is how far a trend may be extrapolated, as a multiple of
	// the time it has been seen.
	HorizonFactor float64 `yaml:"horizonFactor"`
}

// Default is what an empty file means.
func Default() Config {
	d, up := detector.DefaultConfig(), uplink.DefaultConfig()
	up.URLs = nil // dashboardUrl is the first
	return Config{
		DashboardURL:        "ws://localhost:4000",
		CheckInterval:       10 * time.Second,
		LeakThresholdMB:     50,
		ProfileShare:        0.005,
		EnableHeapSnapshots: true,
		SnapshotPath:        "./snapshots",
		StateDir:            "./state",
		HistorySize:         120,
		Listen:              "127.0.0.1:4001",
		Grace:               10 * time.Second,
		Log:                 Log{Level: "info", Format: "text"},
		Detector:            Detector{Significance: d.Significance, HorizonFactor: d.HorizonFactor},
		Capture:             capture.DefaultConfig(),
		Spool:               spool.DefaultConfig(),
		Uplink:              up,
		TargetURL:           "http://localhost:6060", // the usual port of pprof, beside a sidecar
	}
}

// Agent is the configuration in the words of the rooms.
func (c Config) Agent() agent.Config {
	a := agent.Config{
		Interval: c.CheckInterval, Detector: c.detector(), ProfileShare: c.ProfileShare,
		Evidence: c.EnableHeapSnapshots,
		History:  c.HistorySize,
		StateDir: c.StateDir,
		Capture:  c.Capture,
		Spool:    c.Spool,
		Uplink:   c.Uplink,
		Listen:   c.Listen,
		Pprof:    c.Pprof,
		Grace:    c.Grace,
	}
	a.Capture.Dir = c.SnapshotPath
	a.Uplink.URLs = c.hubs()
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	targets := c.Targets
	if len(targets) == 0 && len(c.Discovery) == 0 {
		t := DefaultTarget()
		t.URL, t.LimitBytes = c.TargetURL, c.TargetLimitBytes
		targets = []Target{t}
	}
	for _, t := range targets {
		a.Targets = append(a.Targets, agent.Target{Target: t.name(c.ServiceName, host), Scrape: t.Config})
	}
	for _, d := range c.Discovery {
		like := d.Like
		like.URL = d.Find.Scheme + "://" + host // to be checked; each has its own
		a.Discover = append(a.Discover, agent.Discover{Find: d.Find, Host: host, Like: agent.Target{Target: like.name(c.ServiceName, host), Scrape: like.Config}})
	}
	return a
}

// hubs are tried in turn, dashboardUrl first.
func (c Config) hubs() []string {
	if c.DashboardURL == "" {
		return c.Uplink.URLs
	}
	return append([]string{c.DashboardURL}, c.Uplink.URLs...)
}

func (c Config) detector() detector.Config {
	d := detector.DefaultConfig()
	d.LeakThresholdBytes = int64(c.LeakThresholdMB * (1 << 20))
	d.Significance, d.HorizonFactor = c.Detector.Significance, c.Detector.HorizonFactor
	return d
}

// Target is one thing to watch.
type Target struct {
	// Service is the name people know; "" takes serviceName.
	Service string `yaml:"service"`
	// Instance tells replicas apart; "" takes host:port, the machine's name standing for localhost.
	Instance string `yaml:"instance"`
	// Labels are free words for search and grouping.
	Labels map[string]string `yaml:"labels"`

	scraper.Config `yaml:",inline"`
}

// DefaultTarget is what the keys of a target that are not there mean.
func DefaultTarget() Target { return Target{Config: scraper.DefaultConfig()} }
