package api

import (
	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/wire"
)

// The bodies of the REST API. Field names of the original dashboard's server
// (name, status, registeredAt, lastSeen, totalAlerts, lastMetrics, metrics,
// total, alerts, …) mean what they meant there.

// Service is one row of the fleet: GET /api/services is an array of them,
// worst first, and GET /api/services/{service} is one.
type Service struct {
	Name         string             `json:"name"`
	Status       wire.Status        `json:"status"`
	RegisteredAt memwatch.UnixMilli `json:"registeredAt"`
	LastSeen     memwatch.UnixMilli `json:"lastSeen"`
	// TotalAlerts counts all alerts ever, OpenAlerts those that fire now.
	TotalAlerts int           `json:"totalAlerts"`
	OpenAlerts  int           `json:"openAlerts"`
	LastMetrics *wire.Metrics `json:"lastMetrics"`

	// The worst instance's verdict stands for the service.
	Worst     string            `json:"worst"` // name of that instance
	Verdict   *memwatch.Verdict `json:"verdict"`
	Instances []Instance        `json:"instances" nullable:"false"`
	Sparkline *Sparkline        `json:"sparkline"`
	Labels    map[string]string `json:"labels,omitempty"`
	// Releases are the versions that its instances said they were, as they came.
	Releases []Release `json:"releases,omitempty"`
}

// Release is a version of a service, by its instances' label version. Since is when
// the first of them called; null when the hub was not there to hear it.
type Release struct {
	Version string             `json:"version"`
	Since   memwatch.UnixMilli `json:"since"`
}

// Instance is one replica of a service.
type Instance struct {
	Name     string             `json:"name"`
	Status   wire.Status        `json:"status"`
	Reason   string             `json:"reason,omitempty"` // why it is unreachable
	LastSeen memwatch.UnixMilli `json:"lastSeen"`
	Labels   map[string]string  `json:"labels,omitempty"`
	Sample   *memwatch.Sample   `json:"sample"`
	Verdict  *memwatch.Verdict  `json:"verdict"`
}

// Sparkline is the worst instance's live heap (heap used, where a runtime has
// no live heap; RSS where it has no heap; goroutines while they are what grows)
// over the last while, evenly spaced; null where there was no reading.
type Sparkline struct {
	Signal string             `json:"signal"`
	From   memwatch.UnixMilli `json:"from"`
	StepMs int64              `json:"stepMs"`
	Values []*float64         `json:"values" nullable:"false"`
}

// ServiceMetrics answers GET /api/services/{service}/metrics, oldest first.
type ServiceMetrics struct {
	Service string         `json:"service"`
	Metrics []wire.Metrics `json:"metrics" nullable:"false"`
	// Total is how many readings the range holds before down-sampling.
	Total int `json:"total"`
}

// Alerts answers GET /api/alerts, newest first.
type Alerts struct {
	Alerts []memwatch.Alert `json:"alerts" nullable:"false"`
	Total  int              `json:"total"`
	Next   string           `json:"next,omitempty" doc:"The cursor of the next page; absent on the last"`
}

// Profiles answers GET /api/profiles, newest first.
type Profiles struct {
	Profiles []memwatch.Capture `json:"profiles" nullable:"false"`
	Total    int                `json:"total"`
	Next     string             `json:"next,omitempty" doc:"The cursor of the next page; absent on the last"`
}

// Stats answers GET /api/stats.
type Stats struct {
	TotalServices     int     `json:"totalServices"`
	ConnectedServices int     `json:"connectedServices"`
	TotalInstances    int     `json:"totalInstances"`
	TotalAlerts       int     `json:"totalAlerts"`
	OpenAlerts        int     `json:"openAlerts"`
	CriticalAlerts    int     `json:"criticalAlerts"` // open ones
	DashboardClients  int     `json:"dashboardClients"`
	Agents            int     `json:"agents"`
	Readings          int64   `json:"readings"` // stored since the hub started
	Profiles          int     `json:"profiles"`
	ProfileBytes      int64   `json:"profileBytes"`
	DatabaseBytes     int64   `json:"databaseBytes"`
	Uptime            float64 `json:"uptime"` // seconds
	MemoryUsage       Memory  `json:"memoryUsage"`
	Version           string  `json:"version"`
	// Problems say what the hub cannot do now, in words; empty when all is well.
	Problems []string `json:"problems" nullable:"false"`
	// Hubs are those that share the database, this one among them; absent for one alone.
	Hubs []Hub `json:"hubs,omitempty"`
}

// Hub is one of several on one database.
type Hub struct {
	Address string             `json:"address"` // where it listens
	Version string             `json:"version"`
	Started memwatch.UnixMilli `json:"started"`
	// Leads: it decides about alerts and tells people.
	Leads bool `json:"leads"`
	// This: it gave the answer.
	This bool `json:"this"`
}

// Memory is the hub's own, in bytes.
type Memory struct {
	RSS       int64 `json:"rss"`
	HeapTotal int64 `json:"heapTotal"`
	HeapUsed  int64 `json:"heapUsed"`
}

// Flamegraph answers GET /api/profiles/{id}/flamegraph[?base={id}].
type Flamegraph struct {
	Profile memwatch.Capture  `json:"profile"`
	Base    *memwatch.Capture `json:"base,omitempty"`
	// SampleType is inuse_space, or goroutine.
	SampleType string `json:"sampleType"`
	Unit       string `json:"unit"` // bytes or count
	Total      int64  `json:"total"`
	BaseTotal  int64  `json:"baseTotal,omitempty"`
	Root       *Node  `json:"root"`
}

// Node is one call in a flame graph. Value includes its children's.
type Node struct {
	Function string  `json:"name"`
	File     string  `json:"file,omitempty"`
	Line     int     `json:"line,omitempty"`
	Value    int64   `json:"value"`
	Base     int64   `json:"base,omitempty"` // the same call in the base profile
	Children []*Node `json:"children,omitempty"`
}
