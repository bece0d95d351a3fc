// Program schemas writes the JSON Schemas beside it, which manifests are checked
// against: of the kinds that deploy/ has, from the OpenAPI document of Kubernetes
// and from the definitions of cert-manager and of the Prometheus operator, as
// their modules have them. Run it for another release, in this folder:
//
//	go run .
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

// kubernetes has the API's definitions; they are the same for each kind.
const kubernetes = "k8s.io/kubernetes@v1.36.3"

// kinds of Kubernetes itself, by the file that kubeconform looks for.
var kinds = map[string]string{
	"namespace-v1":                           "io.k8s.api.core.v1.Namespace",
	"serviceaccount-v1":                      "io.k8s.api.core.v1.ServiceAccount",
	"service-v1":                             "io.k8s.api.core.v1.Service",
	"configmap-v1":                           "io.k8s.api.core.v1.ConfigMap",
	"deployment-apps-v1":                     "io.k8s.api.apps.v1.Deployment",
	"statefulset-apps-v1":                    "io.k8s.api.apps.v1.StatefulSet",
	"poddisruptionbudget-policy-v1":          "io.k8s.api.policy.v1.PodDisruptionBudget",
	"networkpolicy-networking-v1":            "io.k8s.api.networking.v1.NetworkPolicy",
	"ingress-networking-v1":                  "io.k8s.api.networking.v1.Ingress",
	"horizontalpodautoscaler-autoscaling-v2": "io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler",
	"mutatingwebhookconfiguration-admissionregistration-v1": "io.k8s.api.admissionregistration.v1.MutatingWebhookConfiguration",
}

// foreign kinds are defined by one file each.
var foreign = map[string][2]string{
	"certificate-cert-manager-v1":  {"github.com/cert-manager/cert-manager@v1.21.2", "deploy/crds/cert-manager.io_certificates.yaml"},
	"issuer-cert-manager-v1":       {"github.com/cert-manager/cert-manager@v1.21.2", "deploy/crds/cert-manager.io_issuers.yaml"},
	"servicemonitor-monitoring-v1": {"github.com/prometheus-operator/prometheus-operator@v0.85.0", "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml"},
	"prometheusrule-monitoring-v1": {"github.com/prometheus-operator/prometheus-operator@v0.85.0", "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml"},
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	var api struct{ Definitions map[string]any }
	if err := read(kubernetes, "api/openapi-spec/swagger.json", &api); err != nil {
		return err
	}
	for file, name := range kinds {
		found := map[string]any{}
		collect(api.Definitions, name, found)
		root, ok := found[name].(map[string]any)
		if !ok {
			return fmt.Errorf("%s is not defined in %s", name, kubernetes)
		}
		delete(found, name)
		root["definitions"] = found
		if err := write(file, root); err != nil {
			return err
		}
	}
	for file, from := range foreign {
		var crd struct {
			Spec struct {
				Versions []struct {
					Name   string
					Schema struct{ OpenAPIV3Schema any }
				}
			}
		}
		if err := read(from[0], from[1], &crd); err != nil {
			return err
		}
		for _, v := range crd.Spec.Versions {
			if strings.HasSuffix(file, "-"+v.Name) {
				root := strict(v.Schema.OpenAPIV3Schema).(map[string]any)
				root["properties"].(map[string]any)["metadata"] = map[string]any{"type": "object"}
				if err := write(file, root); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// collect takes a definition and all that it refers to.
func collect(all map[string]any, name string, found map[string]any) {
	if _, there := found[name]; there {
		return
	}
	switch name {
	case "io.k8s.apimachinery.pkg.api.resource.Quantity":
		found[name] = map[string]any{"type": []string{"string", "number"}}
		return
	case "io.k8s.apimachinery.pkg.util.intstr.IntOrString":
		found[name] = map[string]any{"type": []string{"string", "integer"}}
		return
	}
	found[name] = strict(all[name])
	for _, ref := range references(found[name]) {
		collect(all, ref, found)
	}
}

func references(v any) []string {
	var out []string
	switch v := v.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			out = append(out, strings.TrimPrefix(ref, "#/definitions/"))
		}
		for _, inner := range v {
			out = append(out, references(inner)...)
		}
	case []any:
		for _, inner := range v {
			out = append(out, references(inner)...)
		}
	}
	return out
}

// strict drops what is for people and refuses properties that are not known.
func strict(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		properties, _ := v["properties"].(map[string]any)
		for key, inner := range v {
			if key == "properties" {
				continue
			}
			_, word := inner.(string)
			if strings.HasPrefix(key, "x-kubernetes-") || key == "description" && word || key == "format" || key == "default" || key == "title" {
				continue
			}
			out[key] = strict(inner)
		}
		if v["x-kubernetes-int-or-string"] == true {
			out["type"] = []string{"string", "integer"}
		}
		if properties == nil {
			return out
		}
		known := map[string]any{}
		for name, inner := range properties {
			known[name] = strict(inner)
		}
		out["properties"] = known
		if v["additionalProperties"] == nil && v["x-kubernetes-preserve-unknown-fields"] != true {
			out["additionalProperties"] = false
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, inner := range v {
			out[i] = strict(inner)
		}
		return out
	}
	return v
}

func read(module, file string, into any) error {
	out, err := exec.Command("go", "mod", "download", "-json", module).Output()
	if err != nil {
		return fmt.Errorf("download %s: %w", module, err)
	}
	var found struct{ Dir string }
	if err := json.Unmarshal(out, &found); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(found.Dir, file))
	if err != nil {
		return err
	}
	return yaml.Unmarshal(text, into)
}

func write(file string, schema map[string]any) error {
	text, err := json.Marshal(schema)
	if err != nil {
		return err
	}
	return os.WriteFile(file+".json", append(text, '\n'), 0o644) //nolint:gosec // for all to read
}
