package wire

import (
	"encoding/json"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/internal/flatjson"
)

// UnmarshalBatch reads a batch as json.Unmarshal does. What agents write takes a
// tenth of the time.
func UnmarshalBatch(frame []byte, b *Batch) error {
	r := flatjson.New(frame)
	d := decoder{Reader: &r}
	if d.Object(func(name []byte) bool { return d.batch(name, b) }) && d.End() {
		return nil
	}
	*b = Batch{}
	return json.Unmarshal(frame, b)
}

// UnmarshalMetrics reads one reading as json.Unmarshal does.
func UnmarshalMetrics(frame []byte, m *Metrics) error {
	r := flatjson.New(frame)
	d := decoder{Reader: &r}
	if d.metrics(m) && d.End() {
		return nil
	}
	*m = Metrics{}
	return json.Unmarshal(frame, m)
}

// decoder reads messages of the plain form; false means another form.
type decoder struct{ *flatjson.Reader }

func (d decoder) batch(name []byte, b *Batch) bool {
	switch string(name) {
	case "type":
		return d.kind(&b.Type)
	case "v":
		return d.integer(&b.V)
	case "id":
		return d.text(&b.ID)
	case "messages":
		if b.Messages != nil { // encoding/json would read the second into the first
			return false
		}
		b.Messages = []Metrics{}
		return d.Array(func() bool {
			b.Messages = append(b.Messages, Metrics{})
			return d.metrics(&b.Messages[len(b.Messages)-1])
		})
	}
	return false
}

func (d decoder) metrics(m *Metrics) bool {
	return d.Object(func(name []byte) bool {
		switch string(name) {
		case "type":
			return d.kind(&m.Type)
		case "v":
			return d.integer(&m.V)
		case "id":
			return d.text(&m.ID)
		case "service":
			return d.text(&m.Service)
		case "instance":
			return d.text(&m.Instance)
		case "heapUsedMB":
			return d.number(&m.HeapUsedMB)
		case "heapTotalMB":
			return d.number(&m.HeapTotalMB)
		case "rssMB":
			return d.number(&m.RSSMB)
		case "externalMB":
			return d.number(&m.ExternalMB)
		case "eventLoopDelayMs":
			return d.number(&m.EventLoopDelayMs)
		case "memoryGrowthMB":
			return d.number(&m.MemoryGrowthMB)
		case "leakDetected":
			v, ok := d.Bool()
			m.LeakDetected = v
			return ok
		case "timestamp":
			var ms float64
			if !d.number(&ms) {
				return false
			}
			var ok bool
			m.Timestamp, ok = memwatch.MilliOf(ms)
			return ok
		case "sample":
			value, ok := d.Value()
			if m.Sample == nil {
				m.Sample = &memwatch.Sample{}
			}
			return ok && m.Sample.UnmarshalJSON(value) == nil
		case "verdict":
			value, ok := d.Value()
			return ok && json.Unmarshal(value, &m.Verdict) == nil
		case "scrapeError":
			value, ok := d.Value()
			return ok && json.Unmarshal(value, &m.ScrapeError) == nil
		}
		return false
	})
}

func (d decoder) number(v *float64) (ok bool) {
	*v, ok = d.Number()
	return ok
}

func (d decoder) integer(v *int) bool {
	n, ok := d.Number()
	*v = int(n)
	return ok && float64(*v) == n
}

func (d decoder) text(s *string) bool {
	b, ok := d.String()
	*s = string(b)
	return ok
}

// kind keeps one string for each type.
func (d decoder) kind(t *Type) bool {
	b, ok := d.String()
	for _, known := range []Type{TypeMetrics, TypeBatch} {
		if string(b) == string(known) {
			*t = known
			return ok
		}
	}
	*t = Type(b)
	return ok
}
