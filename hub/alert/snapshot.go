package alert

import (
	"slices"
	"time"

	"github.com/zupee/memwatch"
)

// Capture takes a saved capture: the alerts of its leak name it from now on,
// and evidence (anything but a baseline or an upload) makes a snapshot alert, which is
// resolved as soon as it is told. The same capture again changes nothing.
func (e *Engine) Capture(c memwatch.Capture) []Event {
	if c.Role == memwatch.RoleUpload || !e.seen.add(c.ID) {
		return nil
	}
	in := e.instance(c.Service, c.Instance)
	in.remember(c)
	var events []Event
	if c.Role != memwatch.RoleBaseline {
		events = append(events, snapshot(c))
	}
	for _, o := range in.service.open {
		if o.alert.Type == memwatch.AlertLeak && o.members[in.name] != nil && o.attach(c) {
			events = append(events, e.tell(o, c.Time.Time(), false, true)...)
		}
	}
	return events
}

// Snapshot takes the word of an agent of version 0 that it saved a file, whose
// bytes stay with it.
func (e *Engine) Snapshot(service, instance, filename string, at time.Time) []Event {
	c := memwatch.Capture{
		ID:      digest("snapshot", service, instance, filename, at.UTC().Format(time.RFC3339Nano)),
		Service: service, Instance: instance, Kind: memwatch.HeapProfile, Time: memwatch.Milli(at), Filename: filename,
	}
	if !e.seen.add(c.ID) {
		return nil
	}
	ev := snapshot(c)
	ev.Alert.Profiles = []string{} // there is nothing to fetch
	return []Event{ev}
}

func snapshot(c memwatch.Capture) Event {
	print := digest("snapshot", c.Service, c.Instance, c.ID)
	return Event{New: true, Alert: memwatch.Alert{
		ID: alertID(c.Time.Time(), print), Type: memwatch.AlertSnapshot, State: memwatch.AlertResolved, Fingerprint: print,
		Service: c.Service, Instances: []string{c.Instance}, Severity: memwatch.SeverityInfo, Message: snapshotMessage(c),
		Time: c.Time, UpdatedAt: c.Time, ResolvedAt: c.Time, Filename: c.Filename, Profiles: []string{c.ID},
	}}
}

// maxRemembered is how many captures an instance brings along into an alert.
const maxRemembered = 8

// remember keeps what a leak that is yet to be told should name.
func (in *instance) remember(c memwatch.Capture) {
	if c.Role == memwatch.RoleBaseline {
		in.captures = slices.DeleteFunc(in.captures, func(old memwatch.Capture) bool { return old.Kind == c.Kind })
	}
	if len(in.captures) == maxRemembered {
		in.captures = slices.Delete(in.captures, 0, 1)
	}
	in.captures = append(in.captures, c)
}

// attach names a capture, after the one it is to be compared with.
func (o *open) attach(c memwatch.Capture) (added bool) {
	for _, id := range []string{c.BaseID, c.ID} {
		if id != "" && len(o.alert.Profiles) < maxProfiles && !slices.Contains(o.alert.Profiles, id) {
			o.alert.Profiles = append(o.alert.Profiles, id)
			added = true
		}
	}
	return added
}

// maxRecent is how many captures are told from resends.
const maxRecent = 4096

// recent is a set of the newest maxRecent words.
type recent struct {
	set  map[string]struct{}
	ring []string
	next int
}

func newRecent() recent { return recent{set: map[string]struct{}{}} }

// add reports whether the word is new.
func (r *recent) add(word string) bool {
	if _, ok := r.set[word]; ok {
		return false
	}
	r.set[word] = struct{}{}
	if len(r.ring) < maxRecent {
		r.ring = append(r.ring, word)
		return true
	}
	delete(r.set, r.ring[r.next])
	r.ring[r.next] = word
	r.next = (r.next + 1) % maxRecent
	return true
}
