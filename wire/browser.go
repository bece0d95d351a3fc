package wire

import "github.com/zupee/memwatch"

// The types of messages between hub and browser.
const (
	TypeHello         Type = "hello"
	TypeMetricsUpdate Type = "metricsUpdate"
	TypeLeakAlert     Type = "leakAlert"
	TypeAlertUpdate   Type = "alertUpdate"
	TypeServiceUpdate Type = "serviceUpdate"
	TypeProfileSaved  Type = "profileSaved"
	TypeWatch         Type = "watch"
)

// Status says whether a service is heard of.
type Status string

// The statuses of a service or instance.
const (
	// Connected: readings come in.
	Connected Status = "connected"
	// Unreachable: its agent is there, but the target cannot be read.
	Unreachable Status = "unreachable"
	// Disconnected: its agent is gone.
	Disconnected Status = "disconnected"
)

// Hello opens a browser's connection: events after Seq follow. A browser that comes
// back asks to go on with ?epoch= and &since= (the newest Seq that it has seen).
type Hello struct {
	Type    Type   `json:"type"`
	Seq     uint64 `json:"seq"`
	Version string `json:"version"`
	// Epoch names the run of the hub that counts: its numbers mean nothing to another.
	Epoch string `json:"epoch"`
	// Resumed says that nothing is missing between what the browser has seen and what
	// follows. Otherwise it is to start from the present state.
	Resumed bool `json:"resumed,omitempty"`
}

// MetricsUpdate is one new reading, with the original's flat fields.
type MetricsUpdate struct {
	Metrics
	Seq uint64 `json:"seq"`
}

// AlertEvent is a leakAlert (an alert began) or an alertUpdate (it changed).
type AlertEvent struct {
	Type  Type           `json:"type"`
	Seq   uint64         `json:"seq"`
	Alert memwatch.Alert `json:"alert"`
}

// ServiceUpdate says that a service or one of its instances came or went.
type ServiceUpdate struct {
	Type     Type   `json:"type"`
	Seq      uint64 `json:"seq"`
	Service  string `json:"service"`
	Instance string `json:"instance,omitempty"`
	Status   Status `json:"status"`
	// Reason says why it is unreachable, in words.
	Reason string `json:"reason,omitempty"`
}

// ProfileSaved says that a capture can be fetched.
type ProfileSaved struct {
	Type    Type             `json:"type"`
	Seq     uint64           `json:"seq"`
	Profile memwatch.Capture `json:"profile"`
}

// Watch is what a browser says to choose its services; "*" stands for all.
type Watch struct {
	Type     Type     `json:"type"`
	Services []string `json:"services"`
}
