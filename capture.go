package memwatch

// Role says what a saved profile is evidence of.
type Role string

// The roles of a capture.
const (
	// RoleBaseline was taken while the target was healthy.
	RoleBaseline Role = "baseline"
	// RoleSuspect was taken when the target became suspect.
	RoleSuspect Role = "suspect"
	// RoleLeaking was taken on the edge to leaking.
	RoleLeaking Role = "leaking"
	// RoleLastGasp was taken because the limit was near.
	RoleLastGasp Role = "lastgasp"
	// RoleUpload was brought by a person.
	RoleUpload Role = "upload"
)

// Incident reports whether it was taken because of a leak.
func (r Role) Incident() bool { return r == RoleLeaking || r == RoleLastGasp }

// Capture describes one saved profile. Its bytes lie elsewhere, under SHA256.
type Capture struct {
	// ID is unique and sorts by time.
	ID       string      `json:"id"`
	Service  string      `json:"service"`
	Instance string      `json:"instance"`
	Kind     ProfileKind `json:"kind"`
	Role     Role        `json:"role"`
	// Time is when the profile was read.
	Time UnixMilli `json:"timestamp"`
	// Filename is what a person would save it as.
	Filename string `json:"filename"`
	// Size is in bytes, as stored (gzip-compressed protobuf).
	Size int64 `json:"size"`
	// SHA256 of the bytes, in hex.
	SHA256 string `json:"sha256"`
	// BaseID is the capture to compare with, "" if none.
	BaseID string `json:"baseId,omitempty"`
}
