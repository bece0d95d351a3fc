package uplink

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/zupee/memwatch/internal/ws"
	"github.com/zupee/memwatch/wire"
)

const (
	dialTimeout = 20 * time.Second
	// socketBuffer bounds what the kernel takes for sending beyond what the link
	// carries, so that readings and pings do not queue behind megabytes of
	// profile on a slow one.
	socketBuffer = 64 << 10
	// maxAnswerBytes bounds a frame from the hub.
	maxAnswerBytes = 64 << 10
)

// subprotocol0 is offered first. No hub of version 1 knows it, so it chooses
// wire.Subprotocol; but servers that choose whatever is offered first, as the
// library under the original dashboard does, give themselves away.
const subprotocol0 = "memwatch.v0"

// HubError says what is wrong with one hub, and what to do about it.
type HubError struct {
	URL  string
	Err  error
	Hint string
	// RetryAfter is what the hub asked for; 0 when it did not.
	RetryAfter time.Duration
}

func (e *HubError) Error() string { return fmt.Sprintf("hub %s: %s", e.URL, e.Err) }

// Unwrap returns the cause.
func (e *HubError) Unwrap() error { return e.Err }

func retryAfter(err error) time.Duration {
	var h *HubError
	if errors.As(err, &h) {
		return h.RetryAfter
	}
	return 0
}

// dial connects and finds out which version the hub speaks. Token and
// certificates are read anew, so that rotated ones are used.
func (u *Uplink) dial(ctx context.Context, url string) (*ws.Conn, int, error) {
	header := http.Header{"User-Agent": {"memwatchd/" + u.cfg.Version}}
	if u.cfg.TokenFile != "" {
		b, err := os.ReadFile(u.cfg.TokenFile)
		token := strings.TrimSpace(string(b))
		if err != nil || token == "" {
			if err == nil {
				err = fmt.Errorf("token file %s is empty", u.cfg.TokenFile)
			}
			return nil, 0, &HubError{URL: url, Err: err, Hint: "put the token of `memwatch-hub token create` into the token file"}
		}
		header.Set("Authorization", "Bearer "+token)
	}
	tlsConfig, err := u.tlsConfig()
	if err != nil {
		return nil, 0, &HubError{URL: url, Err: err, Hint: "check caFile, certFile and keyFile"}
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: dialTCP,
		TLSClientConfig: tlsConfig, TLSHandshakeTimeout: dialTimeout,
	}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, resp, err := ws.Dial(ctx, url, ws.DialOptions{ //nolint:bodyclose // ws.Dial closes it
		HTTPClient: &http.Client{Transport: transport}, Header: header,
		Subprotocols: []string{subprotocol0, wire.Subprotocol}, MaxFrameBytes: maxAnswerBytes,
	})
	if err != nil {
		return nil, 0, explain(url, resp, err)
	}
	if conn.Subprotocol() == wire.Subprotocol {
		return conn, wire.Version, nil
	}
	if err := otherVersion(resp.Header.Get(wire.VersionsHeader)); err != nil {
		_ = conn.CloseNow()
		err.URL = url
		return nil, 0, err
	}
	return conn, 0, nil
}

// otherVersion is what is wrong with a hub that tells which versions it speaks
// and still did not choose ours; nil when it tells nothing. To take it for one
// of version 0 would be to count as delivered what it does not understand.
func otherVersion(spoken string) *HubError {
	if spoken == "" {
		return nil
	}
	for v := range strings.SplitSeq(spoken, ",") {
		if strings.TrimSpace(v) == strconv.Itoa(wire.Version) {
			return &HubError{
				Err:  fmt.Errorf("speaks versions %.40q, and did not choose %s, which was offered", spoken, wire.Subprotocol),
				Hint: "a proxy before the hub takes the header Sec-WebSocket-Protocol away: let it pass",
			}
		}
	}
	return &HubError{
		Err:  fmt.Errorf("speaks versions %.40q, this agent speaks 0 and %d", spoken, wire.Version),
		Hint: "the hub is newer than this agent: upgrade memwatchd; records wait in the spool until then",
	}
}

