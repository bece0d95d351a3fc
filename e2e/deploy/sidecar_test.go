package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	sigsyaml "sigs.k8s.io/yaml"
)

// watched is the example service with the sidecar of a component, and others beside it.
func watched(t *testing.T, component, workload string, others ...string) (pod corev1.PodSpec, config map[string]string) {
	t.Helper()
	fs := filesys.MakeFsInMemory()
	write := func(path string, text []byte) {
		if err := fs.WriteFile(path, text); err != nil {
			t.Fatal(err)
		}
	}
	kustomization := "resources: [shop.yaml, other.yaml]\ncomponents:\n"
	for _, name := range append(others, component) {
		kustomization += "- ../components/" + name + "\n"
		files, err := filepath.Glob(filepath.Join(k8s, "components", name, "*.yaml"))
		if err != nil || len(files) == 0 {
			t.Fatalf("component %s: %v", name, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			write("/components/"+name+"/"+filepath.Base(file), text)
		}
	}
	shop, err := os.ReadFile(filepath.Join(k8s, "examples/shop/before/shop.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	write("/app/shop.yaml", []byte(strings.Replace(string(shop), "kind: Deployment", "kind: "+workload, 1)))
	write("/app/other.yaml", []byte(strings.NewReplacer("kind: Deployment", "kind: "+workload, "name: shop", "name: other", `inject: "true"`, `inject: "false"`).Replace(string(shop))))
	write("/app/kustomization.yaml", []byte(kustomization))
	m, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(fs, "/app")
	if err != nil {
		t.Fatal(err)
	}
	text, err := m.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range decode(t, text) {
		if c, ok := o.typed.(*corev1.ConfigMap); ok {
			config = c.Data
		}
		p := podOf(o)
		if p == nil {
			continue
		}
		if o.name == "shop" {
			pod = p.Spec
		} else if len(p.Spec.InitContainers)+len(p.Spec.Containers) != 1 || p.Spec.ShareProcessNamespace != nil {
			t.Errorf("%s was not asked for, and is changed", o)
		}
	}
	return pod, config
}

func TestTheSidecarIsTheSameInEachVariant(t *testing.T) {
	native, _ := watched(t, "sidecar", "Deployment")
	if len(native.InitContainers) != 1 || len(native.Containers) != 1 {
		t.Fatalf("native: %d init containers, %d containers", len(native.InitContainers), len(native.Containers))
	}
	want := native.InitContainers[0]
	if want.RestartPolicy == nil || *want.RestartPolicy != corev1.ContainerRestartPolicyAlways {
		t.Errorf("an init container without restartPolicy: Always ends before the service begins: %v", want.RestartPolicy)
	}
	want.RestartPolicy = nil
	for _, c := range [][2]string{{"sidecar", "StatefulSet"}, {"sidecar-before-1.29", "Deployment"}, {"sidecar-before-1.29", "StatefulSet"}} {
		pod, _ := watched(t, c[0], c[1])
		got := corev1.Container{}
		for _, have := range append(pod.InitContainers, pod.Containers...) {
			if have.Name == "memwatchd" {
				got = have
			}
		}
		got.RestartPolicy = nil
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s of a %s differs:\n%+v\nwant\n%+v", c[0], c[1], got, want)
		}
		if len(pod.Volumes) != 2 || len(violations(&pod)) > 0 {
			t.Errorf("%s of a %s: volumes %v, violations %v", c[0], c[1], pod.Volumes, violations(&pod))
		}
	}
}

func TestProcessesAreSharedWhereThatIsAskedFor(t *testing.T) {
	for _, component := range []string{"sidecar", "sidecar-before-1.29"} {
		for _, workload := range []string{"Deployment", "StatefulSet"} {
			if pod, _ := watched(t, component, workload); pod.ShareProcessNamespace != nil {
				t.Errorf("%s of a %s shares processes by itself", component, workload)
			}
			if pod, _ := watched(t, component, workload, "share-processes"); !isTrue(pod.ShareProcessNamespace) || len(violations(&pod)) > 0 {
				t.Errorf("%s of a %s: %v, violations %v", component, workload, pod.ShareProcessNamespace, violations(&pod))
			}
		}
	}
}

// TestTheProgramsTakeWhatManifestsGiveThem runs the programs' own checks with
// the arguments, environment and configuration of the manifests.
func TestTheProgramsTakeWhatManifestsGiveThem(t *testing.T) {
	pod, config := watched(t, "sidecar", "Deployment")
	c := pod.InitContainers[0]
	if !reflect.DeepEqual(c.Args, []string{"run"}) {
		t.Errorf("args %v", c.Args)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(binaries, "memwatchd"), "config", "show")
	cmd.Env = append(os.Environ(), "MEMWATCH_TARGET_LIMIT=536870912")
	for _, e := range c.Env {
		value := e.Value
		if from := e.ValueFrom; from != nil {
			value = "shop"
			if from.ConfigMapKeyRef != nil {
				value = config[from.ConfigMapKeyRef.Key]
			}
		}
		if value == "" {
			t.Errorf("%s has no value", e.Name)
		}
		cmd.Env = append(cmd.Env, e.Name+"="+value)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var got map[string]any
	if err := sigsyaml.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v in\n%s", err, out)
	}
	for key, want := range map[string]any{
		"serviceName": "shop", "dashboardUrl": "wss://memwatch-hub.memwatch:4000", "checkInterval": "10s", "leakThresholdMB": 50.0,
		"targetUrl": "http://localhost:6060", "targetLimit": "512MiB", "listen": ":4001",
	} {
		if !reflect.DeepEqual(got[key], want) {
			t.Errorf("%s is %v, want %v", key, got[key], want)
		}
	}
	if len(c.Env) < 6 {
		t.Errorf("only %d variables", len(c.Env))
	}
}

// TestThePrometheusRuleIsTheRuleFile keeps the operator's form of the rules true.
func TestThePrometheusRuleIsTheRuleFile(t *testing.T) {
	read := func(name string) map[string]any {
		text, err := os.ReadFile(filepath.Join("../../deploy/prometheus", name))
		if err != nil {
			t.Fatal(err)
		}
		var doc map[string]any
		if err := sigsyaml.Unmarshal(text, &doc); err != nil {
			t.Fatal(err)
		}
		return doc
	}
	rule, _ := read("prometheus-rule.yaml")["spec"].(map[string]any)
	if want := read("memwatch.rules.yml")["groups"]; want == nil || !reflect.DeepEqual(rule["groups"], want) {
		t.Error("prometheus-rule.yaml is not what memwatch.rules.yml says: copy its groups below spec")
	}
}
