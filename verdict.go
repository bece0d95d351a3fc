package memwatch

// State is what the evidence says. See Severity for how much it matters.
type State string

// The states of a target, in the order they worsen.
const (
	Learning State = "learning"
	Healthy  State = "healthy"
	Suspect  State = "suspect"
	Leaking  State = "leaking"
)

// Rank orders states from 0 (learning, or unknown) to 3 (leaking).
func (s State) Rank() int {
	switch s {
	case Healthy:
		return 1
	case Suspect:
		return 2
	case Leaking:
		return 3
	}
	return 0
}

// Kind says which part of the memory grows.
type Kind string

// The kinds of growth.
const (
	KindNone          Kind = "none"
	KindHeap          Kind = "heap"
	KindGoroutine     Kind = "goroutine"
	KindOffHeap       Kind = "offheap"
	KindFragmentation Kind = "fragmentation"
)

// Severity says how soon a leak hurts; None unless the state is Leaking.
type Severity string

// The severities, in the order they worsen.
const (
	SeverityNone     Severity = "none"
	SeverityInfo     Severity = "info"
	SeverityWarning  Severity = "warning"
	SeverityCritical Severity = "critical"
)

// Rank orders severities from 0 (none) to 3 (critical).
func (s Severity) Rank() int {
	switch s {
	case SeverityInfo:
		return 1
	case SeverityWarning:
		return 2
	case SeverityCritical:
		return 3
	}
	return 0
}

// LimitSource says whose limit it is.
type LimitSource string

// The sources of a limit.
const (
	LimitCgroup     LimitSource = "cgroup"
	LimitGoMemLimit LimitSource = "gomemlimit" // the Go runtime's soft limit
	LimitConfig     LimitSource = "config"
	LimitAssumed    LimitSource = "assumed" // nothing told one
)

// Interval is an estimate with its 95 % interval.
type Interval struct {
	Estimate float64 `json:"estimate"`
	Low      float64 `json:"low"`
	High     float64 `json:"high"`
}

// Gate is one test behind a verdict, so that "why" and "why not" both have an answer.
type Gate struct {
	// Name is stable and short: "trend", "plateau", "horizon", …
	Name string `json:"name"`
	// Value is what was measured; null when it could not be.
	Value *float64 `json:"value"`
	// Need says what would pass, comparison first: "> 3.5".
	Need   string `json:"need"`
	Passed bool   `json:"passed"`
	// Detail says the same in words for people.
	Detail string `json:"detail,omitempty"`
}

// Certainty says how thin the evidence for a culprit is.
type Certainty string

// The certainties of a culprit.
const (
	Certain Certainty = "certain"
	Likely  Certainty = "likely"
)

// Culprit is a stack that holds growing memory.
type Culprit struct {
	// Function is the owner: the deepest frame that holds most of the growth
	// and is neither runtime nor a standard-library helper. File and Line are its.
	Function string `json:"function"`
	// Leaf is the frame that allocates.
	Leaf string `json:"leaf"`
	// OwnFrame is the first frame of the program's main module, "" when unknown.
	OwnFrame string  `json:"ownFrame"`
	File     string  `json:"file"`
	Line     int     `json:"line"`
	Stack    []Frame `json:"stack"`
	// GrowthBytesPerSecond is this stack's own growth; for goroutines their stacks' bytes.
	GrowthBytesPerSecond float64 `json:"growthBytesPerSecond"`
	LiveBytes            int64   `json:"liveBytes"`
	LiveObjects          int64   `json:"liveObjects"`
	// Share is this culprit's part of all growth, 0 to 1.
	Share     float64   `json:"share"`
	Certainty Certainty `json:"certainty"`
	// History is what it held at the profiles that are remembered, oldest first: the
	// last minutes closely, the time before in wider steps.
	History []Held `json:"history,omitempty"`
}

// Held is what a culprit held at one time.
type Held struct {
	Timestamp UnixMilli `json:"timestamp"`
	LiveBytes int64     `json:"liveBytes"` // for goroutines their stacks' bytes
}

// Verdict is what the detector says of a target at one reading.
type Verdict struct {
	State    State    `json:"state"`
	Kind     Kind     `json:"kind"`
	Severity Severity `json:"severity"`
	// Since is when the present growth began, as far as the readings show.
	Since                UnixMilli `json:"since"`
	GrowthBytesPerSecond Interval  `json:"growthBytesPerSecond"`
	// GrowthBytes is how much has grown since Since.
	GrowthBytes float64 `json:"growthBytes"`
	// LimitBytes is what the growth runs into; LimitSource says whose limit it is.
	LimitBytes  int64       `json:"limitBytes"`
	LimitSource LimitSource `json:"limitSource"`
	// TimeToLimitSeconds is null when nothing grows toward the limit; the range
	// comes from the growth's interval, its high end null when it may never get there.
	TimeToLimitSeconds     *float64 `json:"timeToLimitSeconds"`
	TimeToLimitLowSeconds  *float64 `json:"timeToLimitLowSeconds"`
	TimeToLimitHighSeconds *float64 `json:"timeToLimitHighSeconds"`
	// Confidence is 0 to 1.
	Confidence float64   `json:"confidence"`
	Culprits   []Culprit `json:"culprits"`
	Gates      []Gate    `json:"gates"`
	// Summary says it all in one sentence.
	Summary string `json:"summary"`
}

// Notifies reports whether people are to be told, by the default rule:
// leaking, and dangerous soon enough.
func (v *Verdict) Notifies() bool {
	return v.State == Leaking && v.Severity.Rank() >= SeverityWarning.Rank()
}
