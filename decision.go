package memwatch

// Action is what happened to an alert, or is to happen to it.
type Action string

// What people can decide about an alert.
const (
	// ActionAcknowledge: somebody is at it. Nobody is told again unless it worsens.
	ActionAcknowledge Action = "acknowledge"
	// ActionSilence: nobody is told until a time, also when the leak comes back.
	ActionSilence Action = "silence"
	// ActionExpect: this growth is meant to be, until a time; faster growth is not.
	ActionExpect Action = "expect"
	// ActionResolve: it is done with. What still leaks fires anew after a while.
	ActionResolve Action = "resolve"
	// ActionLift ends an acknowledgement, a silence and an expectation.
	ActionLift Action = "lift"
)

// What happens to an alert by itself.
const (
	ActionFire    Action = "fire"    // it began
	ActionJoin    Action = "join"    // one more instance shows it
	ActionRename  Action = "rename"  // its culprit became known, or another
	ActionWorsen  Action = "worsen"  // its severity rose
	ActionEase    Action = "ease"    // its severity fell
	ActionBlame   Action = "blame"   // the version that brought it became known
	ActionHold    Action = "hold"    // it does not count as a warning yet
	ActionRelease Action = "release" // it counts now
	ActionExpire  Action = "expire"  // a silence or expectation ran out
	ActionResume  Action = "resume"  // it grows faster than was expected
	ActionNotify  Action = "notify"  // a channel was told, or could not be
)

// Decision is what a person wants done with an alert.
type Decision struct {
	Alert  string
	Action Action
	// Who decides, by name, and why; Who is needed.
	Who, Why string
	// Until is when a silence or expectation ends by itself; they need one.
	Until UnixMilli
}

// Mark is a decision as the alert carries it.
type Mark struct {
	Who string    `json:"who"`
	Why string    `json:"why,omitempty"`
	At  UnixMilli `json:"timestamp"`
	// Until is when it ends by itself; null for an acknowledgement, which lasts
	// as long as its alert.
	Until UnixMilli `json:"until"`
	// GrowthBytesPerSecond is what an expectation expects.
	GrowthBytesPerSecond float64 `json:"growthBytesPerSecond,omitempty"`
}

// Transition is one line of an alert's log.
type Transition struct {
	Time   UnixMilli `json:"timestamp"`
	Action Action    `json:"action"`
	// Who did it: a person's name, or "memwatch".
	Who string `json:"who"`
	// Why says in words what made it happen.
	Why string `json:"why"`
	// State and Severity are the alert's after it.
	State    AlertState `json:"state"`
	Severity Severity   `json:"severity"`
}

// Delivery is how far one channel has been told of one alert.
type Delivery struct {
	Channel string        `json:"channel"`
	State   DeliveryState `json:"state"`
	// Told is the alert's state, and Severity its severity, as the channel knows
	// them; "" when it was told nothing yet. At is when.
	Told     AlertState `json:"told,omitempty"`
	Severity Severity   `json:"severity,omitempty"`
	At       UnixMilli  `json:"timestamp"`
	// Attempts counts the tries of what is being told now, NextAt is the next one.
	Attempts int       `json:"attempts,omitempty"`
	NextAt   UnixMilli `json:"nextAt,omitzero"`
	// Reason says why it waits, or what went wrong.
	Reason string `json:"reason,omitempty"`
}

// DeliveryState is where a delivery is.
type DeliveryState string

// The states of a delivery.
const (
	// DeliveryWaiting: to be told, but not now; Reason says why.
	DeliveryWaiting DeliveryState = "waiting"
	// DeliveryRetrying: a try failed; there will be another at NextAt.
	DeliveryRetrying DeliveryState = "retrying"
	DeliveryDone     DeliveryState = "delivered"
	// DeliveryFailed: it will not be tried again until there is something new to tell.
	DeliveryFailed DeliveryState = "failed"
)
