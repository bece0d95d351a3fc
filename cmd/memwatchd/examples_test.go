package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// TestTheExamplesForCIUseFlagsThatExist reads them as YAML and looks at each
// command of ours in them.
func TestTheExamplesForCIUseFlagsThatExist(t *testing.T) {
	command := regexp.MustCompile(`memwatchd once ([^>]*?) -- `)
	for _, file := range []string{"../../examples/ci/github-actions.yml", "../../examples/ci/gitlab-ci.yml"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var doc map[string]any
		if err := yaml.Unmarshal(text, &doc); err != nil || len(doc) == 0 {
			t.Errorf("%s: %v", file, err)
		}
		found := command.FindAllStringSubmatch(strings.NewReplacer("\\\n", " ", "\n", " ").Replace(string(text)), -1)
		if len(found) != 1 {
			t.Fatalf("%s: %d commands of ours, want 1", file, len(found))
		}
		cmd := newOnce(system{})
		if err := cmd.ParseFlags(strings.Fields(found[0][1])); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if urls := cmd.Flags().Args(); len(urls) != 1 || urls[0] != "http://localhost:6060" {
			t.Errorf("%s: URLs %v", file, urls)
		}
	}
}
