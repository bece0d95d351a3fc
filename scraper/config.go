package scraper

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Config says how one target is read. Endpoints are paths on the target's URL,
// or whole URLs; empty ones are discovered.
type Config struct {
	// URL is http(s)://host:port[/path], host:port, :port, or unix:///path.sock.
	URL string `yaml:"url"`
	// Endpoints override the usual paths; "off" leaves one out.
	Endpoints Endpoints `yaml:"endpoints"`
	// Headers are sent with every request.
	Headers map[string]string `yaml:"headers"`
	// Username and PasswordFile are for basic authentication.
	Username     string `yaml:"username"`
	PasswordFile string `yaml:"passwordFile"`
	// BearerTokenFile holds a token, read anew when it changes.
	BearerTokenFile string `yaml:"bearerTokenFile"`
	TLS             TLS    `yaml:"tls"`
	// Timeout bounds one request, its body included.
	Timeout time.Duration `yaml:"timeout"`
	// MaxBytes bounds one answer, as sent and after decompression.
	MaxBytes int64 `yaml:"maxBytes"`
	// PID is the target's process, for RSS, cgroup and start time; 0 finds it
	// when the target listens on this machine and its process can be seen.
	PID int `yaml:"pid"`
	// LimitBytes overrides the memory limit; 0 asks the cgroup and the runtime.
	LimitBytes int64 `yaml:"limit"`
}

// Endpoints are the places a target can be read at.
type Endpoints struct {
	Vars          string `yaml:"vars"`
	Metrics       string `yaml:"metrics"`
	Heap          string `yaml:"heap"`
	Goroutine     string `yaml:"goroutine"`
	GoroutineLeak string `yaml:"goroutineleak"`
}

// Off as an endpoint leaves it out.
const Off = "off"

// TLS is for https targets.
type TLS struct {
	CAFile             string `yaml:"caFile"`
	CertFile           string `yaml:"certFile"`
	KeyFile            string `yaml:"keyFile"`
	ServerName         string `yaml:"serverName"`
	InsecureSkipVerify bool   `yaml:"insecureSkipVerify"`
}

// DefaultConfig has everything but the URL.
func DefaultConfig() Config {
	return Config{Timeout: 10 * time.Second, MaxBytes: 8 << 20}
}

// Validate names the field that is wrong, its value and what is allowed.
func (c Config) Validate() error {
	if _, err := ParseURL(c.URL); err != nil {
		return err
	}
	switch {
	case c.Timeout < 100*time.Millisecond || c.Timeout > 5*time.Minute:
		return fmt.Errorf("timeout is %v: want 100ms to 5m", c.Timeout)
	case c.MaxBytes < 1<<10 || c.MaxBytes > 1<<30:
		return fmt.Errorf("maxBytes is %d: want 1KiB to 1GiB", c.MaxBytes)
	case c.PID < 0:
		return fmt.Errorf("pid is %d: want 0 (find it) or a process", c.PID)
	case c.LimitBytes < 0:
		return fmt.Errorf("limit is %d: want 0 (ask the target) or more", c.LimitBytes)
	case c.Username == "" && c.PasswordFile != "":
		return errors.New("passwordFile is set without username")
	case c.Username != "" && c.BearerTokenFile != "":
		return errors.New("username and bearerTokenFile are both set: want one")
	case (c.TLS.CertFile == "") != (c.TLS.KeyFile == ""):
		return errors.New("tls.certFile and tls.keyFile go together: one is empty")
	}
	for name, e := range c.Endpoints.named() {
		if e != "" && e != Off && !strings.HasPrefix(e, "/") && !strings.Contains(e, "://") {
			return fmt.Errorf("endpoints.%s is %q: want a path that begins with /, a whole URL, or off", name, e)
		}
	}
	return nil
}

func (e Endpoints) named() map[string]string {
	return map[string]string{"vars": e.Vars, "metrics": e.Metrics, "heap": e.Heap, "goroutine": e.Goroutine, "goroutineleak": e.GoroutineLeak}
}

// ParseURL reads the forms a target may be given in. A unix socket becomes a
// URL of scheme unix whose Path is the socket.
func ParseURL(s string) (*url.URL, error) {
	bad := func(why string) error {
		return fmt.Errorf("target URL %q: %s; want http://host:port, host:port, :port or unix:///path.sock", s, why)
	}
	text := s
	switch {
	case s == "":
		return nil, bad("it is empty")
	case strings.HasPrefix(s, ":"):
		text = "http://localhost" + s
	case !strings.Contains(s, "://"):
		text = "http://" + s
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, bad("it cannot be parsed")
	}
	switch u.Scheme {
	case "unix":
		if u.Host != "" || u.Path == "" {
			return nil, bad("a socket's path is absolute")
		}
		return u, nil
	case "http", "https":
	default:
		return nil, bad(fmt.Sprintf("the scheme %q is not known", u.Scheme))
	}
	if u.Hostname() == "" {
		return nil, bad("it has no host")
	}
	if _, port, err := net.SplitHostPort(u.Host); err == nil {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return nil, bad(fmt.Sprintf("port %q is not one", port))
		}
	}
	if u.User != nil {
		return nil, bad("it holds a password: use username and passwordFile")
	}
	return u, nil
}

// Instance tells the target at u from the others of its service; host, the
// name of this machine, stands for what every machine calls itself.
func Instance(u *url.URL, host string) string {
	if u.Scheme == "unix" {
		return host + ":" + u.Path
	}
	name := u.Hostname()
	if ip := net.ParseIP(name); name == "localhost" || ip != nil && ip.IsLoopback() {
		name = host
	}
	if port := u.Port(); port != "" {
		return net.JoinHostPort(name, port)
	}
	return name
}
