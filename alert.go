package memwatch

// AlertType says what an alert is about.
type AlertType string

// The types of alert.
const (
	AlertLeak       AlertType = "leak"
	AlertSnapshot   AlertType = "snapshot"
	AlertDisconnect AlertType = "disconnect"
)

// AlertState is where an alert is in its one life.
type AlertState string

// The states of an alert.
const (
	AlertFiring   AlertState = "firing"
	AlertResolved AlertState = "resolved"
)

// Alert is what people are told. One leak is one alert from its first sign to
// its end, however often it is seen and on however many replicas.
type Alert struct {
	ID    string     `json:"id"`
	Type  AlertType  `json:"type"`
	State AlertState `json:"state"`
	// Fingerprint names the leak: the same service, kind and culprit is the same alert.
	Fingerprint string `json:"fingerprint"`
	// Culprit is the function that names a leak; "" while none is known.
	Culprit   string   `json:"culprit,omitempty"`
	Service   string   `json:"service"`
	Instances []string `json:"instances"`
	Kind      Kind     `json:"kind,omitempty"`
	Severity  Severity `json:"severity"`
	// Message is the one sentence to read.
	Message string `json:"message"`
	// Time is when it fired.
	Time       UnixMilli `json:"timestamp"`
	UpdatedAt  UnixMilli `json:"updatedAt"`
	ResolvedAt UnixMilli `json:"resolvedAt"`
	// Verdict is the newest one behind a leak; nil for other types and for
	// agents of version 0, which send none.
	Verdict *Verdict `json:"verdict"`
	// HeapUsedMB and MemoryGrowthMB are the original dashboard's names (MiB).
	HeapUsedMB     float64 `json:"heapUsedMB,omitempty"`
	MemoryGrowthMB float64 `json:"memoryGrowthMB,omitempty"`
	// Filename names the file of a snapshot alert.
	Filename string `json:"filename,omitempty"`
	// Profiles are the captures that belong to it, oldest first.
	Profiles []string `json:"profiles"`

	// Confidence is 0 to 1: the worst instance's, raised by replicas that show the same.
	Confidence float64 `json:"confidence,omitempty"`
	// Replicas is how many instances the service has, Leaking how many of them
	// show this leak now.
	Replicas int `json:"replicas,omitempty"`
	Leaking  int `json:"leaking,omitempty"`
	// HeldBack says why a leak does not count as a warning yet; "" when it does.
	HeldBack string `json:"heldBack,omitempty"`
	// SinceVersion is the version that brought the leak; "" when unknown. Versions
	// are those that showed it, FoundAfterSeconds the shortest uptime at which one did.
	SinceVersion      string   `json:"sinceVersion,omitempty"`
	Versions          []string `json:"versions,omitempty"`
	FoundAfterSeconds float64  `json:"foundAfterSeconds,omitempty"`

	// Acknowledged, Silenced and Expected are what people decided; nil when nobody
	// did, or it is over. Dismissed is who said that a resolved one is done with.
	Acknowledged *Mark `json:"acknowledged,omitempty"`
	Silenced     *Mark `json:"silenced,omitempty"`
	Expected     *Mark `json:"expected,omitempty"`
	Dismissed    *Mark `json:"dismissed,omitempty"`
	// Deliveries say, channel by channel, who was told. The store adds them.
	Deliveries []Delivery `json:"deliveries,omitempty"`
}
