package assistant

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
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

// Config says which hub to ask, and as whom.
type Config struct {
	// Hub is its address, such as https://hub.example.com.
	Hub string
	// TokenFile holds a token of a viewer, read again at each request; "" for none.
	TokenFile string
	// CAFile holds PEM certificates to trust besides the system's; "" for none.
	CAFile string
}

const (
	// maxAnswerBytes bounds what is read of one answer; a flame graph is the largest.
	maxAnswerBytes = 64 << 20
	answerWithin   = time.Minute
)

// client asks a hub.
type client struct {
	base      *url.URL
	tokenFile string
	http      *http.Client
}

func newClient(cfg Config) (*client, error) {
	base, err := url.Parse(cfg.Hub)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("--hub is %q: want an address such as https://hub.example.com", cfg.Hub)
	}
	if base.User != nil {
		return nil, fmt.Errorf("--hub is %q: a secret in an address ends in logs: put a token in a file, --token-file", base.Redacted())
	}
	base = base.JoinPath("/")
	base.RawQuery, base.Fragment = "", ""
	c := &client{base: base, tokenFile: cfg.TokenFile, http: &http.Client{Timeout: answerWithin}}
	if cfg.TokenFile != "" {
		if base.Scheme == "http" && !isLoopback(base.Hostname()) {
			return nil, fmt.Errorf("--hub is %q: the token could be read on its way: want https, or an address of this machine", cfg.Hub)
		}
		if _, err := c.token(); err != nil {
			return nil, err
		}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if cfg.CAFile != "" {
		if transport.TLSClientConfig, err = trusting(cfg.CAFile); err != nil {
			return nil, err
		}
	}
	c.http.Transport = transport
	return c, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func trusting(file string) (*tls.Config, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--ca-file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("--ca-file %s: no certificate in it: want PEM", file)
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}

// token is the file's first line.
func (c *client) token() (string, error) {
	b, err := os.ReadFile(c.tokenFile)
	if err != nil {
		return "", fmt.Errorf("--token-file: %w", err)
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
	if line == "" {
		return "", fmt.Errorf("--token-file %s: empty: want what memwatch-hub token create --role viewer printed", c.tokenFile)
	}
	return strings.TrimSpace(line), nil
}

// get reads one answer of the API; path's parts are escaped.
func get[T any](ctx context.Context, c *client, query url.Values, path ...string) (T, error) {
	var out T
	for i := range path {
		path[i] = url.PathEscape(path[i])
	}
	u := c.base.JoinPath(append([]string{"api"}, path...)...)
	u.RawQuery = query.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return out, fmt.Errorf("ask the hub: %w", err)
	}
	r.Header.Set("Accept", "application/json")
	if c.tokenFile != "" {
		token, err := c.token()
		if err != nil {
			return out, err
		}
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return out, c.away(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes+1))
	switch {
	case err != nil:
		return out, c.away(err)
	case resp.StatusCode != http.StatusOK:
		return out, c.refusal(resp.StatusCode, body)
	case len(body) > maxAnswerBytes:
		return out, fmt.Errorf("the hub's answer is larger than %d MiB: ask for less, with a filter or a limit", maxAnswerBytes>>20)
	}
	if err := json.Unmarshal(body, &out); err != nil {
		return out, fmt.Errorf("%s answers something else than a hub of memwatch (%w): is --hub its address?", c.base, err)
	}
	return out, nil
}

// away words that there was no answer.
func (c *client) away(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var cert *tls.CertificateVerificationError
	if errors.As(err, &cert) {
		return fmt.Errorf("the hub at %s has a certificate that is not trusted here (%w): name its authority's by --ca-file", c.base, err)
	}
	return fmt.Errorf("the hub at %s cannot be reached (%w): is it running, and is --hub its address?", c.base, err)
}

// refusal words an answer that is an error, with what to do.
func (c *client) refusal(status int, body []byte) error {
	var problem struct{ Title, Detail string }
	if json.Unmarshal(body, &problem) != nil || problem.Title == "" {
		return fmt.Errorf("%s answers with status %d and is no hub of memwatch: is --hub its address?", c.base, status)
	}
	detail := problem.Detail
	if detail == "" {
		detail = problem.Title
	}
	switch status {
	case http.StatusUnauthorized:
		return fmt.Errorf("the hub wants to know who asks (%s): give it a token of memwatch-hub token create NAME --role viewer by --token-file", detail)
	case http.StatusForbidden:
		return fmt.Errorf("the hub refuses (%s): the token's role must be viewer or operator", detail)
	}
	return errors.New(detail)
}
