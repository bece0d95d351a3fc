package inject

import (
	"encoding/json"
	"errors"
	"fmt"
)

// review is an AdmissionReview of admission.k8s.io/v1, as far as it matters.
type review struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Request    *request  `json:"request,omitempty"`
	Response   *response `json:"response,omitempty"`
}

type request struct {
	UID    string          `json:"uid"`
	Object json.RawMessage `json:"object"`
}

type response struct {
	UID       string   `json:"uid"`
	Allowed   bool     `json:"allowed"`
	Warnings  []string `json:"warnings,omitempty"`
	PatchType string   `json:"patchType,omitempty"`
	Patch     []byte   `json:"patch,omitempty"`
}

// Outcome says what became of one pod.
type Outcome struct {
	// Pod is its name, or how its name begins.
	Pod string
	// Injected says that it gets a sidecar.
	Injected bool
	// Refused is why it gets none though it asks for one.
	Refused error
}

// Review answers an AdmissionReview. The pod is always allowed: one that cannot
// get a sidecar goes without, and a warning says why. An error means that the
// body is no AdmissionReview, so there is nothing to answer.
func Review(body []byte, o Options) ([]byte, Outcome, error) {
	var in review
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, Outcome{}, fmt.Errorf("no AdmissionReview: %w", err)
	}
	if in.Kind != "AdmissionReview" || in.APIVersion != "admission.k8s.io/v1" || in.Request == nil || in.Request.UID == "" {
		return nil, Outcome{}, fmt.Errorf("found %s %s: want a request of admission.k8s.io/v1 AdmissionReview", in.APIVersion, in.Kind)
	}
	out := response{UID: in.Request.UID, Allowed: true}
	var result Outcome
	additions, err := reviewed(in.Request.Object, o, &result)
	switch {
	case err != nil:
		result.Refused = err
		out.Warnings = []string{"memwatch: no sidecar: " + err.Error()}
	case len(additions) > 0:
		if out.Patch, err = json.Marshal(additions); err != nil {
			return nil, result, err
		}
		out.PatchType, result.Injected = "JSONPatch", true
	}
	answer, err := json.Marshal(review{APIVersion: in.APIVersion, Kind: in.Kind, Response: &out})
	return answer, result, err
}

func reviewed(object json.RawMessage, o Options, result *Outcome) ([]Addition, error) {
	if len(object) == 0 || string(object) == "null" {
		return nil, errors.New("the request has no pod in it: the webhook must be asked for CREATE of pods alone")
	}
	var p Pod
	if err := json.Unmarshal(object, &p); err != nil {
		return nil, fmt.Errorf("read the pod: %w", err)
	}
	if result.Pod = p.Metadata.Name; result.Pod == "" {
		result.Pod = p.Metadata.GenerateName
	}
	return Additions(&p, "", o)
}
