package config

import (
	"gopkg.in/yaml.v3"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/discovery"
	"github.com/zupee/memwatch/scraper"
)

// UnmarshalYAML puts what the file says over the defaults.
func (t *Target) UnmarshalYAML(n *yaml.Node) error {
	type plain Target
	p := plain(DefaultTarget())
	if err := n.Decode(&p); err != nil {
		return err
	}
	*t = Target(p)
	return nil
}

// Discovery is a source of targets, and how those are read.
type Discovery struct {
	Find discovery.Config `yaml:",inline"`
	// Like has no url and no instance: those are found.
	Like Target `yaml:",inline"`
}

// DefaultDiscovery is what the keys of a source that are not there mean.
func DefaultDiscovery() Discovery {
	return Discovery{Find: discovery.DefaultConfig(), Like: DefaultTarget()}
}

// UnmarshalYAML puts what the file says over the defaults.
func (d *Discovery) UnmarshalYAML(n *yaml.Node) error {
	*d = DefaultDiscovery()
	if err := n.Decode(&d.Find); err != nil {
		return err
	}
	return n.Decode(&d.Like)
}

// name completes who the target is; host is this machine's name.
func (t Target) name(service, host string) memwatch.Target {
	out := memwatch.Target{Service: t.Service, Instance: t.Instance, Labels: t.Labels}
	if out.Service == "" {
		out.Service = service
	}
	if out.Service == "" {
		out.Service = host
	}
	if out.Instance != "" {
		return out
	}
	u, err := scraper.ParseURL(t.URL)
	if err != nil {
		return out // Validate has said so
	}
	out.Instance = scraper.Instance(u, host)
	return out
}
