package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/internal/flatjson"
)

// Version is the newest version of the messages from agent to hub.
const Version = 1

// Subprotocol is offered by agents of version 1 and chosen by hubs that speak it.
const Subprotocol = "memwatch.v1"

// VersionsHeader is a header of the hub's answer to an upgrade: the versions it
// speaks, as Versions is written. A hub without it is the original dashboard, or
// older than the header.
const VersionsHeader = "Memwatch-Versions"

// Versions are those that this code's hub speaks.
const Versions = "0, 1"

// MaxFrameBytes is the largest frame that a hub reads from an agent; it closes a
// connection that sends a larger one.
const MaxFrameBytes = 1 << 20

// MB is what the original's fields with the ending MB count in.
const MB = 1 << 20

// Type tells messages apart.
type Type string

// The types of messages between agent and hub.
const (
	TypeRegistration Type = "registration"
	TypeMetrics      Type = "metrics"
	TypeSnapshot     Type = "snapshot"
	TypeBatch        Type = "batch"
	TypeAck          Type = "ack"
	TypeError        Type = "error"
	TypeWant         Type = "want"
)

// Registration announces a target. An agent sends one for each target after
// every connect.
type Registration struct {
	Type      Type               `json:"type"`
	V         int                `json:"v,omitempty"`
	ID        string             `json:"id,omitempty"`
	Service   string             `json:"service"`
	Instance  string             `json:"instance,omitempty"`
	Labels    map[string]string  `json:"labels,omitempty"`
	Agent     string             `json:"agent,omitempty"` // version of memwatchd
	Timestamp memwatch.UnixMilli `json:"timestamp"`
}

// Metrics is one reading of one target. Version 0 fills the flat fields alone;
// in version 1 they are derived from Sample.
type Metrics struct {
	Type             Type               `json:"type"`
	V                int                `json:"v,omitempty"`
	ID               string             `json:"id,omitempty"`
	Service          string             `json:"service"`
	Instance         string             `json:"instance,omitempty"`
	HeapUsedMB       float64            `json:"heapUsedMB"`
	HeapTotalMB      float64            `json:"heapTotalMB"`
	RSSMB            float64            `json:"rssMB"`
	ExternalMB       float64            `json:"externalMB"`
	EventLoopDelayMs float64            `json:"eventLoopDelayMs"`
	LeakDetected     bool               `json:"leakDetected"`
	MemoryGrowthMB   float64            `json:"memoryGrowthMB"`
	Timestamp        memwatch.UnixMilli `json:"timestamp"`

	// Sample is the whole reading; nil in version 0 and when the scrape failed.
	Sample *memwatch.Sample `json:"sample,omitempty"`
	// Verdict is sent when it changed; nil means as before.
	Verdict *memwatch.Verdict `json:"verdict,omitempty"`
	// ScrapeError says why there is no sample; nil when there is one.
	ScrapeError *ScrapeError `json:"scrapeError,omitempty"`
}

