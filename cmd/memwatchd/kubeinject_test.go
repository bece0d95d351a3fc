package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKubeInjectAddsTheSidecarAndTellsWhereItCannot(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pods.yaml")
	pod := func(name, spec string) string {
		return "kind: Pod\nmetadata:\n  name: " + name + "\n  annotations: {memwatch.io/inject: 'true'}\nspec:\n  " + spec + "containers: [{name: app}]\n---\n"
	}
	if err := os.WriteFile(file, []byte(pod("good", "")), 0o600); err != nil {
		t.Fatal(err)
	}
	status, out, errOut := call(t, "kube-inject", "-f", file, "--image", "example.com/m:1")
	if status != exitOK || !strings.Contains(out, "image: example.com/m:1") || errOut != "" {
		t.Errorf("status %d\n%s\n%s", status, out, errOut)
	}
	if err := os.WriteFile(file, []byte(pod("good", "")+pod("bad", "hostNetwork: true\n  ")), 0o600); err != nil {
		t.Fatal(err)
	}
	status, out, errOut = call(t, "kube-inject", "-f", file)
	if status != exitFailed || strings.Count(out, "- name: memwatchd\n") != 1 || !strings.Contains(errOut, "Pod bad: hostNetwork is true") {
		t.Errorf("status %d\n%s\n%s", status, out, errOut)
	}
	for _, args := range [][]string{{"kube-inject"}, {"kube-inject", "-f", "/no/such/file"}} {
		if status, _, errOut := call(t, args...); status != exitUsage || errOut == "" {
			t.Errorf("%v: status %d, %q", args, status, errOut)
		}
	}
}
