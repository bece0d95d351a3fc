// Package ws is the one place that knows the WebSocket library. The rest of the
// house sees text and binary frames, a bounded read, and a close with a reason,
// so that moving to another library is a change of this file alone.
package ws

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"nhooyr.io/websocket" // Asked for; frozen upstream, its successor is API-compatible: docs/adr/0004.
)

// Kind tells text frames from binary ones.
type Kind int

// The kinds of frame.
const (
	Text Kind = iota + 1
	Binary
)

// Close codes in use, by RFC 6455 §7.4.1.
const (
	CloseNormal          = int(websocket.StatusNormalClosure)
	CloseGoingAway       = int(websocket.StatusGoingAway)
	ClosePolicyViolation = int(websocket.StatusPolicyViolation)
	CloseTryAgainLater   = int(websocket.StatusTryAgainLater)
)

// ErrClosed is wrapped by errors of a connection that the other side closed.
var ErrClosed = errors.New("websocket closed by the other side")

// ErrTooLarge is wrapped by the error of a Read whose frame was above
// MaxFrameBytes; the connection is closed then.
var ErrTooLarge = errors.New("frame too large")

// Conn is one connection. Reads come from one goroutine at a time; Write, Ping
// and Close may be called from any.
type Conn struct {
	c *websocket.Conn
}

// DialOptions are for Dial.
type DialOptions struct {
	HTTPClient   *http.Client
	Header       http.Header
	Subprotocols []string
	// MaxFrameBytes bounds what Read accepts.
	MaxFrameBytes int64
}

// Dial opens a connection to a ws, wss, http or https URL. On a refusal the
// response is returned too, with its status and headers; its body is closed.
func Dial(ctx context.Context, url string, o DialOptions) (*Conn, *http.Response, error) {
	c, resp, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		HTTPClient: o.HTTPClient, HTTPHeader: o.Header, Subprotocols: o.Subprotocols,
	})
	if resp != nil && resp.Body != nil {
		defer func() { _ = resp.Body.Close() }()
	}
	if err != nil {
		return nil, resp, fmt.Errorf("connect %s: %w", url, err)
	}
	c.SetReadLimit(o.MaxFrameBytes)
	return &Conn{c}, resp, nil
}

// AcceptOptions are for Accept.
type AcceptOptions struct {
	Subprotocols []string
	// OriginPatterns are hosts that browsers may connect from besides the
	// request's own; see path.Match.
	OriginPatterns []string
	MaxFrameBytes  int64
}

// Accept upgrades a request. On an error it has answered the request.
func Accept(w http.ResponseWriter, r *http.Request, o AcceptOptions) (*Conn, error) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols: o.Subprotocols, OriginPatterns: o.OriginPatterns,
	})
	if err != nil {
		return nil, fmt.Errorf("accept websocket: %w", err)
	}
	c.SetReadLimit(o.MaxFrameBytes)
	return &Conn{c}, nil
}

// Subprotocol is the one both sides agreed on, "" if none.
func (c *Conn) Subprotocol() string { return c.c.Subprotocol() }

// Read returns the next frame. When ctx ends while it waits, the connection is
// closed: a connection is read until it ends, never polled.
func (c *Conn) Read(ctx context.Context) (Kind, []byte, error) {
	t, b, err := c.c.Read(ctx)
	if err != nil {
		if code := websocket.CloseStatus(err); code != -1 {
			return 0, nil, fmt.Errorf("%w: %s", ErrClosed, closeText(err))
		}
		if strings.Contains(err.Error(), "read limited at") { // the library has no sentinel for it
			return 0, nil, fmt.Errorf("%w: %w", ErrTooLarge, err)
		}
		return 0, nil, fmt.Errorf("read frame: %w", err)
	}
	if t == websocket.MessageBinary {
		return Binary, b, nil
	}
	return Text, b, nil
}

func closeText(err error) string {
	var ce websocket.CloseError
	if errors.As(err, &ce) && ce.Reason != "" {
		return fmt.Sprintf("%d %s", ce.Code, ce.Reason)
	}
	return fmt.Sprint(int(websocket.CloseStatus(err)))
}

// Write sends one frame within timeout; a connection that cannot take it in
// time is broken afterwards.
func (c *Conn) Write(ctx context.Context, kind Kind, b []byte, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	t := websocket.MessageText
	if kind == Binary {
		t = websocket.MessageBinary
	}
	if err := c.c.Write(ctx, t, b); err != nil {
		return fmt.Errorf("write frame of %d bytes: %w", len(b), err)
	}
	return nil
}

// Ping waits for the other side's pong; a Read must be under way.
func (c *Conn) Ping(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := c.c.Ping(ctx); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	return nil
}

// Close says goodbye with a code and a reason (at most 123 bytes) and waits a
// few seconds for the other side to do the same.
func (c *Conn) Close(code int, reason string) error {
	return c.c.Close(websocket.StatusCode(code), reason)
}

// CloseNow ends the connection without a word.
func (c *Conn) CloseNow() error { return c.c.CloseNow() }