// ScrapeError says why a target could not be read.
type ScrapeError struct {
	Endpoint string `json:"endpoint"`
	// Reason is one short fixed word: refused, timeout, status, html, …
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// NewMetrics fills a version-1 message, the original's flat fields included.
func NewMetrics(id string, target memwatch.Target, sample *memwatch.Sample, verdict *memwatch.Verdict) *Metrics {
	m := &Metrics{
		Type: TypeMetrics, V: Version, ID: id,
		Service: target.Service, Instance: target.Instance,
		Sample: sample, Verdict: verdict,
	}
	if sample != nil {
		m.Timestamp = memwatch.Milli(sample.Time)
		m.HeapUsedMB = sample.Or(memwatch.HeapAllocBytes, 0) / MB
		m.HeapTotalMB = sample.Or(memwatch.HeapSysBytes, 0) / MB
		m.RSSMB = sample.Or(memwatch.RSSBytes, 0) / MB
		m.ExternalMB = sample.Or(memwatch.ExternalBytes, 0) / MB
		m.EventLoopDelayMs = sample.Or(memwatch.LatencySeconds, 0) * 1000
	}
	if verdict != nil {
		m.LeakDetected = verdict.State == memwatch.Leaking
		m.MemoryGrowthMB = verdict.GrowthBytes / MB
	}
	return m
}

// Reading is the message's sample; for version 0 it is made from the flat fields,
// of which zero ones count as absent (the original agent sends every field).
func (m *Metrics) Reading() memwatch.Sample {
	if m.Sample != nil {
		return *m.Sample
	}
	s := memwatch.Sample{Time: m.Timestamp.Time()}
	for _, f := range []struct {
		sig   memwatch.Signal
		value float64
	}{
		{memwatch.HeapAllocBytes, m.HeapUsedMB * MB},
		{memwatch.HeapSysBytes, m.HeapTotalMB * MB},
		{memwatch.RSSBytes, m.RSSMB * MB},
		{memwatch.ExternalBytes, m.ExternalMB * MB},
		{memwatch.LatencySeconds, m.EventLoopDelayMs / 1000},
	} {
		if f.value > 0 {
			s.Set(f.sig, f.value)
		}
	}
	return s
}

// Snapshot announces a saved profile. Version 0 names a file on the agent's
// machine and no bytes follow; version 1 carries the capture, whose id, size
// and sha256 tell the hub whether it has the bytes already.
type Snapshot struct {
	Type      Type               `json:"type"`
	V         int                `json:"v,omitempty"`
	ID        string             `json:"id,omitempty"`
	Service   string             `json:"service"`
	Instance  string             `json:"instance,omitempty"`
	Filename  string             `json:"filename"`
	Filepath  string             `json:"filepath,omitempty"`
	Timestamp memwatch.UnixMilli `json:"timestamp"`
	Capture   *memwatch.Capture  `json:"capture,omitempty"`
}

// Batch packs several metrics messages under one id and one ack.
type Batch struct {
	Type     Type      `json:"type"`
	V        int       `json:"v"`
	ID       string    `json:"id"`
	Messages []Metrics `json:"messages"`
}

// Ack says that the message with this id is durable at the hub.
type Ack struct {
	Type Type   `json:"type"`
	ID   string `json:"id"`
}

// Error answers a message that was refused.
type Error struct {
	Type Type   `json:"type"`
	ID   string `json:"id,omitempty"`
	// Code is one short fixed word: malformed, too_large, unknown_type, invalid, unavailable, …
	Code    string `json:"code"`
	Message string `json:"message"`
	// RetryAfterMs above zero asks for the same message again, that much later.
	RetryAfterMs int64 `json:"retryAfterMs,omitempty"`
}

// Want asks for a snapshot's bytes from an offset.
type Want struct {
	Type   Type   `json:"type"`
	ID     string `json:"id"`
	Offset int64  `json:"offset"`
}

// Chunk is the head of a binary frame: the bytes of the snapshot message ID
// from Offset. After the head comes one newline, then the bytes.
type Chunk struct {
	ID     string `json:"id"`
	Offset int64  `json:"offset"`
}

// ChunkBytes is the most that one chunk carries; small enough that readings
// pass between the chunks of a large profile on a slow link.
const ChunkBytes = 256 << 10

// AppendChunk appends a binary frame to dst.
func AppendChunk(dst []byte, head Chunk, data []byte) ([]byte, error) {
	b, err := json.Marshal(head)
	if err != nil {
		return dst, fmt.Errorf("chunk of %s: %w", head.ID, err)
	}
	return append(append(append(dst, b...), '\n'), data...), nil
}

// ParseChunk splits a binary frame; data is a part of frame, not a copy.
func ParseChunk(frame []byte) (head Chunk, data []byte, err error) {
	line, data, found := bytes.Cut(frame, []byte{'\n'})
	if !found || len(line) > 1024 {
		return head, nil, errors.New("binary frame: want a JSON head of at most 1,024 bytes and a newline before the data")
	}
	if err := json.Unmarshal(line, &head); err != nil {
		return head, nil, fmt.Errorf("binary frame: head: %w", err)
	}
	if head.ID == "" || head.Offset < 0 {
		return head, nil, errors.New("binary frame: head: want an id and an offset of 0 or more")
	}
	return head, data, nil
}

// nameOf takes the first name of an object.
func nameOf(r *flatjson.Reader) (name []byte, ok bool) {
	if !r.Next('{') {
		return nil, false
	}
	name, ok = r.String()
	return name, ok && r.Next(':')
}

// TypeOf reads a text frame's type without decoding the rest into a message.
func TypeOf(frame []byte) (Type, error) {
	// Our own encoders write it first.
	r := flatjson.New(frame)
	if name, _ := nameOf(&r); string(name) == "type" {
		if t, ok := r.String(); ok && (r.Next(',') || r.Next('}')) {
			return Type(t), nil
		}
	}
	var head struct {
		Type *Type `json:"type"`
	}
	if err := json.Unmarshal(frame, &head); err != nil {
		return "", fmt.Errorf("message: %w", err)
	}
	if head.Type == nil {
		return "", errors.New("message: no type: want registration, metrics, snapshot or batch")
	}
	return *head.Type, nil
}
