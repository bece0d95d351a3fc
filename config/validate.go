package config

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/zupee/memwatch/scraper"
)

// validate checks what the shape does not show. Each message names the key,
// the value and what is allowed.
func (l *loader) validate() {
	c := &l.cfg
	l.check("checkInterval", c.CheckInterval >= 100*time.Millisecond && c.CheckInterval <= time.Hour, "found %v: want 100ms to 1h", c.CheckInterval)
	threshold := c.LeakThresholdMB > 0 && c.LeakThresholdMB <= 1<<20
	l.check("leakThresholdMB", threshold, "found %v: want more than 0, at most 1048576", c.LeakThresholdMB)
	l.check("profileShare", c.ProfileShare > 0 && c.ProfileShare <= 1, "found %v: want more than 0, at most 1 (a whole core)", c.ProfileShare)
	l.check("historySize", c.HistorySize >= 10 && c.HistorySize <= 10_000, "found %d: want 10 to 10000", c.HistorySize)
	l.check("snapshotPath", c.SnapshotPath != "" || !c.EnableHeapSnapshots, "is empty: want a folder, or enableHeapSnapshots: false")
	l.check("grace", c.Grace >= 0 && c.Grace <= 5*time.Minute, "found %v: want 0s to 5m", c.Grace)
	l.word("log.level", c.Log.Level, "debug", "info", "warn", "error")
	l.word("log.format", c.Log.Format, "text", "json")
	if c.Listen != "" {
		_, port, err := net.SplitHostPort(c.Listen)
		_, bad := strconv.ParseUint(port, 10, 16)
		l.check("listen", err == nil && bad == nil, "found %q: want host:port such as 127.0.0.1:4001, a port from 0 to 65535, or empty for none", c.Listen)
	}
	a := c.Agent()
	if threshold {
		l.room("detector", a.Detector.Validate())
	}
	if c.EnableHeapSnapshots {
		l.room("capture", a.Capture.Validate())
	}
	if len(a.Uplink.URLs) > 0 && l.hub(c.DashboardURL) {
		l.room("spool", c.Spool.Validate())
		l.room("uplink", a.Uplink.Validate())
	}
	l.targets()
	l.discovery()
}

func (l *loader) discovery() {
	for i, d := range l.cfg.Agent().Discover {
		path, like := fmt.Sprintf("discovery[%d]", i), l.cfg.Discovery[i].Like
		l.check(path, like.URL == "" && like.Instance == "", "url or instance is set: those are found; scheme and path say the rest")
		if err := d.Find.Validate(); err != nil {
			l.room(path, err)
			continue
		}
		if err := d.Like.Scrape.Validate(); err != nil {
			l.room(path, err)
		}
	}
}

func (l *loader) hub(address string) bool {
	if address == "" {
		return true
	}
	u, err := url.Parse(address)
	ok := err == nil && u.Host != "" && slices.Contains([]string{"ws", "wss", "http", "https"}, u.Scheme)
	l.check("dashboardUrl", ok, "found %q: want ws://host:port or wss://host:port, or empty to work without a hub", address)
	if ok && u.User != nil {
		ok = false
		l.check("dashboardUrl", ok, "found %q: a secret in a URL ends in logs: put the token in a file, uplink.tokenFile", u.Redacted())
	}
	return ok
}

// What the hub takes of names.
const (
	maxName   = 200
	maxLabels = 64
)

func isName(s string) bool {
	return s != "" && utf8.RuneCountInString(s) <= maxName && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

func (l *loader) targets() {
	if len(l.cfg.Targets) == 0 && len(l.cfg.Discovery) == 0 { // else targetUrl is of no use
		if _, err := scraper.ParseURL(l.cfg.TargetURL); err != nil {
			l.check("targetUrl", false, "found %s", strings.TrimPrefix(err.Error(), "target URL "))
			return
		}
	}
	named := map[string]string{}
	for i, t := range l.cfg.Agent().Targets {
		path := fmt.Sprintf("targets[%d]", i)
		if err := t.Scrape.Validate(); err != nil {
			l.room(path, err)
			continue
		}
		for _, w := range [][2]string{{"service", t.Service}, {"instance", t.Instance}} {
			l.check(path, isName(w[1]), "%s %q: want 1 to %d characters, none of them control characters", w[0], w[1], maxName)
		}
		l.check(path, len(t.Labels) <= maxLabels, "%d labels: want at most %d", len(t.Labels), maxLabels)
		for k, v := range t.Labels {
			l.check(path, isName(k) && (v == "" || isName(v)), "label %q with %q: want at most %d characters each, none of them control characters", k, v, maxName)
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

// room adds what a room says of its part. Where its message begins with a key,
// as "timeout is 1ms" and "urls: empty" do, that is the key.
func (l *loader) room(path string, err error) {
	if err == nil {
		return
	}
	text := strings.TrimPrefix(err.Error(), path+".")
	key, rest, _ := strings.Cut(text, " ")
	key, colon := strings.CutSuffix(key, ":")
	if !colon && !strings.HasPrefix(rest, "is ") && !strings.HasPrefix(rest, "has ") {
		key, rest = "", text
	}
	if what, ok := strings.CutPrefix(text, "target URL "); ok {
		key, rest = "url", "found "+what
	}
	e := &Error{Source: l.source, Key: path, Message: text, Line: l.lines[path]}
	if line, ok := l.lines[join(path, key)]; key != "" && (ok || colon || key == "url") {
		e.Key, e.Message, e.Line = join(path, key), rest, max(line, e.Line)
	}
	l.errs = append(l.errs, e)
}
