package deploy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	sigsyaml "sigs.k8s.io/yaml"
)

const k8s = "../../deploy/k8s"

// object is one manifest, as text and as its type.
type object struct {
	kind, name string
	text       []byte
	typed      any // nil for a kind that is not of Kubernetes itself
}

func (o object) String() string { return o.kind + " " + o.name }

// types are the kinds that we ship, and make.
var types = map[string]func() any{
	"v1/Namespace":                           func() any { return new(corev1.Namespace) },
	"v1/ServiceAccount":                      func() any { return new(corev1.ServiceAccount) },
	"v1/Service":                             func() any { return new(corev1.Service) },
	"v1/ConfigMap":                           func() any { return new(corev1.ConfigMap) },
	"v1/Pod":                                 func() any { return new(corev1.Pod) },
	"apps/v1/Deployment":                     func() any { return new(appsv1.Deployment) },
	"apps/v1/StatefulSet":                    func() any { return new(appsv1.StatefulSet) },
	"apps/v1/DaemonSet":                      func() any { return new(appsv1.DaemonSet) },
	"batch/v1/Job":                           func() any { return new(batchv1.Job) },
	"batch/v1/CronJob":                       func() any { return new(batchv1.CronJob) },
	"policy/v1/PodDisruptionBudget":          func() any { return new(policyv1.PodDisruptionBudget) },
	"autoscaling/v2/HorizontalPodAutoscaler": func() any { return new(autoscalingv2.HorizontalPodAutoscaler) },
	"networking.k8s.io/v1/NetworkPolicy":     func() any { return new(networkingv1.NetworkPolicy) },
	"networking.k8s.io/v1/Ingress":           func() any { return new(networkingv1.Ingress) },
	"admissionregistration.k8s.io/v1/MutatingWebhookConfiguration": func() any { return new(admissionv1.MutatingWebhookConfiguration) },
}

// foreign kinds are other projects'; their manifests are checked for shape alone.
var foreign = map[string]bool{
	"monitoring.coreos.com/v1/ServiceMonitor": true, "monitoring.coreos.com/v1/PrometheusRule": true,
	"cert-manager.io/v1/Certificate": true, "cert-manager.io/v1/Issuer": true,
}

// kustomized builds a kustomization as `kubectl kustomize` does.
func kustomized(t *testing.T, dir string) []object {
	t.Helper()
	m, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatalf("kustomize %s: %v", dir, err)
	}
	text, err := m.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, text)
}

// decode splits documents and decodes each strictly: an unknown field, a field
// that is there twice, a quantity that is none is an error.
func decode(t *testing.T, text []byte) []object {
	t.Helper()
	var out []object
	for r := yaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(text))); ; {
		doc := make([]byte, 1<<20)
		n, err := r.Read(doc)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		o, err := decodeOne(doc[:n])
		if err != nil {
			t.Fatalf("%v in\n%s", err, doc[:n])
		}
		out = append(out, o)
	}
}

func decodeOne(doc []byte) (object, error) {
	var head struct {
		APIVersion, Kind string
		Metadata         struct{ Name string }
	}
	if err := sigsyaml.Unmarshal(doc, &head); err != nil {
		return object{}, err
	}
	o := object{kind: head.Kind, name: head.Metadata.Name, text: doc}
	key := head.APIVersion + "/" + head.Kind
	if foreign[key] {
		return o, nil
	}
	typed, ok := types[key]
	if !ok {
		return o, fmt.Errorf("%s: no such kind is known here", key)
	}
	o.typed = typed()
	return o, sigsyaml.UnmarshalStrict(doc, o.typed)
}

// kustomizations are all that can be built: components cannot by themselves.
func kustomizations(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, pattern := range []string{"base/*", "overlays/*", "examples/*/*"} {
		found, err := filepath.Glob(filepath.Join(k8s, pattern, "kustomization.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range found {
			out = append(out, filepath.Dir(file))
		}
	}
	if len(out) < 6 {
		t.Fatalf("found only %v", out)
	}
	return out
}
