package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/zupee/memwatch/internal/ws"
	"github.com/zupee/memwatch/wire"
)

// ServeHTTP serves one browser until it leaves, fails, falls behind or the feed closes.
func (f *Feed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	hello, ok := f.enter(placeOf(r.URL.Query()))
	if !ok {
		f.metrics.refused.Inc()
		w.Header().Set("Retry-After", "5")
		http.Error(w, "too many live connections, or the hub is stopping: try again", http.StatusServiceUnavailable)
		return
	}
	defer f.leave()
	conn, err := ws.Accept(w, r, ws.AcceptOptions{OriginPatterns: f.cfg.Origins, MaxFrameBytes: maxClientFrameBytes})
	if err != nil {
		f.metrics.closed.WithLabelValues("handshake").Inc()
		f.logger.Debug("browser refused", "remote", r.RemoteAddr, "error", err)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer f.track(cancel)()
	c := &client{feed: f, conn: conn, hello: hello, cursor: hello.Seq}
	f.metrics.closed.WithLabelValues(c.serve(ctx)).Inc()
}

// placeOf reads where a browser wants to go on; what cannot be read is no place.
func placeOf(q url.Values) place {
	seq, err := strconv.ParseUint(q.Get("since"), 10, 64)
	if err != nil {
		return place{}
	}
	return place{epoch: q.Get("epoch"), seq: seq}
}

// goodbye is why a browser's connection ends; without a code there is nobody to tell.
type goodbye struct {
	label  string
	code   int
	reason string
}

var (
	byeGone     = goodbye{label: "gone"}
	byeBehind   = goodbye{"behind", ws.CloseTryAgainLater, "too far behind: connect again and start from the present state"}
	byeStopping = goodbye{"stopping", ws.CloseGoingAway, "the hub is stopping"}
)

type client struct {
	feed   *Feed
	conn   *ws.Conn
	hello  wire.Hello
	cursor uint64
	// watch is what it wants readings of; nil for all.
	watch atomic.Pointer[map[string]bool]
}

// serve writes until something ends the connection, while listen reads, and
// returns what ended it.
func (c *client) serve(ctx context.Context) string {
	left := make(chan goodbye, 1)
	go func() { left <- c.listen(ctx) }()
	g, listening := c.write(ctx, left)
	if g.code == 0 {
		_ = c.conn.CloseNow()
	} else {
		_ = c.conn.Close(g.code, g.reason)
	}
	if listening {
		<-left // reading a closed connection ends
	}
	return g.label
}

// write sends the hello and then, no more often than once a window, what is new.
func (c *client) write(ctx context.Context, left <-chan goodbye) (g goodbye, listening bool) {
	hello, err := json.Marshal(c.hello)
	if err != nil || c.conn.Write(ctx, ws.Text, hello, writeTimeout) != nil {
		return byeGone, true
	}
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	window := time.NewTimer(0)
	defer window.Stop()
	var events []*event
	var frame []byte
	for {
		select { // one frame a window
		case <-window.C:
		case g := <-left:
			return g, false
		case <-c.feed.stop:
			return byeStopping, true
		}
		var ok bool
		var more <-chan struct{}
		before := c.cursor
		events, c.cursor, ok, more = c.feed.take(before, c.wants, events[:0])
		if !ok {
			return byeBehind, true
		}
		if len(events) > 0 {
			frame = appendFrame(frame[:0], events)
			clear(events)
			if err := c.conn.Write(ctx, ws.Text, frame, writeTimeout); err != nil {
				return byeGone, true
			}
			c.feed.metrics.frames.Inc()
			if cap(frame) > 64<<10 {
				frame = nil
			}
		}
		if c.cursor == before { // nothing new: wait for it
			select {
			case <-more:
			case <-ping.C:
				if c.conn.Ping(ctx, writeTimeout) != nil {
					return byeGone, true
				}
			case g := <-left:
				return g, false
			case <-c.feed.stop:
				return byeStopping, true
			}
			window.Reset(0)
			continue
		}
		window.Reset(c.feed.window())
	}
}

// appendFrame writes one event as it is and several as an array.
func appendFrame(dst []byte, events []*event) []byte {
	if len(events) == 1 {
		return append(dst, events[0].json...)
	}
	for i, e := range events {
		dst = append(dst, "[,"[min(i, 1)])
		dst = append(dst, e.json...)
	}
	return append(dst, ']')
}

func (c *client) wants(e *event) bool {
	watch := c.watch.Load()
	return watch == nil || !e.reading() || (*watch)[e.key.service]
}

// listen takes the browser's watch messages until the connection ends.
func (c *client) listen(ctx context.Context) goodbye {
	for {
		kind, frame, err := c.conn.Read(ctx)
		if err != nil {
			return byeGone
		}
		watch, err := parseWatch(kind, frame)
		if err != nil {
			return goodbye{"malformed", ws.ClosePolicyViolation, err.Error()}
		}
		c.watch.Store(watch)
	}
}

// parseWatch returns the set of services, nil for all.
func parseWatch(kind ws.Kind, frame []byte) (*map[string]bool, error) {
	var m wire.Watch
	if kind != ws.Text {
		return nil, errors.New("want watch as a text frame")
	}
	if err := json.Unmarshal(frame, &m); err != nil {
		return nil, errors.New("want a watch message in JSON")
	}
	if m.Type != wire.TypeWatch {
		return nil, fmt.Errorf("type %.20q: want watch", m.Type)
	}
	if len(m.Services) > maxWatch {
		return nil, fmt.Errorf("%d services to watch: want at most %d, or \"*\"", len(m.Services), maxWatch)
	}
	set := make(map[string]bool, len(m.Services))
	for _, s := range m.Services {
		if s == "*" {
			return nil, nil //nolint:nilnil // no set means all
		}
		set[s] = true
	}
	return &set, nil
}
