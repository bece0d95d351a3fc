package inject

import (
	"encoding/json"
	"strings"
	"testing"
)

var options = Options{Image: "example.com/memwatchd:v1", DashboardURL: "wss://hub:4000", Secret: "memwatch-agent"}

const shop = `# our shop
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop # by that name
spec:
  template:
    metadata:
      annotations:
        memwatch.io/inject: "true"
ANNOTATIONS    spec:
EXTRA      containers:
        - name: shop
          image: shop:v1 # pinned
          ports:
            - {name: pprof, containerPort: 7070}
          resources: {limits: {memory: 512Mi}}
        - name: proxy
          image: proxy:v1
---
apiVersion: v1
kind: Service
metadata: {name: shop}
`

// inFile injects into the shop with more annotations and more lines of its pod.
func inFile(t *testing.T, o Options, annotations map[string]string, extra string) (string, []Outcome) {
	t.Helper()
	var more strings.Builder
	for key, value := range annotations {
		more.WriteString("        " + key + ": '" + value + "'\n")
	}
	var out strings.Builder
	got, err := Files(strings.NewReader(strings.NewReplacer("ANNOTATIONS", more.String(), "EXTRA", extra).Replace(shop)), &out, o)
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), got
}

func TestAFileKeepsItsCommentsAndGetsASidecar(t *testing.T) {
	text, got := inFile(t, options, nil, "")
	if len(got) != 1 || !got[0].Injected || got[0].Pod != "Deployment shop" {
		t.Errorf("got %+v", got)
	}
	for _, want := range []string{
		"# our shop\n", "name: shop # by that name\n", "image: shop:v1 # pinned\n", "kind: Service\n",
		"      labels:\n        memwatch.io/hub-client: \"true\"\n", "      initContainers:\n        - name: memwatchd\n          image: example.com/memwatchd:v1\n          args: [run]\n          restartPolicy: Always\n",
		"- name: MEMWATCH_SERVICE_NAME\n              value: shop\n", "value: http://localhost:7070\n", "containerName: shop\n                  resource: limits.memory\n",
		"- name: MEMWATCH_UPLINK_TOKEN_FILE\n              value: /var/run/secrets/memwatch/token\n", "- name: MEMWATCH_UPLINK_CA_FILE\n              value: /var/run/secrets/memwatch/ca.crt\n",
		"      volumes:\n        - name: memwatch\n", "        - name: memwatch-hub\n          secret:\n            secretName: memwatch-agent\n            optional: true\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("want %q in\n%s", want, text)
		}
	}
	var again strings.Builder
	outcomes, err := Files(strings.NewReader(text), &again, options)
	if err != nil || len(outcomes) != 0 || again.String() != text {
		t.Errorf("a second time changes something: %v %+v\n%s", err, outcomes, again.String())
	}
}

func TestAnnotationsReachTheEnvironment(t *testing.T) {
	text, _ := inFile(t, Options{Image: "m", DashboardURL: "ws://hub:4000", Ordinary: true}, map[string]string{
		Port: "9090", Path: "/admin/", Service: "till", Container: "proxy", LeakThreshold: "20", CheckInterval: "5s",
		DashboardURL: "wss://other:4000", Secret: "till-keys", ShareProcesses: "true",
	}, "")
	for _, want := range []string{
		"value: till\n", "value: wss://other:4000\n", "value: http://localhost:9090/admin\n", "value: \"20\"\n", "value: 5s\n", "secretName: till-keys\n", "shareProcessNamespace: true\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("want %q in\n%s", want, text)
		}
	}
	if bare, _ := inFile(t, Options{Image: "m", DashboardURL: "ws://hub:4000"}, nil, ""); strings.Contains(bare, "UPLINK") || strings.Contains(bare, "secret") {
		t.Errorf("a Secret for a hub that asks nobody:\n%s", bare)
	}
	if strings.Contains(text, "initContainers") || strings.Contains(text, "MEMWATCH_TARGET_LIMIT") || strings.Contains(text, "restartPolicy") {
		t.Errorf("an ordinary sidecar of a container without a limit:\n%s", text)
	}
}

