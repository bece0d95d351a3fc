// Package inject puts memwatchd beside the containers of a pod: as an admission
// webhook while Kubernetes makes the pod (Review), or in files before they are
// applied (Files). Both come to the same additions, which Additions computes.
//
// It is pure: JSON and YAML in, JSON and YAML out, no network and no cluster. It
// only ever adds; a pod that it cannot add to is left as it is, with a reason.
package inject
