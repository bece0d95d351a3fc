package inject

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"gopkg.in/yaml.v3"
)

// Files adds to each workload in a stream of YAML (or JSON) documents that asks
// for it. All else stays, comments too; indentation becomes two spaces.
func Files(in io.Reader, out io.Writer, o Options) ([]Outcome, error) {
	dec, enc := yaml.NewDecoder(in), yaml.NewEncoder(out)
	enc.SetIndent(2)
	var outcomes []Outcome
	for n := 1; ; n++ {
		var doc yaml.Node
		if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
			return outcomes, enc.Close()
		} else if err != nil {
			return outcomes, fmt.Errorf("document %d: %w", n, err)
		}
		if len(doc.Content) == 1 {
			found, err := workload(doc.Content[0], o)
			if err != nil {
				return outcomes, fmt.Errorf("document %d: %w", n, err)
			}
			outcomes = append(outcomes, found...)
		}
		if err := enc.Encode(&doc); err != nil {
			return outcomes, fmt.Errorf("document %d: %w", n, err)
		}
	}
}

// templates says where kinds keep the pod that they make.
var templates = map[string]string{
	"Pod": "", "Deployment": "spec.template", "StatefulSet": "spec.template", "DaemonSet": "spec.template", "ReplicaSet": "spec.template",
	"ReplicationController": "spec.template", "Job": "spec.template", "CronJob": "spec.jobTemplate.spec.template",
}

func workload(n *yaml.Node, o Options) ([]Outcome, error) {
	if items := child(n, "items"); items != nil && items.Kind == yaml.SequenceNode {
		var out []Outcome
		for _, item := range items.Content {
			found, err := workload(item, o)
			if err != nil {
				return out, err
			}
			out = append(out, found...)
		}
		return out, nil
	}
	head, ok := headOf(n)
	if !ok {
		return nil, nil // no manifest: none of our business
	}
	where, ok := templates[head.Kind]
	if !ok {
		return nil, nil
	}
	template := n
	for _, key := range strings.FieldsFunc(where, func(r rune) bool { return r == '.' }) {
		if template = child(template, key); template == nil {
			return nil, fmt.Errorf("%s %s has no %s", head.Kind, head.Metadata.Name, where)
		}
	}
	var p Pod
	if err := template.Decode(&p); err != nil {
		return nil, fmt.Errorf("%s %s: %w", head.Kind, head.Metadata.Name, err)
	}
	result := Outcome{Pod: head.Kind + " " + head.Metadata.Name}
	name := head.Metadata.Name
	if head.Kind == "Pod" {
		name = ""
	}
	additions, err := Additions(&p, name, o)
	switch {
	case err != nil:
		result.Refused = err
	case len(additions) > 0:
		result.Injected = true
		for _, a := range additions {
			if err := apply(template, a); err != nil {
				return nil, fmt.Errorf("%s %s: %w", head.Kind, head.Metadata.Name, err)
			}
		}
	case head.Metadata.Annotations[Inject] == "true" && !p.Wished() && p.Metadata.Annotations[Inject] == "":
		result.Refused = fmt.Errorf("annotation %s stands on the %s: put it on %s.metadata.annotations, which its pods take over", Inject, head.Kind, where)
	default:
		return nil, nil
	}
	return []Outcome{result}, nil
}

// head is what all manifests have.
type head struct {
	Kind     string `yaml:"kind"`
	Metadata struct {
		Name        string            `yaml:"name"`
		Annotations map[string]string `yaml:"annotations"`
	} `yaml:"metadata"`
}

func headOf(n *yaml.Node) (h head, ok bool) {
	ok = n.Kind == yaml.MappingNode && n.Decode(&h) == nil
	return h, ok
}

// child is the value of a key, nil when there is none.
func child(n *yaml.Node, key string) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// apply takes the one step of a JSON patch that Additions makes use of.
func apply(n *yaml.Node, a Addition) error {
	text, err := yaml.Marshal(a.Value)
	if err != nil {
		return err
	}
	var value yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(text)).Decode(&value); err != nil {
		return err
	}
	path := strings.Split(strings.TrimPrefix(a.Path, "/"), "/")
	for _, key := range path[:len(path)-1] {
		if n = child(n, key); n == nil {
			return fmt.Errorf("add %s: there is no %s", a.Path, key)
		}
	}
	if n.Kind == yaml.AliasNode {
		return fmt.Errorf("add %s: it is an alias (*%s), and what it stands for must not change: write it out", a.Path, n.Value)
	}
	n.Style &^= yaml.FlowStyle
	last := strings.ReplaceAll(path[len(path)-1], "~1", "/")
	if last == "-" {
		n.Content = append(n.Content, value.Content[0])
		return nil
	}
	if old := child(n, last); old != nil { // there, and empty
		*old = *value.Content[0]
		return nil
	}
	n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: last}, value.Content[0])
	return nil
}
