package hub

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// TLS names the files; they are read again when they change.
type TLS struct {
	Cert string `yaml:"cert"` // PEM, with the chain
	Key  string `yaml:"key"`
	// ClientCA is whose certificates agents may bring in place of a token.
	ClientCA string `yaml:"clientCA"`
	// RequireClientCert refuses everybody without such a certificate.
	RequireClientCert bool `yaml:"requireClientCert"`
}

func (t TLS) validate() error {
	switch {
	case (t.Cert == "") != (t.Key == ""):
		return errors.New("tls: cert without key, or key without cert: want both or none")
	case t.ClientCA != "" && t.Cert == "":
		return errors.New("tls.clientCA: not allowed without tls.cert and tls.key")
	case t.RequireClientCert && t.ClientCA == "":
		return errors.New("tls.requireClientCert: not allowed without tls.clientCA: want whose certificates count")
	}
	return nil
}

// certificateCheck is how often the files are looked at, at most.
const certificateCheck = 5 * time.Second

// certificates are the files' content as last read. Files that cannot be read
// leave what was read before in use.
type certificates struct {
	cfg    TLS
	logger *slog.Logger

	mu      sync.Mutex
	checked time.Time
	stamps  [3]time.Time
	config  *tls.Config
}

// newCertificates reads the files for the first time; now they must be right.
func newCertificates(cfg TLS, logger *slog.Logger) (*certificates, error) {
	c := &certificates{cfg: cfg, logger: logger}
	var err error
	if c.stamps, err = c.stat(); err != nil {
		return nil, err
	}
	if c.config, err = c.read(); err != nil {
		return nil, err
	}
	c.checked = time.Now()
	return c, nil
}

// serverConfig asks for the present files at each handshake.
func (c *certificates) serverConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, // WebSockets are HTTP/1.1
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.present(time.Now()), nil },
	}
}

func (c *certificates) present(now time.Time) *tls.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.checked) < certificateCheck {
		return c.config
	}
	c.checked = now
	stamps, err := c.stat()
	if err == nil && stamps == c.stamps {
		return c.config
	}
	var fresh *tls.Config
	if err == nil {
		fresh, err = c.read()
	}
	if err != nil {
		c.logger.Error("TLS files changed and cannot be used; the certificate of before stays in use", "error", err)
		return c.config
	}
	c.stamps, c.config = stamps, fresh
	c.logger.Info("TLS files read again", "cert", c.cfg.Cert)
	return c.config
}

func (c *certificates) files() []string {
	files := []string{c.cfg.Cert, c.cfg.Key}
	if c.cfg.ClientCA != "" {
		files = append(files, c.cfg.ClientCA)
	}
	return files
}

func (c *certificates) stat() (stamps [3]time.Time, err error) {
	for i, f := range c.files() {
		info, err := os.Stat(f)
		if err != nil {
			return stamps, fmt.Errorf("tls: %w", err)
		}
		stamps[i] = info.ModTime()
	}
	return stamps, nil
}

func (c *certificates) read() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(c.cfg.Cert, c.cfg.Key)
	if err != nil {
		return nil, fmt.Errorf("tls: %s and %s: %w", c.cfg.Cert, c.cfg.Key, err)
	}
	out := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, Certificates: []tls.Certificate{pair}}
	if c.cfg.ClientCA == "" {
		return out, nil
	}
	pem, err := os.ReadFile(c.cfg.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	out.ClientCAs = x509.NewCertPool()
	if !out.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("tls.clientCA: %s has no certificate in PEM", c.cfg.ClientCA)
	}
	out.ClientAuth = tls.VerifyClientCertIfGiven
	if c.cfg.RequireClientCert {
		out.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return out, nil
}
