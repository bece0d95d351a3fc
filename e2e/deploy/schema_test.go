package deploy

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/yannh/kubeconform/pkg/validator"
)

// conforming is kubeconform with the schemas of the folder beside: no network is asked.
func conforming(t *testing.T) func(manifest []byte) []string {
	t.Helper()
	v, err := validator.New([]string{"schemas/{{.ResourceKind}}{{.KindSuffix}}.json"}, validator.Opts{Strict: true, KubernetesVersion: "1.36.3"})
	if err != nil {
		t.Fatal(err)
	}
	return func(manifest []byte) []string {
		var out []string
		for _, r := range v.Validate("manifest", io.NopCloser(bytes.NewReader(manifest))) {
			switch {
			case r.Status == validator.Empty || r.Status == validator.Valid:
			case r.Err != nil:
				out = append(out, r.Err.Error())
			default:
				out = append(out, "not valid")
			}
		}
		return out
	}
}

func TestAllManifestsConformToTheirSchemas(t *testing.T) {
	check := conforming(t)
	for from, objects := range rendered(t) {
		for _, o := range objects {
			for _, wrong := range check(o.text) {
				t.Errorf("%s: %s: %s", from, o, wrong)
			}
		}
	}
}

// TestTheSchemasSeeWhatIsWrong spoils manifests, those too of which there are no types here.
func TestTheSchemasSeeWhatIsWrong(t *testing.T) {
	check := conforming(t)
	all := map[string][]byte{}
	for _, objects := range rendered(t) {
		for _, o := range objects {
			all[o.kind] = o.text
		}
	}
	for kind, spoil := range map[string][2]string{
		"StatefulSet":                  {"replicas: 1", "replicas: one"},
		"Deployment":                   {"containerPort:", "containerPrt:"},
		"Service":                      {"targetPort: https", "targetPort: [https]"},
		"HorizontalPodAutoscaler":      {"minReplicas: 2", "minReplica: 2"},
		"NetworkPolicy":                {"podSelector:", "podSelect:"},
		"Certificate":                  {"secretName:", "secret:"},
		"Issuer":                       {"spec:", "spek:"},
		"ServiceMonitor":               {"honorLabels: true", "honorLabels: 1"},
		"PrometheusRule":               {"expr:", "exp:"},
		"Ingress":                      {"pathType: Prefix", "pathTyp: Prefix"},
		"MutatingWebhookConfiguration": {"sideEffects: None", "sideEffect: None"},
		"PodDisruptionBudget":          {"maxUnavailable:", "maxUnavailible:"},
	} {
		text := strings.Replace(string(all[kind]), spoil[0], spoil[1], 1)
		if text == string(all[kind]) {
			t.Errorf("%s: %q is not in it:\n%s", kind, spoil[0], text)
		} else if len(check([]byte(text))) == 0 {
			t.Errorf("%s with %q: nothing was said", kind, spoil[1])
		}
	}
	if got := check([]byte("apiVersion: v1\nkind: Unheard\nmetadata: {name: x}\n")); len(got) == 0 {
		t.Error("a kind without a schema: nothing was said")
	}
}
