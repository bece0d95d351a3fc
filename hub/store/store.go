package store

import (
	"context"
	"errors"
	"time"

	"github.com/zupee/memwatch"
)

// Errors that callers branch on.
var (
	// ErrNotFound: there is nothing under this name or id.
	ErrNotFound = errors.New("not found")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("store is closed")
	// ErrFull: the disk, or the bound on the database, is used up. Reading and
	// Prune still work.
	ErrFull = errors.New("database is full: free disk space or shorten the retention")
	// ErrNewer: the database was written by a newer hub.
	ErrNewer = errors.New("database is newer than this program")
	// ErrCorrupt: the database is damaged, or is none.
	ErrCorrupt = errors.New("database is damaged")
	// ErrLocked: another process has the database open, and only one may.
	ErrLocked = errors.New("database is in use by another process")
	// ErrUnavailable: the database's server cannot be reached, or does not take
	// writes now. The same call may succeed later.
	ErrUnavailable = errors.New("database cannot be reached")
)

// Store is a database of a hub. All methods are safe for concurrent use. A method
// that writes returns when what it wrote is durable.
type Store interface {
	Readings
	Instances
	Alerts
	Captures

	// Prune makes coarser, then removes, what is older than the retention as of
	// now; captures are PruneCaptures' part. It is to be called every few minutes,
	// and gives way to other writers in between; when it fails midway, what it
	// removed stays removed and is told.
	Prune(ctx context.Context, now time.Time) (Pruned, error)
	// Ready reports whether the database can be read.
	Ready(ctx context.Context) error
	// Stats answers the store's own numbers.
	Stats(ctx context.Context) (Stats, error)
	// Close finishes the writes under way, refuses new ones with ErrClosed, and
	// closes the database.
	Close() error
}

// Readings are kept by service, instance and millisecond.
type Readings interface {
	// Append stores readings and returns when they are durable. A reading that is
	// there already (same service, instance and millisecond) changes nothing.
	// Instances that are not known yet become known. When it fails it may have
	// stored them or not: the same readings may be sent again.
	Append(ctx context.Context, readings []Reading) (AppendResult, error)
	// Readings answers a query: one series for each instance that has readings in
	// the range, by name, and how many readings the range holds in all. Where there
	// are more than MaxPoints they are thinned (Thinner). Memory is bounded by the
	// answer, not by the range. The error is ErrNotFound when the service or
	// instance is unknown.
	Readings(ctx context.Context, q Query) (series []Series, total int, err error)
}

// Instances are the replicas of services, and what was said of them last.
type Instances interface {
	// UpsertInstance makes an instance known or brings it up to date: FirstSeen
	// only moves back, LastSeen only on; nil labels and an empty agent change nothing.
	UpsertInstance(ctx context.Context, in Instance) error
	// SaveVerdict keeps an instance's verdict as of a time, unless a newer one is there.
	SaveVerdict(ctx context.Context, service, instance string, at time.Time, v *memwatch.Verdict) error
	// Instances answers all known instances, by service and name, each with its
	// newest reading and last verdict: what a hub needs to go on after a restart.
	Instances(ctx context.Context) ([]InstanceState, error)
}

// Alerts are kept under their ids, with a log and how far each channel was told.
type Alerts interface {
	// SaveAlert keeps an alert under its id, in place of what was there, and adds
	// what happened to its log; lines that are there already change nothing. created
	// says that no such alert was there: a resend is told from an event by it.
	// Deliveries are kept by SaveDelivery alone.
	SaveAlert(ctx context.Context, a memwatch.Alert, log ...memwatch.Transition) (created bool, err error)
	// Alert answers one alert; the error is ErrNotFound when there is none.
	Alert(ctx context.Context, id string) (memwatch.Alert, error)
	// Alerts answers the newest alerts first, and how many the query chooses in all
	// (Limit and Before aside). The error is ErrNotFound when Before is unknown.
	Alerts(ctx context.Context, q AlertQuery) (alerts []memwatch.Alert, total int, err error)
	// OpenAlerts answers every alert that is not resolved, oldest first.
	OpenAlerts(ctx context.Context) ([]memwatch.Alert, error)
	// HeldAlerts answers the newest alert of each leak, where it is resolved and
	// decisions about it still hold after that time; oldest first.
	HeldAlerts(ctx context.Context, after time.Time) ([]memwatch.Alert, error)
	// AlertCounts counts the alerts of each service.
	AlertCounts(ctx context.Context) (map[string]AlertCount, error)
	// AlertLog answers what happened to an alert, oldest first, at most the newest
	// 1,000 lines; nothing when there is no such alert.
	AlertLog(ctx context.Context, id string) ([]memwatch.Transition, error)
	// SaveDelivery keeps how far a channel has been told of an alert, and adds what
	// happened to the alert's log. An alert that is no longer kept needs neither.
	SaveDelivery(ctx context.Context, alert string, d memwatch.Delivery, log ...memwatch.Transition) error
	// Undelivered answers the alerts of which a channel may still have to be told:
	// those that fire, and those that a channel believes to fire. Oldest first.
	Undelivered(ctx context.Context) ([]memwatch.Alert, error)
}

// Captures are descriptions of profiles, whose bytes go by their SHA-256.
type Captures interface {
	// SaveCapture keeps the description of a capture under its id, in place of what
	// was there; created says that nothing was.
	SaveCapture(ctx context.Context, c memwatch.Capture) (created bool, err error)
	// Capture answers one capture; the error is ErrNotFound when there is none.
	Capture(ctx context.Context, id string) (memwatch.Capture, error)
	// Captures answers the newest captures first, and how many the query chooses in
	// all (Limit and Before aside). The error is ErrNotFound when Before is unknown.
	Captures(ctx context.Context, q CaptureQuery) (captures []memwatch.Capture, total int, err error)
	// Blobs answers the SHA-256s that captures name.
	Blobs(ctx context.Context) (map[string]bool, error)
	// DeleteCapture removes a capture's description. orphan is the SHA-256 of its
	// bytes when no other capture has the same, else "". The error is ErrNotFound
	// when there is none.
	DeleteCapture(ctx context.Context, id string) (orphan string, err error)
	// PruneCaptures deletes captures beyond age, number or bytes, oldest first;
	// those of open alerts stay. blobs are the SHA-256s that no capture has any
	// more: their bytes can go. What it removed before it failed stays removed and
	// is told.
	PruneCaptures(ctx context.Context, now time.Time) (removed int, blobs []string, err error)
}
