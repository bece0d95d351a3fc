package config

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
)

// validate checks what the shape does not show. Each message names the key,
// the value and what is allowed.
func (l *loader) validate() {
	c := &l.cfg
	l.check("checkInterval", c.CheckInterval >= 100*time.Millisecond && c.CheckInterval <= time.Hour, "found %v: want 100ms to 1h", c.CheckInterval)
	l.check("leakThresholdMB", c.LeakThresholdMB > 0 && c.LeakThresholdMB <= 1<<20, "found %v: want more than 0, at most 1048576", c.LeakThresholdMB)
	l.check("historySize", c.HistorySize >= 10 && c.HistorySize <= 100_000, "found %d: want 10 to 100000", c.HistorySize)
	l.check("snapshotPath", c.SnapshotPath != "" || !c.EnableHeapSnapshots, "is empty: want a folder, or enableHeapSnapshots: false")
	l.check("grace", c.Grace >= 0 && c.Grace <= 5*time.Minute, "found %v: want 0s to 5m", c.Grace)
	l.word("log.level", c.Log.Level, "debug", "info", "warn", "error")
	l.word("log.format", c.Log.Format, "text", "json")
	l.hub(c.DashboardURL)
	if c.Listen != "" {
		_, port, err := net.SplitHostPort(c.Listen)
		l.check("listen", err == nil && port != "", "found %q: want host:port such as 127.0.0.1:4001, or empty for none", c.Listen)
	}
	a := c.Agent()
	l.room("detector", a.Detector.Validate())
	if c.EnableHeapSnapshots {
		l.room("capture", a.Capture.Validate())
	}
	if len(a.Uplink.URLs) > 0 {
		l.room("spool", c.Spool.Validate())
		l.room("uplink", a.Uplink.Validate())
	}
	l.targets()
}

func (l *loader) hub(address string) {
	if address == "" {
		return
	}
	u, err := url.Parse(address)
	ok := err == nil && u.Host != "" && slices.Contains([]string{"ws", "wss", "http", "https"}, u.Scheme)
	l.check("dashboardUrl", ok, "found %q: want ws://host:port or wss://host:port, or empty to work without a hub", address)
}

func (l *loader) targets() {
	named := map[string]string{}
	for i, t := range l.cfg.Agent().Targets {
		path := fmt.Sprintf("targets[%d]", i)
		if err := t.Scrape.Validate(); err != nil {
			l.room(path, err)
			continue
		}
		name := t.Service + "\x00" + t.Instance
		if first, twice := named[name]; twice {
			l.check(path, false, "service %q with instance %q is %s already: give each its own instance", t.Service, t.Instance, first)
		}
		named[name] = path
	}
}

func (l *loader) word(key, value string, allowed ...string) {
	l.check(key, slices.Contains(allowed, value), "found %q: want %s", value, strings.Join(allowed, ", "))
}

// check adds a message unless ok.
func (l *loader) check(key string, ok bool, format string, args ...any) {
	if ok {
		return
	}
	e := &Error{Source: l.source, Key: key, Message: fmt.Sprintf(format, args...)}
	if e.Line = l.lines[key]; l.said[key] != "" {
		e.Source, e.Line = l.said[key], 0
	}
	l.errs = append(l.errs, e)
}

// room adds what a room says of its part: its message begins with the key.
func (l *loader) room(path string, err error) {
	if err == nil {
		return
	}
	text := strings.TrimPrefix(err.Error(), path+".")
	key, _, _ := strings.Cut(strings.ReplaceAll(text, ":", " "), " ")
	e := &Error{Source: l.source, Message: text, Key: path, Line: l.lines[path]}
	if line, ok := l.lines[join(path, key)]; ok {
		e.Line = line
		e.Key, e.Message = join(path, key), strings.TrimLeft(strings.TrimPrefix(text, key), ": ")
	}
	l.errs = append(l.errs, e)
}
