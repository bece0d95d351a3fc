package uplink

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Config is for New.
type Config struct {
	// URLs are the hubs, ws, wss, http or https, tried in turn.
	URLs []string `yaml:"urls"`
	// TokenFile holds the bearer token, read again at each connect; "" for none.
	TokenFile string `yaml:"tokenFile" env:"MEMWATCH_UPLINK_TOKEN_FILE" flag:"uplink-token-file" help:"file with the bearer token for the hub"`
	// CAFile holds PEM certificates to trust besides the system's; "" for none.
	CAFile string `yaml:"caFile" env:"MEMWATCH_UPLINK_CA_FILE" flag:"uplink-ca-file" help:"file of PEM certificates to trust besides the system's"`
	// CertFile and KeyFile are the client's PEM certificate; both or neither.
	CertFile string `yaml:"certFile"`
	KeyFile  string `yaml:"keyFile"`

	// BatchReadings and BatchDelay bound a batch: it goes when it is full, or
	// this long after its first reading.
	BatchReadings int           `yaml:"batchReadings"`
	BatchDelay    time.Duration `yaml:"batchDelay"`
	// Window is how many batches may wait for their ack.
	Window int `yaml:"window"`
	// MaxBackoff bounds the wait between attempts; a hub's Retry-After may ask
	// for more, up to an hour.
	MaxBackoff time.Duration `yaml:"maxBackoff"`
	// PingInterval is how often a silent connection is checked.
	PingInterval time.Duration `yaml:"pingInterval"`

	// Version is memwatchd's own, told to the hub.
	Version string `yaml:"-"`
}

// DefaultConfig is for one hub on this machine.
func DefaultConfig() Config {
	return Config{
		URLs:          []string{"ws://localhost:4000"},
		BatchReadings: 500, BatchDelay: 50 * time.Millisecond, Window: 4,
		MaxBackoff: 30 * time.Second, PingInterval: 20 * time.Second,
	}
}

// Validate names the field that is wrong, its value and what is allowed.
func (c Config) Validate() error {
	if len(c.URLs) == 0 {
		return errors.New("uplink.urls: empty: want one hub or more, as ws://localhost:4000")
	}
	for _, raw := range c.URLs {
		if err := checkURL(raw); err != nil {
			return err
		}
	}
	switch {
	case (c.CertFile == "") != (c.KeyFile == ""):
		return errors.New("uplink.certFile: it goes with uplink.keyFile: want both or neither")
	case c.BatchReadings < 1 || c.BatchReadings > 10_000:
		return fmt.Errorf("uplink.batchReadings: %d is not allowed: want 1 to 10000", c.BatchReadings)
	case c.BatchDelay < time.Millisecond || c.BatchDelay > time.Minute:
		return fmt.Errorf("uplink.batchDelay: %s is not allowed: want 1ms to 1m", c.BatchDelay)
	case c.Window < 1 || c.Window > 64:
		return fmt.Errorf("uplink.window: %d is not allowed: want 1 to 64", c.Window)
	case c.MaxBackoff < time.Second || c.MaxBackoff > time.Hour:
		return fmt.Errorf("uplink.maxBackoff: %s is not allowed: want 1s to 1h", c.MaxBackoff)
	case c.PingInterval < time.Second || c.PingInterval > time.Hour:
		return fmt.Errorf("uplink.pingInterval: %s is not allowed: want 1s to 1h", c.PingInterval)
	}
	return nil
}

func checkURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil {
		return fmt.Errorf("uplink.urls: %q is no URL: want one as ws://localhost:4000", raw)
	}
	switch strings.ToLower(u.Scheme) {
	case "ws", "wss", "http", "https":
	default:
		return fmt.Errorf("uplink.urls: %q: want a URL that begins with ws:// or wss://, as ws://localhost:4000", u.Redacted())
	}
	switch {
	case u.Host == "":
		return fmt.Errorf("uplink.urls: %q has no host", raw)
	case u.User != nil:
		return fmt.Errorf("uplink.urls: %q: a secret in a URL ends in logs: put the token in a file, uplink.tokenFile", u.Redacted())
	}
	return nil
}
