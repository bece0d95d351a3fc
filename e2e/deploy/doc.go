// Package deploy checks what deploy/ ships, without a cluster: kustomizations
// build, manifests decode strictly into the types of the Kubernetes API, and pods
// keep to the restricted policy. It is a module of its own, so that the programs
// do not carry the Kubernetes API in their list of dependencies.
package deploy
