package deploy

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"helm.sh/helm/v4/pkg/strvals"
	sigsyaml "sigs.k8s.io/yaml"
)

const chart = "../../deploy/helm/memwatch"

// templated renders a chart as `helm template` does: the values against their
// schema, the templates, the notes.
func templated(dir, namespace string, values map[string]any) (manifests, notes string, err error) {
	c, err := loader.LoadDir(dir)
	if err != nil {
		return "", "", err
	}
	release := common.ReleaseOptions{Name: "memwatch", Namespace: namespace, Revision: 1, IsInstall: true}
	all, err := util.ToRenderValues(c, values, release, common.DefaultCapabilities)
	if err != nil {
		return "", "", err
	}
	files, err := engine.Render(c, all)
	if err != nil {
		return "", "", err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.HasSuffix(name, "NOTES.txt") {
			notes = files[name]
		} else if strings.TrimSpace(files[name]) != "" {
			manifests += "---\n" + files[name] + "\n"
		}
	}
	return manifests, notes, nil
}

// helmed is the chart with values; they come as YAML.
func helmed(t *testing.T, values []byte) []object {
	t.Helper()
	var v map[string]any
	if err := sigsyaml.UnmarshalStrict(values, &v); err != nil {
		t.Fatal(err)
	}
	text, _, err := templated(chart, "memwatch", v)
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, []byte(text))
}

// examples are the chart's values by the overlay that they stand for; no values
// stand for base/hub.
func examples(t *testing.T) map[string][]byte {
	t.Helper()
	out := map[string][]byte{k8s + "/base/hub": nil}
	found, err := filepath.Glob(chart + "/examples/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range found {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out[k8s+"/overlays/"+strings.TrimSuffix(filepath.Base(file), ".yaml")] = text
	}
	return out
}

// TestTheChartMakesWhatTheOverlaysMake compares all objects, field by field.
// What may differ is in same. The chart's files are copies: this says when they
// are not what deploy/grafana and deploy/prometheus have.
func TestTheChartMakesWhatTheOverlaysMake(t *testing.T) {
	values := examples(t)
	for _, dir := range kustomizations(t) {
		if strings.Contains(dir, "/examples/") {
			continue
		}
		if _, ok := values[dir]; !ok {
			t.Errorf("%s has no values in %s/examples", dir, chart)
		}
	}
	for dir, v := range values {
		want, got := same(t, kustomized(t, dir)), same(t, helmed(t, v))
		for name := range want {
			if got[name] == nil {
				t.Errorf("%s: the chart makes no %s", dir, name)
			} else if !reflect.DeepEqual(got[name], want[name]) {
				t.Errorf("%s: %s\nthe chart makes\n%s\nthe overlay\n%s", dir, name, marshalled(t, got[name]), marshalled(t, want[name]))
			}
		}
		for name := range got {
			if want[name] == nil {
				t.Errorf("%s: the chart alone makes %s", dir, name)
			}
		}
	}
}

var hash = regexp.MustCompile(`^(memwatch-hub)-[0-9a-z]{10}$`)

// same is objects without what each tool adds of its own: kustomize the namespace
// and a hash to the name of the ConfigMap, Helm labels and a checksum of it. The
// hub's configuration counts by what it says.
func same(t *testing.T, objects []object) map[string]map[string]any {
	t.Helper()
	out := map[string]map[string]any{}
	for _, o := range objects {
		if o.kind == "Namespace" {
			continue
		}
		text := o.text
		if o.typed != nil { // what the API server would keep: quantities that say the same are the same
			text = marshalled(t, o.typed)
		}
		var m map[string]any
		if err := sigsyaml.Unmarshal(text, &m); err != nil {
			t.Fatal(err)
		}
		walk(m, func(parent map[string]any, key string) {
			switch v := parent[key].(type) {
			case map[string]any:
				if key == "labels" {
					delete(v, "helm.sh/chart")
					delete(v, "app.kubernetes.io/managed-by")
				}
				if delete(v, "checksum/config"); key == "annotations" && len(v) == 0 {
					delete(parent, key)
				}
			case string:
				if key == "name" {
					parent[key] = hash.ReplaceAllString(v, "$1")
				}
				if key == "hub.yaml" {
					var config map[string]any
					if err := sigsyaml.UnmarshalStrict([]byte(v), &config); err != nil {
						t.Fatal(err)
					}
					parent[key] = config
				}
			}
		})
		name := hash.ReplaceAllString(o.name, "$1")
		if key := o.kind + " " + name; out[key] != nil {
			t.Errorf("%s is there twice", key)
		} else {
			out[key] = m
		}
	}
	return out
}

// walk visits each key of a tree, the inner ones first.
func walk(v any, visit func(parent map[string]any, key string)) {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Collect(maps.Keys(v)) {
			walk(v[key], visit)
			visit(v, key)
		}
	case []any:
		for _, inner := range v {
			walk(inner, visit)
		}
	}
}

