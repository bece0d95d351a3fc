package uplink

import (
	"testing"
	"time"
)

func TestRingTakesTurnsAndBacksOff(t *testing.T) {
	now := time.Unix(1e9, 0)
	r := newRing([]string{"a", "b"}, 10*time.Second)
	r.jitter = func(d time.Duration) time.Duration { return d } // the longest it may be
	expect := func(url string, wait time.Duration) {
		t.Helper()
		if u, w := r.next(now); u != url || w != wait {
			t.Fatalf("next is %s after %s, want %s after %s", u, w, url, wait)
		}
	}
	expect("a", 0)
	for _, seconds := range []int{1, 2, 4, 8, 10, 10} { // a round each
		r.failed("a", false, 0, now)
		expect("b", 0)
		r.failed("b", false, 0, now)
		expect("a", time.Duration(seconds)*time.Second)
	}
	for range 3 {
		r.failed("a", true, 0, now) // it worked for a while: begin anew
		expect("b", time.Second)
		r.failed("b", true, 0, now)
		expect("a", time.Second)
	}
	for range 1000 {
		r.failed("a", false, 0, now)
	}
	if _, wait := r.next(now); wait > 10*time.Second {
		t.Errorf("waits %s after many failures", wait)
	}
}

func TestRingHonoursRetryAfter(t *testing.T) {
	now := time.Unix(1e9, 0)
	r := newRing([]string{"a", "b"}, 10*time.Second)
	r.jitter = func(time.Duration) time.Duration { return 0 }
	r.failed("a", false, time.Minute, now)
	for range 5 { // a is let alone as long as there is another one
		if url, wait := r.next(now); url != "b" || wait != 0 {
			t.Fatalf("next is %s after %s", url, wait)
		}
		r.failed("b", false, 0, now)
	}
	r.failed("b", false, 2*time.Minute, now)
	if url, wait := r.next(now); url != "a" || wait != time.Minute {
		t.Errorf("next is %s after %s, want a after 1m", url, wait)
	}
	r.failed("a", false, 100*time.Hour, now)
	r.failed("b", false, 100*time.Hour, now)
	if _, wait := r.next(now); wait != maxRetryAfter {
		t.Errorf("a hub may ask for %s, want at most %s", wait, maxRetryAfter)
	}
}

func TestFullJitterUsesTheWholeRange(t *testing.T) {
	r := newRing([]string{"a"}, time.Hour)
	r.failures = 8
	low, high := time.Hour, time.Duration(0)
	for range 2000 {
		_, wait := r.next(time.Now())
		low, high = min(low, wait), max(high, wait)
	}
	if top := minBackoff << 7; low > top/20 || high < top*19/20 || high > top {
		t.Errorf("waits from %s to %s, want 0 to %s", low, high, top)
	}
}

func TestParseRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for v, want := range map[string]time.Duration{
		"": 0, "0": 0, "-3": 0, "soon": 0, "7": 7 * time.Second, "999999999999": maxRetryAfter,
		"Fri, 02 Jan 2026 03:04:35 GMT": 30 * time.Second, "Fri, 02 Jan 2026 03:04:00 GMT": 0,
	} {
		if got := parseRetryAfter(v, now); got != want {
			t.Errorf("%q: %s, want %s", v, got, want)
		}
	}
}

func TestValidate(t *testing.T) {
	change := func(f func(*Config)) Config { c := DefaultConfig(); f(&c); return c }
	for want, c := range map[string]Config{
		"uplink.urls: empty: want one hub or more, as ws://localhost:4000":                                            change(func(c *Config) { c.URLs = nil }),
		`uplink.urls: "localhost:4000": want a URL that begins with ws:// or wss://, as ws://localhost:4000`:          change(func(c *Config) { c.URLs = []string{"localhost:4000"} }),
		`uplink.urls: "ws:///x" has no host`:                                                                          change(func(c *Config) { c.URLs = []string{"ws:///x"} }),
		`uplink.urls: "wss://u:xxxxx@hub": a secret in a URL ends in logs: put the token in a file, uplink.tokenFile`: change(func(c *Config) { c.URLs = []string{"wss://u:secret@hub"} }),
		"uplink.certFile: it goes with uplink.keyFile: want both or neither":                                          change(func(c *Config) { c.KeyFile = "k" }),
		"uplink.batchReadings: 0 is not allowed: want 1 to 10000":                                                     change(func(c *Config) { c.BatchReadings = 0 }),
		"uplink.batchDelay: 0s is not allowed: want 1ms to 1m":                                                        change(func(c *Config) { c.BatchDelay = 0 }),
		"uplink.batchDelay: 2m0s is not allowed: want 1ms to 1m":                                                      change(func(c *Config) { c.BatchDelay = 2 * time.Minute }),
		"uplink.window: 65 is not allowed: want 1 to 64":                                                              change(func(c *Config) { c.Window = 65 }),
		"uplink.maxBackoff: 1ms is not allowed: want 1s to 1h":                                                        change(func(c *Config) { c.MaxBackoff = time.Millisecond }),
		"uplink.pingInterval: 0s is not allowed: want 1s to 1h":                                                       change(func(c *Config) { c.PingInterval = 0 }),
	} {
		if err := c.Validate(); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
}
