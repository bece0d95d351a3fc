package main

import "testing"

func TestTheHubTakesTheConfigurationOfTheManifests(t *testing.T) {
	for place, shared := range map[string]bool{"base/hub": false, "overlays/postgres-s3": true} {
		cfg, err := load("../../deploy/k8s/" + place + "/config/hub.yaml")
		if err == nil {
			err = cfg.Validate()
		}
		if err != nil || cfg.Listen != "0.0.0.0:4000" || cfg.Data != "/var/lib/memwatch" || cfg.Insecure || !cfg.Auth.Required || cfg.TLS.Cert == "" {
			t.Errorf("%s: %v: %+v", place, err, cfg)
		}
		if (cfg.Store != "") != shared || (cfg.Blobs != "") != shared {
			t.Errorf("%s keeps what it has in %q and %q", place, cfg.Store, cfg.Blobs)
		}
	}
}
