package scraper

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/zupee/memwatch"
)

// Errors of what is no expvar, or not all of it.
var (
	errNoVars     = errors.New("no JSON as package expvar serves it")
	errNoMemStats = errors.New("JSON without memstats: want what package expvar serves")
)

// memStats are the signals by the field of runtime.MemStats that they come of.
var memStats = func() map[string]memwatch.Signal {
	m := map[string]memwatch.Signal{}
	for sig := range memwatch.SignalCount {
		if name := sig.Info().MemStats; name != "" {
			m[name] = sig
		}
	}
	return m
}()

// readVars fills a sample from expvar's JSON by the signal table. A field that
// is no number is left out, and told. It returns the command line, as JSON, that
// expvar publishes; nil if it does not.
//
// The document is read at each interval, and nine tenths of it are lists of
// pauses and size classes: they are passed over, not decoded.
func readVars(body []byte, s *memwatch.Sample) (cmdline []byte, err error) {
	var stats []byte
	rest, ok := members(body, func(key, value []byte) {
		switch string(key) {
		case "memstats":
			stats = value
		case "cmdline":
			cmdline = value
		}
	})
	if !ok || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errNoVars
	}
	if len(stats) == 0 || stats[0] != '{' {
		return cmdline, errNoMemStats
	}
	members(stats, func(key, value []byte) {
		sig, known := memStats[string(key)]
		if !known || string(value) == "null" {
			return
		}
		if v, ok := number(value); ok {
			s.Set(sig, v*sig.Info().Scale)
		} else if err == nil {
			err = fmt.Errorf("memstats.%s: want a number, found %s", key, value[:min(len(value), 40)])
		}
	})
	return cmdline, err
}

// number reads a JSON number.
func number(text []byte) (v float64, ok bool) {
	if len(text) == 0 || len(bytes.Trim(text, "0123456789+-.eE")) > 0 {
		return 0, false
	}
	v, err := strconv.ParseFloat(string(text), 64)
	return v, err == nil
}

// members gives each member of a JSON object to use, its key and value as they
// are written, and returns what follows the object; false when it is none. What
// is nested is not looked into, save for where it ends.
func members(b []byte, use func(key, value []byte)) (rest []byte, ok bool) {
	if b, ok = cut(b, '{'); !ok {
		return nil, false
	}
	if rest, ok = cut(b, '}'); ok {
		return rest, true
	}
	for {
		var key, value []byte
		if key, b = element(b); len(key) < 2 || key[0] != '"' {
			return nil, false
		}
		if b, ok = cut(b, ':'); !ok {
			return nil, false
		}
		if value, b = element(b); len(value) == 0 {
			return nil, false
		}
		use(key[1:len(key)-1], value)
		if rest, ok = cut(b, '}'); ok {
			return rest, true
		}
		if b, ok = cut(b, ','); !ok {
			return nil, false
		}
	}
}

// cut takes a character off, and the white space before it.
func cut(b []byte, c byte) (rest []byte, ok bool) {
	b = bytes.TrimLeft(b, " \t\r\n")
	if len(b) == 0 || b[0] != c {
		return b, false
	}
	return b[1:], true
}

// element takes one value off, whatever it is; nothing when there is no whole one.
func element(b []byte) (value, rest []byte) {
	b = bytes.TrimLeft(b, " \t\r\n")
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
			if i >= len(b) {
				return nil, nil
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return b[:i], b[i:]
			}
			depth--
		case ',', ':', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return b[:i], b[i:]
			}
			continue
		default:
			continue
		}
		if depth == 0 {
			return b[:i+1], b[i+1:]
		}
	}
	return nil, nil
}

// argsOf decodes the command line that expvar publishes; nil if it does not.
func argsOf(cmdline []byte) (args []string) {
	if json.Unmarshal(cmdline, &args) != nil {
		return nil
	}
	return args
}