func dialTCP(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	c, err := d.DialContext(ctx, network, addr)
	if tcp, ok := c.(*net.TCPConn); ok && err == nil {
		_ = tcp.SetWriteBuffer(socketBuffer)
	}
	return c, err
}

func (u *Uplink) tlsConfig() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if u.cfg.CAFile != "" {
		pem, err := os.ReadFile(u.cfg.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read CA: %w", err)
		}
		if c.RootCAs, err = x509.SystemCertPool(); err != nil {
			c.RootCAs = x509.NewCertPool()
		}
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("CA file %s holds no PEM certificate", u.cfg.CAFile)
		}
	}
	if u.cfg.CertFile != "" {
		cert, err := tls.LoadX509KeyPair(u.cfg.CertFile, u.cfg.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("client certificate: %w", err)
		}
		c.Certificates = []tls.Certificate{cert}
	}
	return c, nil
}

// explain turns a failed connect into one clear message.
func explain(url string, resp *http.Response, err error) *HubError {
	if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
		return &HubError{
			URL: url, Err: fmt.Errorf("answered HTTP %s", resp.Status), Hint: statusHint(resp.StatusCode),
			RetryAfter: parseRetryAfter(resp.Header.Get("Retry-After"), time.Now()),
		}
	}
	cause := err
	for errors.Unwrap(cause) != nil && !isLeaf(cause) {
		cause = errors.Unwrap(cause)
	}
	return &HubError{URL: url, Err: cause, Hint: causeHint(err)}
}

// isLeaf stops the unwrapping where the text is best.
func isLeaf(err error) bool {
	switch err.(type) { //nolint:errorlint // this very link of the chain is asked about
	case *net.OpError, *net.DNSError, *tls.CertificateVerificationError:
		return true
	}
	return false
}

func statusHint(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "if the hub speaks TLS on this port, use wss:// in place of ws://; else this is no memwatch-hub"
	case http.StatusUnauthorized:
		return "the hub does not know this token: make one with `memwatch-hub token create` and put it into the token file"
	case http.StatusForbidden:
		return "this token may not send readings, or a proxy forbids it: make one with `memwatch-hub token create`"
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return "the hub is busy or starting: nothing to do, it is tried again when the hub asks for it"
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		return "a proxy answers, but the hub behind it does not: is memwatch-hub running?"
	}
	return "this is no memwatch-hub, or a proxy before it does not pass WebSocket upgrades: check dashboardUrl"
}

func causeHint(err error) string {
	var (
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		invalid  x509.CertificateInvalidError
		record   tls.RecordHeaderError
		dns      *net.DNSError
	)
	switch {
	case errors.As(err, &unknown):
		return "the hub's certificate is signed by an authority this machine does not trust: set caFile to its certificate"
	case errors.As(err, &hostname):
		return "the hub's certificate is for another name: use the name it is for in dashboardUrl"
	case errors.As(err, &invalid):
		return "the hub's certificate is not valid now: renew it, or check this machine's clock"
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return "the hub speaks no TLS on this port: use ws:// in place of wss://"
	case strings.Contains(err.Error(), "remote error: tls"): // an alert, whose type is not exported
		return "the hub refused the TLS connection: does it want a client certificate (certFile, keyFile)?"
	case errors.As(err, &dns):
		return "the host's name is not known here: check dashboardUrl and the DNS"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: start memwatch-hub, or check host and port in dashboardUrl"
	case errors.Is(err, context.DeadlineExceeded), os.IsTimeout(err):
		return "no answer: a firewall, a wrong address, or a machine that is down"
	}
	return "is this a memwatch-hub, and is it ws:// or wss://? Check dashboardUrl"
}

// parseRetryAfter reads seconds or a date; 0 when there is neither.
func parseRetryAfter(v string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(strings.TrimSpace(v)); err == nil && n > 0 {
		return time.Duration(min(n, int(maxRetryAfter/time.Second))) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil && t.After(now) {
		return t.Sub(now)
	}
	return 0
}
