package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/zupee/memwatch/hub/auth"
	"github.com/zupee/memwatch/hub/blob/s3"
	"github.com/zupee/memwatch/hub/ingest"
	"github.com/zupee/memwatch/hub/live"
	"github.com/zupee/memwatch/hub/notify"
)

// Config is all that a hub can be told.
type Config struct {
	// Listen is the one address for agents, browsers and the API.
	Listen string `yaml:"listen"`
	// Data is the folder that everything else is kept in; it is made if need be.
	Data string `yaml:"data"`
	// Store is the address of a PostgreSQL database for readings, alerts and
	// captures, postgres://user@host/database, in place of SQLite in the data folder.
	// StoreFile is a file that holds it, where there is a password in it.
	Store     string `yaml:"store"`
	StoreFile string `yaml:"storeFile"`
	// Blobs is where profiles are kept: s3://bucket/prefix?endpoint=…&region=…, or
	// "" for the data folder.
	Blobs string `yaml:"blobs"`
	// Insecure allows to listen where other machines can connect without TLS or
	// without asking who they are.
	Insecure bool `yaml:"insecure"`
	// TLS is served when it has a certificate.
	TLS  TLS         `yaml:"tls"`
	Auth auth.Config `yaml:"auth"`
	// Hosts are the names, besides localhost and addresses, that a hub on
	// loopback is asked for: those of a proxy before it. Any other name in a
	// request is refused, so that no web page can reach the hub under its own.
	Hosts []string `yaml:"hosts"`

	// MaxConnections bounds all connections together; more are refused.
	MaxConnections int `yaml:"maxConnections"`

	Presence  Presence      `yaml:"presence"`
	Retention Retention     `yaml:"retention"`
	Ingest    ingest.Config `yaml:"ingest"`
	Live      live.Config   `yaml:"live"`
	Notify    notify.Config `yaml:"notify"`
	Metrics   Metrics       `yaml:"metrics"`

	// UI is the built dashboard; without one the hub serves the API alone.
	UI fs.FS `yaml:"-"`
	// Ready is called once with the address that the hub listens on.
	Ready func(addr string) `yaml:"-"`
}

// Presence says when an instance counts as gone.
type Presence struct {
	// Grace is how long its agent may be away before it is disconnected.
	Grace time.Duration `yaml:"grace"`
	// Silence is how long nothing may be heard of it, though its agent is there
	// (or four times its interval, whichever is longer).
	Silence time.Duration `yaml:"silence"`
	// AlertAfter is how long it may be disconnected, or unreadable, without an alert.
	AlertAfter time.Duration `yaml:"alertAfter"`
	// ForgetAfter is when a replica that is gone is no longer shown, while others
	// of its service are there; when all are away it takes 24 times as long.
	ForgetAfter time.Duration `yaml:"forgetAfter"`
}

// Retention says how long things are kept, and how many.
type Retention struct {
	// Readings are kept as they came in for so long; after that two of each minute
	// until they are older than Minutes, then two of each ten until TenMinutes.
	Readings        time.Duration `yaml:"readings"`
	Minutes         time.Duration `yaml:"minutes"`
	TenMinutes      time.Duration `yaml:"tenMinutes"`
	Alerts          time.Duration `yaml:"alerts"`   // after they resolved
	Profiles        time.Duration `yaml:"profiles"` // those of open alerts stay
	MaxProfiles     int           `yaml:"maxProfiles"`
	MaxProfileBytes int64         `yaml:"maxProfileBytes"` // all together
}

// DefaultConfig is a hub for one machine.
func DefaultConfig() Config {
	return Config{
		Listen: "127.0.0.1:4000", Data: "./memwatch-data", MaxConnections: 30_000,
		Presence: Presence{Grace: 15 * time.Second, Silence: time.Minute, AlertAfter: time.Minute, ForgetAfter: time.Hour},
		Retention: Retention{
			Readings: 48 * time.Hour, Minutes: 14 * 24 * time.Hour, TenMinutes: 180 * 24 * time.Hour,
			Alerts: 180 * 24 * time.Hour, Profiles: 30 * 24 * time.Hour,
			MaxProfiles: 10_000, MaxProfileBytes: 20 << 30,
		},
		Auth: auth.DefaultConfig(), Ingest: ingest.DefaultConfig(), Live: live.DefaultConfig(), Metrics: Metrics{Instances: 5000},
	}
}

