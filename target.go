package memwatch

// Target names one watched process. Service and Instance together identify it
// everywhere: in the detector, in the hub's store and in a URL of the dashboard.
type Target struct {
	// Service is the name people know, shared by all replicas.
	Service string `json:"service"`
	// Instance tells replicas apart: a pod name, or host:port.
	Instance string `json:"instance"`
	// Labels are free words for search and grouping (namespace, version, …).
	Labels map[string]string `json:"labels,omitempty"`
}
