package scraper

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// client fetches from one target, one request at a time over one kept-alive
// connection. It is not safe for concurrent use.
type client struct {
	cfg    Config
	target string
	base   *url.URL
	http   *http.Client
	// buf holds the newest answer; the next fetch overwrites it.
	buf bytes.Buffer
}

const (
	maxHeaderBytes = 64 << 10
	maxRedirects   = 3
	// keptBuffer is how much of a large answer's buffer stays for the next one.
	keptBuffer = 1 << 20
)

func newClient(cfg Config) (*client, error) {
	base, err := ParseURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	tlsConfig, err := cfg.TLS.load()
	if err != nil {
		return nil, fmt.Errorf("target %s: %w", cfg.URL, err)
	}
	c := &client{cfg: cfg, target: cfg.URL, base: base}
	transport := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		TLSClientConfig:        tlsConfig,
		MaxIdleConnsPerHost:    1,
		IdleConnTimeout:        2 * time.Minute,
		MaxResponseHeaderBytes: maxHeaderBytes,
		DisableCompression:     true, // compressing would be the target's work
		DialContext:            (&net.Dialer{Timeout: cfg.Timeout}).DialContext,
	}
	if base.Scheme == "unix" {
		socket := base.Path
		c.base = &url.URL{Scheme: "http", Host: "unix"}
		transport.Proxy = nil
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}
	}
	c.http = &http.Client{Transport: transport, CheckRedirect: c.checkRedirect}
	return c, nil
}

func (t TLS) load() (*tls.Config, error) {
	c := &tls.Config{ServerName: t.ServerName, InsecureSkipVerify: t.InsecureSkipVerify, MinVersion: tls.VersionTLS12} //nolint:gosec // said aloud in the configuration
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("tls.caFile: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.caFile %s: no PEM certificate in it", t.CAFile)
		}
	}
	if t.CertFile != "" {
		if _, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile); err != nil {
			return nil, fmt.Errorf("tls.certFile: %w", err)
		}
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile) // anew: certificates rotate
			return &pair, err
		}
	}
	return c, nil
}

// checkRedirect follows a few on the same host, so that neither credentials
// nor requests go where nobody pointed us.
func (c *client) checkRedirect(req *http.Request, via []*http.Request) error {
	if req.URL.Host != via[0].URL.Host || req.URL.Scheme != via[0].URL.Scheme {
		return c.fail(via[0].URL.Path, Redirect, fmt.Errorf("redirected to %s", req.URL.Redacted()), "only redirects on the same host are followed: configure that URL if it is meant")
	}
	if len(via) > maxRedirects {
		return c.fail(via[0].URL.Path, Redirect, fmt.Errorf("more than %d redirects", maxRedirects), "")
	}
	return nil
}

// answer is what a request gave; body is valid until the next fetch.
type answer struct {
	body []byte
	took time.Duration
}

// fetch gets a path (or whole URL) within the caps.
func (c *client) fetch(ctx context.Context, path string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	start := time.Now()
	req, err := c.request(ctx, path)
	if err != nil {
		return answer{}, c.fail(path, Local, err, "")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, c.failTransport(path, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		_, _ = io.CopyN(io.Discard, resp.Body, 4<<10) // lets a short refusal keep the connection
		return answer{}, c.failStatus(path, resp.StatusCode)
	}
	if resp.ContentLength > c.cfg.MaxBytes {
		return answer{}, c.tooLarge(path)
	}
	if c.buf.Cap() > keptBuffer {
		c.buf = bytes.Buffer{}
	}
	c.buf.Reset()
	n, err := c.buf.ReadFrom(io.LimitReader(resp.Body, c.cfg.MaxBytes+1))
	switch {
	case n > c.cfg.MaxBytes:
		return answer{}, c.tooLarge(path)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return answer{}, c.fail(path, Cut, fmt.Errorf("the answer ended early, after %d bytes", n), "")
	case err != nil:
		return answer{}, c.failTransport(path, err)
	}
	return answer{body: c.buf.Bytes(), took: time.Since(start)}, nil
}

func (c *client) tooLarge(path string) error {
	return c.fail(path, TooLarge, fmt.Errorf("the answer is larger than %d bytes", c.cfg.MaxBytes), "raise maxBytes if it is meant to be")
}

func (c *client) request(ctx context.Context, path string) (*http.Request, error) {
	where := path
	if strings.HasPrefix(path, "/") {
		where = c.base.Scheme + "://" + c.base.Host + path
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "memwatchd")
	for k, v := range c.cfg.Headers {
		req.Header.Set(k, v)
	}
	if c.cfg.BearerTokenFile != "" {
		token, err := os.ReadFile(c.cfg.BearerTokenFile)
		if err != nil {
			return nil, fmt.Errorf("bearerTokenFile: %w", err)
		}
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	if c.cfg.Username != "" {
		var password []byte
		if c.cfg.PasswordFile != "" {
			if password, err = os.ReadFile(c.cfg.PasswordFile); err != nil {
				return nil, fmt.Errorf("passwordFile: %w", err)
			}
		}
		req.SetBasicAuth(c.cfg.Username, strings.TrimSpace(string(password)))
	}
	return req, nil
}

// isHTML tells a web page from data: many servers answer every path with one.
func isHTML(body []byte) bool {
	head := bytes.ToLower(bytes.TrimSpace(body[:min(len(body), 512)]))
	return bytes.HasPrefix(head, []byte("<!doctype html")) || bytes.HasPrefix(head, []byte("<html"))
}

func (c *client) close() { c.http.CloseIdleConnections() }
