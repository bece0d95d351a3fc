package deploy

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	admissionv1 "k8s.io/api/admission/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/zupee/memwatch/inject"
)

// shape is one way in which people write Deployments.
type shape struct {
	name string
	// pod is what stands below the template's spec, meta what stands below its metadata.
	pod, meta string
	// refused is why it gets no sidecar, "" when it gets one; none is for shapes that ask for none.
	refused string
	none    bool
}

const app = "containers: [{name: shop, image: s}]"

var shapes = []shape{
	{name: "bare", pod: app},
	{name: "labels by app", pod: app, meta: "labels: {app: till}"},
	{name: "labels by name", pod: app, meta: "labels: {app.kubernetes.io/name: till, app: other}"},
	{name: "existing init container", pod: "initContainers: [{name: migrate, image: m, command: [migrate]}]\n" + app},
	{name: "another native sidecar", pod: "initContainers: [{name: mesh, image: m, restartPolicy: Always}]\n" + app},
	{name: "empty lists", pod: "initContainers: []\nvolumes: []\n" + app},
	{name: "volumes", pod: "volumes: [{name: data, emptyDir: {}}, {name: conf, configMap: {name: c}}]\n" + app},
	{name: "probes", pod: "containers: [{name: shop, image: s, livenessProbe: {httpGet: {path: /a, port: 80}}, readinessProbe: {tcpSocket: {port: 80}}, startupProbe: {exec: {command: [x]}}}]"},
	{name: "several ports", pod: "containers: [{name: shop, image: s, ports: [{name: http, containerPort: 8080}, {name: pprof, containerPort: 7070}, {name: grpc, containerPort: 9090}]}]"},
	{name: "a port by number", pod: app, meta: "annotations: {memwatch.io/port: '8081', memwatch.io/path: /admin}"},
	{name: "a port by name", pod: "containers: [{name: shop, image: s, ports: [{name: ops, containerPort: 9000}]}]", meta: "annotations: {memwatch.io/port: ops}"},
	{name: "a memory limit", pod: "containers: [{name: shop, image: s, resources: {requests: {cpu: 1}, limits: {memory: 1Gi, cpu: '1.5'}}}]"},
	{name: "two containers, the second watched", pod: "containers: [{name: proxy, image: p}, {name: shop, image: s, resources: {limits: {memory: 1e9}}}]", meta: "annotations: {memwatch.io/container: shop}"},
	{name: "all annotations", pod: app, meta: "annotations: {memwatch.io/service: a, memwatch.io/leak-threshold: '7.5', memwatch.io/check-interval: 2s, memwatch.io/dashboard-url: 'wss://h', memwatch.io/secret: keys, memwatch.io/share-processes: 'true'}"},
	{name: "processes shared already", pod: "shareProcessNamespace: true\n" + app, meta: "annotations: {memwatch.io/share-processes: 'true'}"},
	{name: "security context and node choice", pod: "securityContext: {runAsUser: 5, fsGroup: 5}\nnodeSelector: {a: b}\ntolerations: [{operator: Exists}]\nterminationGracePeriodSeconds: 5\n" + app},
	{name: "foreign letters", pod: "containers: [{name: shop, image: s, env: [{name: GREETING, value: \"žluťoučký 🐎 <&>\"}]}]", meta: "annotations: {memwatch.io/service: obchod-č}"},
	{name: "host network", pod: "hostNetwork: true\n" + app, refused: "hostNetwork is true"},
	{name: "our port is taken", pod: "containers: [{name: shop, image: s, ports: [{containerPort: 4001}]}]", refused: "has a port 4001"},
	{name: "our volume's name is taken", pod: "volumes: [{name: memwatch-hub, emptyDir: {}}]\n" + app, refused: "has a volume memwatch-hub"},
	{name: "a mistake in an annotation", pod: app, meta: "annotations: {memwatch.io/port: none}", refused: "no port of that name"},
	{name: "a sidecar already", pod: "initContainers: [{name: memwatchd, image: m, restartPolicy: Always}]\n" + app, none: true},
	{name: "not asked for", pod: app, meta: "annotations: {memwatch.io/inject: 'false'}", none: true},
}

