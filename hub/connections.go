package hub

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// bounded listens for as many connections as are allowed at once; those beyond
// are told so and closed, so that they take neither memory nor a file for long.
func (h *hub) bounded(l net.Listener) net.Listener {
	refused := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "memwatch_hub_refused_connections_total", Help: "Connections refused because there were too many (maxConnections).",
	})
	h.registry.MustRegister(refused)
	return &boundedListener{Listener: l, most: int64(h.cfg.MaxConnections), plain: h.cfg.TLS.Cert == "", refused: refused}
}

type boundedListener struct {
	net.Listener
	most    int64
	plain   bool // without TLS, so that words can be said
	open    atomic.Int64
	refused prometheus.Counter
}

const tooManyConnections = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 46\r\n\r\n" +
	"too many connections to this hub: try again   "

// Accept implements net.Listener.
func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= l.most {
			return &countedConn{Conn: conn, open: &l.open}, nil
		}
		l.open.Add(-1)
		l.refused.Inc()
		if l.plain {
			_ = conn.SetWriteDeadline(time.Now().Add(time.Second)) // a new connection has room for these few bytes
			_, _ = conn.Write([]byte(tooManyConnections))
		}
		_ = conn.Close()
	}
}

type countedConn struct {
	net.Conn
	open *atomic.Int64
	once sync.Once
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}