func marshalled(t *testing.T, v any) []byte {
	t.Helper()
	out, err := sigsyaml.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestValuesReachWhatTheyAreFor sets what no example sets.
func TestValuesReachWhatTheyAreFor(t *testing.T) {
	text, notes, err := templated(chart, "observe", map[string]any{
		"image":         map[string]any{"hub": "example.com/hub", "agent": "example.com/agent", "tag": "v9", "pullSecrets": []any{"pull"}},
		"hub":           map[string]any{"config": map[string]any{"presence": map[string]any{"grace": "30s"}, "auth": map[string]any{"session": "1h"}}, "storage": map[string]any{"class": "fast"}, "pod": map[string]any{"nodeSelector": map[string]any{"disk": "ssd"}}},
		"tls":           map[string]any{"secret": "our-tls", "certManager": true},
		"networkPolicy": false,
		"injector":      map[string]any{"enabled": true, "secret": "our-agents", "ordinary": true, "pod": map[string]any{"priorityClassName": "high"}},
		"monitoring":    map[string]any{"serviceMonitor": true, "tokenSecret": "our-prometheus"},
	})
	if err != nil {
		t.Fatal(err)
	}
	decode(t, []byte(text))
	for _, want := range []string{
		"namespace: observe\n", "image: example.com/hub:v9\n", "--image=example.com/agent:v9\n", "- name: pull\n", "grace: 30s\n", "required: true\n", "session: 1h\n",
		"storageClassName: fast\n", "disk: ssd\n", "secretName: our-tls\n", "memwatch-hub.observe.svc\n", "--secret=our-agents\n", "--ordinary\n", "priorityClassName: high\n",
		"wss://memwatch-hub.observe:4000\n", "name: our-prometheus, ", "observe/memwatch-injector\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("want %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "NetworkPolicy") {
		t.Error("a network policy that was turned off")
	}
	for _, want := range []string{"memwatch-hub v9 in namespace observe", "get secret our-tls", "secret generic our-agents"} {
		if !strings.Contains(notes, want) {
			t.Errorf("want %q in the notes\n%s", want, notes)
		}
	}
}

func TestValuesThatCannotBeAreRefused(t *testing.T) {
	for set, want := range map[string]string{
		"hub.sotrage.size=1Gi":       "sotrage",
		"hub.storage.size=much":      "/hub/storage/size",
		"hub.config.listen=:80":      "/hub/config",
		"shared.enabled=true":        "/shared/store",
		"hub.pod.containers[0]=x":    "'containers'",
		"injector.replicas=0":        "/injector/replicas",
		"tls.secret=My Secret":       "/tls/secret",
		"hub.resources.limits=null":  "/hub/resources",
		"image.tag=a b":              "/image/tag",
		"networkPolicy=perhaps":      "/networkPolicy",
		"shared.minReplicas=1":       "/shared/minReplicas",
		"monitoring.rules=something": "/monitoring/rules",
		"shared.enabled=true,shared.blobs=s3://b,shared.store=postgres://u:secret@h/d": "/shared/store",
	} {
		values, err := strvals.Parse(set)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err = templated(chart, "memwatch", values); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", set, err, want)
		}
	}
}

// TestTheCommandsOfTheChartsREADME runs its `helm template` lines, by Helm's library.
func TestTheCommandsOfTheChartsREADME(t *testing.T) {
	text, err := os.ReadFile(chart + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```sh template\n(.*?)```").FindSubmatch(text)
	if block == nil {
		t.Fatal("no block of commands")
	}
	for line := range strings.Lines(string(block[1])) {
		if err := command(strings.Fields(line)); err != nil {
			t.Errorf("%s%v", line, err)
		}
	}
}

// command takes `helm template NAME CHART` with the flags that the README has.
func command(words []string) error {
	if len(words) < 4 || words[0] != "helm" || words[1] != "template" || words[2] != "memwatch" {
		return fmt.Errorf("want helm template memwatch CHART …")
	}
	flags := flag.NewFlagSet("helm template", flag.ContinueOnError)
	namespace := flags.String("namespace", "", "")
	values := map[string]any{}
	flags.Func("f", "", func(file string) error {
		text, err := os.ReadFile("../../" + file)
		if err != nil {
			return err
		}
		return sigsyaml.UnmarshalStrict(text, &values)
	})
	flags.Func("set", "", func(s string) error { return strvals.ParseInto(s, values) })
	if err := flags.Parse(words[4:]); err != nil {
		return err
	}
	manifests, _, err := templated("../../"+words[3], *namespace, values)
	if err == nil && !strings.Contains(manifests, "kind: ServiceAccount") {
		err = fmt.Errorf("there is nothing in it:\n%s", manifests)
	}
	return err
}