// deployment is the shape as a manifest.
func (s shape) deployment(t *testing.T) []byte {
	t.Helper()
	meta := map[string]any{}
	spec := map[string]any{}
	for text, into := range map[string]*map[string]any{s.meta: &meta, s.pod: &spec} {
		if err := sigsyaml.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	annotations, _ := meta["annotations"].(map[string]any)
	if annotations == nil {
		annotations = map[string]any{}
	}
	if annotations[inject.Inject] == nil {
		annotations[inject.Inject] = "true"
	}
	if meta == nil {
		meta = map[string]any{}
	}
	meta["annotations"] = annotations
	out, err := sigsyaml.Marshal(map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "shop"},
		"spec": map[string]any{"selector": map[string]any{"matchLabels": map[string]any{"a": "b"}}, "template": map[string]any{"metadata": meta, "spec": spec}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// reviewed is the pod that Kubernetes would make of the template, after our
// webhook: through a real AdmissionReview, its answer applied as the API server does.
func reviewed(t *testing.T, template corev1.PodTemplateSpec, o inject.Options) (corev1.Pod, *admissionv1.AdmissionResponse) {
	t.Helper()
	pod := corev1.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}, ObjectMeta: *template.ObjectMeta.DeepCopy(), Spec: *template.Spec.DeepCopy()}
	pod.GenerateName = "shop-6f7b9c8d5-"
	if pod.Labels == nil {
		pod.Labels = map[string]string{}
	}
	pod.Labels["pod-template-hash"] = "6f7b9c8d5"
	raw, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	review, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{
			UID: "705ab4f5-6393-11e8-b7cc-42010a800002", Kind: metav1.GroupVersionKind{Version: "v1", Kind: "Pod"}, Namespace: "prod",
			Resource: metav1.GroupVersionResource{Version: "v1", Resource: "pods"}, Operation: admissionv1.Create, Object: runtime.RawExtension{Raw: raw},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	answer, _, err := inject.Review(review, o)
	if err != nil {
		t.Fatal(err)
	}
	var got admissionv1.AdmissionReview
	if err := sigsyaml.UnmarshalStrict(answer, &got); err != nil {
		t.Fatalf("%v in\n%s", err, answer)
	}
	r := got.Response
	if r == nil || !r.Allowed || r.UID != "705ab4f5-6393-11e8-b7cc-42010a800002" || (r.Patch == nil) != (r.PatchType == nil) {
		t.Fatalf("the answer would stop the pod:\n%s", answer)
	}
	if r.Patch != nil {
		patch, err := jsonpatch.DecodePatch(r.Patch)
		if err != nil {
			t.Fatal(err)
		}
		if raw, err = patch.Apply(raw); err != nil {
			t.Fatalf("%v: %s", err, r.Patch)
		}
	}
	var out corev1.Pod
	if err := sigsyaml.UnmarshalStrict(raw, &out); err != nil {
		t.Fatalf("%v in\n%s", err, raw)
	}
	return out, r
}

// text is what the API server would keep: quantities that say the same are the same.
func text(t *testing.T, template corev1.PodTemplateSpec) string {
	t.Helper()
	out, err := sigsyaml.Marshal(template)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestTheWebhookAndTheFileInjectorDoTheSame(t *testing.T) {
	for _, ordinary := range []bool{false, true} {
		o := inject.Options{Image: "example.com/memwatchd:v1", DashboardURL: "wss://hub:4000", Secret: "memwatch-agent", Ordinary: ordinary}
		for _, s := range shapes {
			t.Run(fmt.Sprintf("%s, ordinary %v", s.name, ordinary), func(t *testing.T) {
				manifest := s.deployment(t)
				var out strings.Builder
				outcomes, err := inject.Files(strings.NewReader(string(manifest)), &out, o)
				if err != nil {
					t.Fatal(err)
				}
				before := decode(t, manifest)[0].typed.(*appsv1.Deployment).Spec.Template
				after := decode(t, []byte(out.String()))[0].typed.(*appsv1.Deployment).Spec.Template
				pod, response := reviewed(t, before, o)
				delete(pod.Labels, "pod-template-hash")
				if len(pod.Labels) == 0 && len(after.Labels) == 0 {
					pod.Labels = after.Labels
				}
				made := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: pod.Labels, Annotations: pod.Annotations}, Spec: pod.Spec}
				if got, want := text(t, made), text(t, after); got != want {
					t.Errorf("the webhook makes\n%s\nthe file\n%s", got, want)
				}
				injected := !reflect.DeepEqual(before.Spec, after.Spec)
				if injected != (s.refused == "" && !s.none) {
					t.Errorf("injected: %v, want %v: %+v", injected, !injected, outcomes)
				}
				if s.refused != "" && (len(outcomes) != 1 || outcomes[0].Refused == nil || !strings.Contains(outcomes[0].Refused.Error(), s.refused) ||
					len(response.Warnings) != 1 || !strings.Contains(response.Warnings[0], s.refused)) {
					t.Errorf("want the reason %q from both, found %+v and %v", s.refused, outcomes, response.Warnings)
				}
			})
		}
	}
}

// TestTheInjectedSidecarIsTheComponents keeps the two ways to a sidecar alike.
func TestTheInjectedSidecarIsTheComponents(t *testing.T) {
	want, _ := watched(t, "sidecar", "Deployment")
	pod, _ := reviewed(t, decode(t, shape{pod: app}.deployment(t))[0].typed.(*appsv1.Deployment).Spec.Template, inject.Options{Image: "ghcr.io/zupee/memwatchd:latest", DashboardURL: "wss://h", Secret: "memwatch-agent"})
	got, c := pod.Spec.InitContainers[0], want.InitContainers[0]
	got.Env, c.Env = nil, nil
	if !reflect.DeepEqual(got, c) || !reflect.DeepEqual(pod.Spec.Volumes, want.Volumes) {
		t.Errorf("the injector adds\n%+v %+v\nthe component\n%+v %+v", got, pod.Spec.Volumes, c, want.Volumes)
	}
}
