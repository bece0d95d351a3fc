package scraper

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"
)

// Reason is one short fixed word for why a scrape failed, fit for a metric label.
type Reason string

// The reasons.
const (
	Refused     Reason = "refused"
	Timeout     Reason = "timeout"
	Unreachable Reason = "unreachable"
	TLSFailed   Reason = "tls"
	Status      Reason = "status"
	Denied      Reason = "denied"
	HTML        Reason = "html"
	TooLarge    Reason = "too_large"
	Redirect    Reason = "redirect"
	Corrupt     Reason = "corrupt"
	Cut         Reason = "cut"
	NoEndpoint  Reason = "no_endpoint"
	Local       Reason = "local"
)

// ErrUnsupported is wrapped when a target does not serve what was asked for
// (404, or 400 for a profile it does not know): there is no use in asking
// again soon.
var ErrUnsupported = errors.New("not served by this target")

// Error is a scrape that failed.
type Error struct {
	// Target is the URL as configured; Endpoint the path that was read.
	Target, Endpoint string
	Reason           Reason
	// Err says what was found and what was wanted.
	Err error
	// Hint says what to do, "" where nothing is known.
	Hint string
}

func (e *Error) Error() string {
	s := fmt.Sprintf("read %s of %s: %v", e.Endpoint, e.Target, e.Err)
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// fail makes an Error of this endpoint.
func (c *client) fail(path string, reason Reason, err error, hint string) *Error {
	return &Error{Target: c.target, Endpoint: path, Reason: reason, Err: err, Hint: hint}
}

// failTransport sorts out what the network said.
func (c *client) failTransport(path string, err error) error {
	var (
		own     *Error
		netErr  net.Error
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		cert    *tls.CertificateVerificationError
		record  tls.RecordHeaderError
		dns     *net.DNSError
	)
	switch {
	case errors.As(err, &own):
		return own
	case errors.Is(err, syscall.ECONNREFUSED):
		return c.fail(path, Refused, errors.New("connection refused"), "is the service running, and is this its port?")
	case errors.As(err, &unknown), errors.As(err, &name), errors.As(err, &cert):
		return c.fail(path, TLSFailed, err, "set tls.caFile or tls.serverName")
	case errors.As(err, &record):
		return c.fail(path, TLSFailed, err, "the target speaks plain HTTP: use http://")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		return c.fail(path, Timeout, fmt.Errorf("no whole answer within %v", c.cfg.Timeout), "raise timeout if the target is only slow")
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &dns):
		return c.fail(path, Unreachable, fmt.Errorf("host %s is not known", dns.Name), "check the URL")
	}
	return c.fail(path, Unreachable, err, "")
}

// failStatus sorts out an answer that is not 200.
func (c *client) failStatus(path string, status int) error {
	found := fmt.Errorf("found status %d %s", status, http.StatusText(status))
	switch status {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusBadRequest, http.StatusNotImplemented:
		return c.fail(path, Status, fmt.Errorf("%w: %w", ErrUnsupported, found), "")
	case http.StatusUnauthorized, http.StatusForbidden:
		return c.fail(path, Denied, found, "set bearerTokenFile, or username and passwordFile")
	}
	return c.fail(path, Status, found, "")
}