func TestWhatCannotBeIsRefusedWithItsReason(t *testing.T) {
	for name, c := range map[string]struct {
		annotations map[string]string
		extra, want string
	}{
		"host network":      {nil, "      hostNetwork: true\n", "hostNetwork is true: port 4001 of the node"},
		"Windows":           {nil, "      os: {name: windows}\n", "os.name is windows"},
		"a volume's name":   {nil, "      volumes: [{name: memwatch}]\n", "has a volume memwatch already"},
		"the keys' volume":  {nil, "      volumes: [{name: memwatch-hub}]\n", "has a volume memwatch-hub already"},
		"a port":            {nil, "      initContainers: [{name: other, ports: [{containerPort: 4001}]}]\n", "container other has a port 4001"},
		"port in words":     {map[string]string{Port: "debug"}, "", `memwatch.io/port is "debug": container shop has no port of that name`},
		"port out of range": {map[string]string{Port: "70000"}, "", "want 1 to 65535"},
		"path":              {map[string]string{Path: "admin"}, "", `memwatch.io/path is "admin": want a path`},
		"container":         {map[string]string{Container: "cart"}, "", `memwatch.io/container is "cart": the pod has shop, proxy`},
		"threshold":         {map[string]string{LeakThreshold: "50MiB"}, "", "want MiB, more than 0"},
		"interval":          {map[string]string{CheckInterval: "10"}, "", "want 100ms to 1h"},
		"hub":               {map[string]string{DashboardURL: "hub:4000"}, "", "want ws://host:port"},
		"secret":            {map[string]string{Secret: "my secret"}, "", "want the name of a Secret"},
		"a typing mistake":  {map[string]string{Prefix + "prot": "6060"}, "", "annotation memwatch.io/prot is not known"},
	} {
		text, got := inFile(t, options, c.annotations, c.extra)
		if len(got) != 1 || got[0].Injected || got[0].Refused == nil || !strings.Contains(got[0].Refused.Error(), c.want) || strings.Contains(text, "image: example.com/memwatchd") {
			t.Errorf("%s: %+v, want %q in\n%s", name, got, c.want, text)
		}
	}
	text := strings.Replace(strings.NewReplacer("ANNOTATIONS", "", "EXTRA", "").Replace(shop), "  name: shop # by that name", "  name: shop\n  annotations: {memwatch.io/inject: 'true'}", 1)
	text = strings.Replace(text, "      annotations:\n        memwatch.io/inject: \"true\"\n", "      labels: {}\n", 1)
	var out strings.Builder
	if got, err := Files(strings.NewReader(text), &out, options); err != nil || len(got) != 1 || got[0].Refused == nil || !strings.Contains(got[0].Refused.Error(), "put it on spec.template.metadata.annotations") {
		t.Errorf("an annotation in the wrong place: %v %+v", err, got)
	}
}

func TestReviewsThatAreNoneAreErrors(t *testing.T) {
	for _, body := range []string{"", "{", "[]", `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1beta1","request":{"uid":"1"}}`, `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"}`} {
		if answer, _, err := Review([]byte(body), options); err == nil {
			t.Errorf("%s: answered %s", body, answer)
		}
	}
}

func TestAPodThatCannotBeReadIsAllowedAllTheSame(t *testing.T) {
	for _, object := range []string{`null`, `"pod"`, `{"spec":{"containers":"none"}}`, `{"metadata":{"annotations":{"memwatch.io/inject":"true"}},"spec":{"containers":[]}}`} {
		answer, result, err := Review([]byte(`{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"7","object":`+object+`}}`), options)
		var got struct {
			Response struct {
				UID      string
				Allowed  bool
				Warnings []string
				Patch    string
			}
		}
		if err != nil || json.Unmarshal(answer, &got) != nil || got.Response.UID != "7" || !got.Response.Allowed || len(got.Response.Warnings) != 1 || got.Response.Patch != "" || result.Refused == nil {
			t.Errorf("%s: %v %s", object, err, answer)
		}
	}
}

func FuzzFiles(f *testing.F) {
	f.Add(strings.NewReplacer("ANNOTATIONS", "", "EXTRA", "").Replace(shop))
	f.Add("kind: Pod\nmetadata: {annotations: {memwatch.io/inject: 'true'}}\nspec: &x {containers: [*x]}\n")
	f.Fuzz(func(_ *testing.T, text string) {
		_, _ = Files(strings.NewReader(text), &strings.Builder{}, options)
	})
}
