package main

import "testing"

func TestTheHubTakesTheConfigurationOfTheManifests(t *testing.T) {
	cfg, err := load("../../deploy/k8s/base/hub/config/hub.yaml")
	if err == nil {
		err = cfg.Validate()
	}
	if err != nil || cfg.Listen != "0.0.0.0:4000" || cfg.Data != "/var/lib/memwatch" || cfg.Insecure || !cfg.Auth.Required || cfg.TLS.Cert == "" {
		t.Errorf("%v: %+v", err, cfg)
	}
}
