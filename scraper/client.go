package scraper

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
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
	"runtime"
	"strings"
	"sync"
	"time"
)

// client fetches from one target, one request at a time over one kept-alive
// connection. It is not safe for concurrent use.
type client struct {
	cfg    Config
	target string
	base   *url.URL
	http   *http.Client
	// socket is the unix socket that the target listens on, "" for TCP.
	socket string
}

const (
	maxHeaderBytes = 64 << 10
	maxRedirects   = 3
	// keptBuffer is the largest buffer that stays for the next scrape.
	keptBuffer = 512 << 10
)

// bodies are shared between targets: a scrape is short and rare, so that a
// hundred targets need the buffers of the few that are read at one time.
var bodies = sync.Pool{New: func() any { return new([]byte) }}

// large is the turn of the one answer beyond keptBuffer that may be read at a
// time: what all targets together can make us hold is that one, however many
// they are. The deadline of a request bounds how long it is kept.
var large = make(chan struct{}, 1)

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
	// No proxy: a target is a neighbour, and credentials go to nobody else.
	transport := &http.Transport{
		TLSClientConfig:        tlsConfig,
		MaxIdleConnsPerHost:    1,
		IdleConnTimeout:        2 * time.Minute,
		MaxResponseHeaderBytes: maxHeaderBytes,
		WriteBufferSize:        1 << 10, // requests are short, and each target has one
		DisableCompression:     true,    // compressing would be the target's work
		DialContext:            (&net.Dialer{Timeout: cfg.Timeout}).DialContext,
	}
	if base.Scheme == "unix" {
		c.socket = base.Path
		c.base = &url.URL{Scheme: "http", Host: "unix"}
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", c.socket)
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

// fetch gets a path (or whole URL) within the caps and gives its body to use,
// which must not keep it. The error of use is returned as it is.
func (c *client) fetch(ctx context.Context, path string, use func(body []byte, took time.Duration) error) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	start := time.Now()
	req, err := c.request(ctx, path)
	if err != nil {
		return c.fail(path, Local, err, "")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.failTransport(path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		_, _ = io.CopyN(io.Discard, resp.Body, 4<<10) // lets a short refusal keep the connection
		return c.failStatus(path, resp.StatusCode)
	}
	if resp.ContentLength > c.cfg.MaxBytes {
		return c.tooLarge(path, "")
	}
	buf := bodies.Get().(*[]byte)
	defer func() {
		if cap(*buf) > keptBuffer {
			*buf = nil
			runtime.GC() // the next one is to find the room that this one leaves
			<-large
		}
		bodies.Put(buf)
	}()
	if err := c.read(ctx, buf, resp, path); err != nil {
		return err
	}
	return use(*buf, time.Since(start))
}

// read takes in a body, within the cap as sent and, where a server compresses
// unasked, within the same cap after decompression.
func (c *client) read(ctx context.Context, buf *[]byte, resp *http.Response, path string) error {
	body := &io.LimitedReader{R: resp.Body, N: c.cfg.MaxBytes + 1}
	var from io.Reader = body
	when := ""
	if resp.Header.Get("Content-Encoding") == "gzip" {
		zr, err := gzip.NewReader(body)
		if err != nil {
			return c.fail(path, Corrupt, fmt.Errorf("gunzip: %w", err), "")
		}
		from, when = zr, " after decompression"
	}
	err := fill(ctx, buf, from, c.cfg.MaxBytes+1)
	n := int64(len(*buf))
	switch {
	case n > c.cfg.MaxBytes:
		return c.tooLarge(path, when)
	case body.N <= 0:
		return c.tooLarge(path, "")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return c.fail(path, Cut, fmt.Errorf("the answer ended early, after %d bytes", n), "did the target stop, or a proxy cut it off?")
	case errors.Is(err, gzip.ErrChecksum), errors.As(err, new(flate.CorruptInputError)):
		return c.fail(path, Corrupt, fmt.Errorf("gunzip: %w", err), "")
	case err != nil:
		return c.failTransport(path, err)
	}
	return nil
}

// fill reads into buf to the end, or until it holds so many bytes. To be larger
// than keptBuffer it has to wait for its turn, and keeps it: whoever takes buf
// back gives the turn back.
func fill(ctx context.Context, buf *[]byte, from io.Reader, most int64) error {
	*buf = (*buf)[:0]
	for int64(len(*buf)) < most {
		if len(*buf) == cap(*buf) {
			room := min(2*int64(cap(*buf))+bytes.MinRead, most)
			if room > keptBuffer && cap(*buf) <= keptBuffer {
				if cap(*buf) < keptBuffer {
					room = keptBuffer
				} else if err := waitTurn(ctx); err != nil {
					return err
				}
			}
			grown := make([]byte, len(*buf), room)
			copy(grown, *buf)
			*buf = grown
		}
		n, err := from.Read((*buf)[len(*buf):cap(*buf)])
		*buf = (*buf)[:len(*buf)+n]
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
	return nil
}

func waitTurn(ctx context.Context) error {
	select {
	case large <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *client) tooLarge(path, when string) error {
	return c.fail(path, TooLarge, fmt.Errorf("the answer is larger than %d bytes%s", c.cfg.MaxBytes, when), "raise maxBytes if it is meant to be")
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
	req.Host = req.Header.Get("Host") // "" means the URL's
	return req, c.authorize(req)
}

// authorize reads secrets anew each time: they rotate.
func (c *client) authorize(req *http.Request) error {
	if c.cfg.BearerTokenFile != "" {
		token, err := os.ReadFile(c.cfg.BearerTokenFile)
		if err != nil {
			return fmt.Errorf("bearerTokenFile: %w", err)
		}
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	if c.cfg.Username == "" {
		return nil
	}
	var password []byte
	if c.cfg.PasswordFile != "" {
		var err error
		if password, err = os.ReadFile(c.cfg.PasswordFile); err != nil {
			return fmt.Errorf("passwordFile: %w", err)
		}
	}
	req.SetBasicAuth(c.cfg.Username, strings.TrimSpace(string(password)))
	return nil
}

// isHTML tells a web page from data: many servers answer every path with one.
// The list of profiles of net/http/pprof is a page too, and meant to be one.
func isHTML(body []byte) bool {
	head := bytes.TrimSpace(body[:min(len(body), 512)])
	if len(head) == 0 || head[0] != '<' {
		return false
	}
	head = bytes.ToLower(head)
	return (bytes.HasPrefix(head, []byte("<!doctype html")) || bytes.HasPrefix(head, []byte("<html"))) &&
		!bytes.Contains(head, []byte("<title>/debug/pprof/</title>"))
}

func (c *client) close() { c.http.CloseIdleConnections() }
