package ws_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/zupee/memwatch/internal/ws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second

// pair gives both ends of one connection; serve runs on the server's end.
func pair(t *testing.T, accept ws.AcceptOptions, dial ws.DialOptions, serve func(*ws.Conn)) *ws.Conn {
	t.Helper()
	if accept.MaxFrameBytes == 0 {
		accept.MaxFrameBytes = 1 << 16
	}
	if dial.MaxFrameBytes == 0 {
		dial.MaxFrameBytes = 1 << 16
	}
	done := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(done)
		c, err := ws.Accept(w, r, accept)
		if err != nil {
			t.Errorf("accept: %v", err)
			return
		}
		defer c.CloseNow()
		serve(c)
	}))
	dial.HTTPClient = srv.Client()
	c, _, err := ws.Dial(t.Context(), srv.URL, dial)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.CloseNow()
		<-done
		srv.Close()
	})
	return c
}

func echo(c *ws.Conn) {
	for {
		kind, b, err := c.Read(context.Background())
		if err != nil {
			return
		}
		if c.Write(context.Background(), kind, b, patience) != nil {
			return
		}
	}
}

func TestTextAndBinaryFramesComeBackAsTheyWere(t *testing.T) {
	c := pair(t, ws.AcceptOptions{Subprotocols: []string{"b", "a"}}, ws.DialOptions{Subprotocols: []string{"a"}}, echo)
	if c.Subprotocol() != "a" {
		t.Errorf("subprotocol %q, want a", c.Subprotocol())
	}
	for kind, text := range map[ws.Kind]string{ws.Text: "wörter", ws.Binary: "\x00\xff"} {
		if err := c.Write(t.Context(), kind, []byte(text), patience); err != nil {
			t.Fatal(err)
		}
		k, b, err := c.Read(t.Context())
		if err != nil || k != kind || string(b) != text {
			t.Errorf("sent %d %q, got %d %q, %v", kind, text, k, b, err)
		}
	}
}

func TestACloseByTheOtherSideIsErrClosedWithItsReason(t *testing.T) {
	c := pair(t, ws.AcceptOptions{}, ws.DialOptions{}, func(c *ws.Conn) {
		c.Close(ws.CloseTryAgainLater, "the disk is full")
	})
	_, _, err := c.Read(t.Context())
	if !errors.Is(err, ws.ErrClosed) || !strings.Contains(err.Error(), "1013 the disk is full") {
		t.Errorf("read after the other side closed: %v", err)
	}
	if err := c.Write(t.Context(), ws.Text, []byte("x"), patience); err == nil {
		t.Error("a write after the close said nothing")
	}
}

func TestOwnCloseReachesTheOtherSideAndWritesFailAfterIt(t *testing.T) {
	got := make(chan error, 1)
	c := pair(t, ws.AcceptOptions{}, ws.DialOptions{}, func(c *ws.Conn) {
		_, _, err := c.Read(context.Background())
		got <- err
	})
	if err := c.Close(ws.CloseNormal, "bye"); err != nil {
		t.Errorf("close: %v", err)
	}
	if err := <-got; !errors.Is(err, ws.ErrClosed) {
		t.Errorf("the other side saw %v, want ErrClosed", err)
	}
	if err := c.Write(t.Context(), ws.Text, []byte("x"), patience); err == nil {
		t.Error("a write after the close said nothing")
	}
}

func TestAnEndWithoutAWordIsAnErrorButNotAClose(t *testing.T) {
	c := pair(t, ws.AcceptOptions{}, ws.DialOptions{}, func(c *ws.Conn) { c.CloseNow() })
	if _, _, err := c.Read(t.Context()); err == nil || errors.Is(err, ws.ErrClosed) {
		t.Errorf("read of a torn connection: %v", err)
	}
}

func TestAFrameOverTheLimitEndsTheConnectionOnly(t *testing.T) {
	got := make(chan error, 1)
	c := pair(t, ws.AcceptOptions{MaxFrameBytes: 100}, ws.DialOptions{}, func(c *ws.Conn) {
		_, _, err := c.Read(context.Background())
		got <- err
	})
	if err := c.Write(t.Context(), ws.Text, make([]byte, 101), patience); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err == nil {
		t.Error("a frame of 101 bytes passed a limit of 100")
	}
	if _, _, err := c.Read(t.Context()); err == nil || !strings.Contains(err.Error(), "1009") {
		t.Errorf("the sender was told %v, want close 1009 (too big)", err)
	}
}

func TestPingIsAnsweredWhileTheOtherSideReads(t *testing.T) {
	c := pair(t, ws.AcceptOptions{}, ws.DialOptions{}, echo)
	ctx, stop := context.WithCancel(t.Context())
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		c.Read(ctx)
	}()
	if err := c.Ping(t.Context(), patience); err != nil {
		t.Error(err)
	}
	stop()
	<-reading
}

func TestARefusedUpgradeGivesTheAnswer(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		http.Error(w, "too many", http.StatusTooManyRequests)
	}))
	defer srv.Close()
	_, resp, err := ws.Dial(t.Context(), srv.URL, ws.DialOptions{HTTPClient: srv.Client()})
	if err == nil || resp == nil || resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") != "7" {
		t.Errorf("answer %v, error %v", resp, err)
	}
}

func TestAForeignOriginIsRefused(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := ws.Accept(w, r, ws.AcceptOptions{}); err == nil {
			c.CloseNow()
			t.Error("an upgrade from another site was accepted")
		}
	}))
	defer srv.Close()
	_, resp, err := ws.Dial(t.Context(), srv.URL, ws.DialOptions{
		HTTPClient: srv.Client(), Header: http.Header{"Origin": {"http://evil.example"}},
	})
	if err == nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("answer %v, error %v, want 403", resp, err)
	}
}