// Validate names the field that is wrong, its value and what is allowed.
func (c Config) Validate() error {
	if err := c.validateListen(); err != nil {
		return err
	}
	if c.MaxConnections < 10 || c.MaxConnections > 10_000_000 {
		return fmt.Errorf("maxConnections: %d is not allowed: want 10 to 10000000", c.MaxConnections)
	}
	if c.Data == "" {
		return errors.New("data: missing: want a folder")
	}
	if err := c.validateStore(); err != nil {
		return err
	}
	if c.Blobs != "" {
		if _, err := s3.Parse(c.Blobs); err != nil {
			return fmt.Errorf("blobs: %w", err)
		}
	}
	for _, d := range []struct {
		name  string
		v     time.Duration
		least time.Duration
	}{
		{"presence.grace", c.Presence.Grace, 0},
		{"presence.silence", c.Presence.Silence, time.Second},
		{"presence.alertAfter", c.Presence.AlertAfter, time.Millisecond},
		{"presence.forgetAfter", c.Presence.ForgetAfter, time.Second},
		{"retention.readings", c.Retention.Readings, time.Minute},
		{"retention.minutes", c.Retention.Minutes, c.Retention.Readings},
		{"retention.tenMinutes", c.Retention.TenMinutes, c.Retention.Minutes},
		{"retention.alerts", c.Retention.Alerts, time.Minute},
		{"retention.profiles", c.Retention.Profiles, time.Minute},
	} {
		if d.v < d.least {
			return fmt.Errorf("%s: %s is not allowed: want %s or more", d.name, d.v, d.least)
		}
	}
	if c.Retention.MaxProfiles < 1 {
		return fmt.Errorf("retention.maxProfiles: %d is not allowed: want 1 or more", c.Retention.MaxProfiles)
	}
	if c.Retention.MaxProfileBytes < 1<<20 {
		return fmt.Errorf("retention.maxProfileBytes: %d is not allowed: want %d or more", c.Retention.MaxProfileBytes, 1<<20)
	}
	if err := c.Ingest.Validate(); err != nil {
		return err
	}
	if c.Metrics.Instances < 0 {
		return fmt.Errorf("metrics.instances: %d is not allowed: want 0 or more", c.Metrics.Instances)
	}
	if err := c.Notify.Validate(); err != nil {
		return err
	}
	if len(c.Notify.Channels) > 0 && c.Notify.Link == "" && everywhere(c.Listen) {
		return fmt.Errorf("notify.link: missing: %q (listen) is no address that people can reach: want one such as https://memwatch.example.com, "+
			"as the links in messages begin with it", c.Listen)
	}
	return c.Live.Validate()
}

// validateListen refuses addresses that others can reach, where nobody is asked
// who they are, or where others on the way can read along.
func (c Config) validateListen() error {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("listen: %q is not allowed: want host:port, such as 127.0.0.1:4000", c.Listen)
	}
	if err := c.TLS.validate(); err != nil {
		return err
	}
	if err := c.Auth.Validate(); err != nil {
		return err
	}
	switch {
	case c.Insecure || isLoopback(host):
		return nil
	case !c.Auth.Required:
		return fmt.Errorf("listen: other machines can reach %q, and this hub asks nobody who they are: "+
			"say --auth (auth.required: true), listen on 127.0.0.1, or say --insecure (insecure: true) where the network is trusted", c.Listen)
	case c.TLS.Cert == "":
		return fmt.Errorf("listen: other machines can reach %q, and passwords and tokens would cross the network in the clear: "+
			"give --tls-cert and --tls-key (tls.cert, tls.key), or say --insecure (insecure: true) where a proxy before the hub ends TLS", c.Listen)
	}
	return nil
}

func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// everywhere tells an address that stands for all of the machine's.
func everywhere(listen string) bool {
	host, _, _ := net.SplitHostPort(listen)
	addr, err := netip.ParseAddr(host)
	return host == "" || err == nil && addr.IsUnspecified()
}

// link is where people find the dashboard, as far as the configuration tells.
func (c Config) link() string {
	if c.TLS.Cert != "" {
		return "https://" + c.Listen
	}
	return "http://" + c.Listen
}
