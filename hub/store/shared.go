package store

import (
	"context"
	"errors"

	"github.com/zupee/memwatch"
)

// Shared is what a store that several hubs use at once offers besides. Whoever
// holds a Store asks whether it is one.
type Shared interface {
	// Lead waits until this hub leads under a name, of all hubs on the database.
	// The context it answers ends when the lead is lost, when release is called, or
	// with ctx. A lead whose connection broke is noticed within seconds, in which
	// another hub may lead already: work done under it must bear that.
	Lead(ctx context.Context, name string) (leading context.Context, release func(), err error)
	// Cursor answers where the feed of changes stands. Who takes it before reading
	// the state, and then asks for Changes after it, misses nothing.
	Cursor(ctx context.Context) (Cursor, error)
	// Changes answers what other hubs committed after the cursor, each commit once
	// however late it came to be, and where to go on. It waits until there is
	// something, or for some seconds, and then answers nothing. One caller at a time.
	// The error is ErrGap when the cursor is too old: read the state anew.
	Changes(ctx context.Context, after Cursor) (Changes, error)
}

// Cursor is a place in the feed of changes. Its form is the store's business.
type Cursor string

// ErrGap: the feed of changes no longer reaches back to the cursor.
var ErrGap = errors.New("the feed of changes does not reach back that far")

// Changes are the newest states of what changed; what changed twice is told once.
type Changes struct {
	// Instances had readings, a verdict, or other labels. Last is the newest of those
	// readings, nil when there were none; Verdict is nil when neither it nor the labels
	// changed.
	Instances []InstanceState
	Alerts    []memwatch.Alert
	Captures  []memwatch.Capture
	// Next is the cursor after them.
	Next Cursor
}
