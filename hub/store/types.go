package store

import (
	"time"

	"github.com/zupee/memwatch"
)

// Reading is one reading of one instance.
type Reading struct {
	Service, Instance string
	// Sample must have a time; of it, milliseconds are kept.
	Sample memwatch.Sample
}

// AppendResult says what became of readings: Stored are new, Duplicates were
// there already and changed nothing.
type AppendResult struct{ Stored, Duplicates int }

// Query chooses readings.
type Query struct {
	// Service is needed; Instance "" stands for all of its instances.
	Service, Instance string
	// From and To are both included; zero leaves that end open.
	From, To time.Time
	// MaxPoints is the most readings to answer for each instance, at least 4;
	// 0 means 1,000. An answer holds 100,000 in all.
	MaxPoints int
	// Newest asks for the newest MaxPoints readings of each instance as they are,
	// in place of a thinned range.
	Newest bool
}

// Series are readings of one instance, oldest first.
type Series struct {
	Instance string
	Readings []memwatch.Sample
}

// Instance is one replica of a service, as the hub knows it.
type Instance struct {
	Service, Instance string
	Labels            map[string]string
	// Agent is the version of the memwatchd that watches it; "" for version 0.
	Agent string
	// FirstSeen and LastSeen are by the hub's clock; where nothing said so, and
	// where they are later, the times of the first and newest reading.
	FirstSeen, LastSeen time.Time
}

// InstanceState is an instance with the newest that was said of it.
type InstanceState struct {
	Instance
	// Last is its newest reading; nil when none is kept.
	Last *memwatch.Sample
	// Verdict is its last one, said at VerdictAt; nil when there was none.
	Verdict   *memwatch.Verdict
	VerdictAt time.Time
}

// AlertQuery chooses alerts; empty fields choose all.
type AlertQuery struct {
	Service  string
	Severity memwatch.Severity
	State    memwatch.AlertState
	Type     memwatch.AlertType
	Kind     memwatch.Kind
	// Limit is the most to answer: 100 when 0, never more than 1,000.
	Limit int
	// Before goes on after an earlier answer: the id of its last alert.
	Before string
}

// AlertCount is how many alerts a service has had, and how many are open.
type AlertCount struct{ Total, Open, Critical int }

// CaptureQuery chooses captures; empty fields choose all.
type CaptureQuery struct {
	Service, Instance string
	Kind              memwatch.ProfileKind
	Role              memwatch.Role
	// IDs chooses by id, at most 1,000; nil chooses all. An alert's profiles are such.
	IDs []string
	// Limit is the most to answer: 100 when 0, never more than 1,000.
	Limit int
	// Before goes on after an earlier answer: the id of its last capture.
	Before string
}

// Pruned says what Prune removed.
type Pruned struct {
	Chunks, Alerts, Instances int
	// Rolled chunks were made coarser.
	Rolled int
}

// Stats are the store's own numbers.
type Stats struct {
	// Stored and Duplicates count readings since the store was opened, Commits its
	// transactions, Damaged the times a chunk could not be read.
	Stored, Duplicates, Commits, Damaged int64
	// Waiting is how many calls wait to be written now.
	Waiting int

	Instances int

	Alerts, OpenAlerts, CriticalAlerts int // critical: of the open ones
	Captures                           int
	CaptureBytes                       int64
	// DatabaseBytes is the database's size on disk with what is not yet tidied up.
	DatabaseBytes int64
}
