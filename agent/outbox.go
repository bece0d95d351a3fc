package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/spool"
	"github.com/zupee/memwatch/wire"
)

// outbox writes messages into the spool. A nil one swallows them: there is no hub.
type outbox struct {
	put func(spool.Record) error
}

// reading sends one reading; verdict may be nil.
func (o *outbox) reading(t memwatch.Target, s *memwatch.Sample, v *memwatch.Verdict) error {
	if o == nil {
		return nil
	}
	return o.send(spool.Reading, wire.NewMetrics("", t, s, v), "")
}

// trouble sends why there is no reading.
func (o *outbox) trouble(t memwatch.Target, at memwatch.UnixMilli, e *Trouble) error {
	if o == nil {
		return nil
	}
	m := wire.NewMetrics("", t, nil, nil)
	m.Timestamp = at
	m.ScrapeError = &wire.ScrapeError{Endpoint: plain(e.Endpoint), Reason: e.Reason, Message: plain(e.Message)}
	return o.send(spool.Reading, m, "")
}

// capture sends evidence; file holds the profile.
func (o *outbox) capture(c *memwatch.Capture, file string) error {
	if o == nil {
		return nil
	}
	return o.send(spool.Evidence, &wire.Snapshot{
		Type: wire.TypeSnapshot, V: wire.Version, ID: c.ID, Service: c.Service, Instance: c.Instance,
		Filename: c.Filename, Timestamp: c.Time, Capture: c,
	}, file)
}

func (o *outbox) send(class spool.Class, m any, file string) error {
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	err = o.put(spool.Record{Class: class, Body: body, File: file})
	if errors.Is(err, spool.ErrInMemory) {
		return nil // queued all the same; the spool has said so
	}
	return err
}

// maxTextBytes is what the hub takes of a text, with room for a last rune.
const maxTextBytes = 2000

// plain is text as a message may carry it: one line of bounded length.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) <= maxTextBytes {
		return s
	}
	end := maxTextBytes
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}
