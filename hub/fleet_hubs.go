package hub

import (
	"slices"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/wire"
)

// Which of the hubs that share a database has connections that speak for an
// instance. A hub alone is the only one.

// hold notes that a hub has connections that speak for the targets.
func (f *fleet) hold(hub int64, targets ...memwatch.Target) (updates []wire.ServiceUpdate) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range targets {
		s, i := f.get(name{t.Service, t.Instance})
		i.heldBy(hub)
		i.heard = f.now()
		if i.status == wire.Disconnected {
			updates = append(updates, s.turn(i, wire.Connected, "")...)
		}
	}
	return updates
}

func (i *instance) heldBy(hub int64) {
	if !slices.Contains(i.holders, hub) {
		i.holders = append(i.holders, hub)
	}
}

// release notes that a hub no longer has such connections.
func (f *fleet) release(hub int64, targets []memwatch.Target) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range targets {
		_, i := f.get(name{t.Service, t.Instance})
		f.let(i, hub)
	}
}

// let takes a hub from those that hold an instance.
func (f *fleet) let(i *instance, hub int64) {
	at := slices.Index(i.holders, hub)
	if at < 0 {
		return
	}
	if i.holders = slices.Delete(i.holders, at, at+1); len(i.holders) == 0 {
		i.left = f.now()
	}
}

// drop notes that a hub is gone, and with it all its connections.
func (f *fleet) drop(hub int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.services {
		for _, i := range s.instances {
			f.let(i, hub)
		}
	}
}

// held are the targets that connections to this hub speak for.
func (f *fleet) held() (targets []memwatch.Target) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	for _, s := range f.services {
		for _, i := range s.instances {
			if i.conns > 0 {
				targets = append(targets, memwatch.Target{Service: s.name, Instance: i.name})
			}
		}
	}
	return targets
}

// unheld are those of the targets that none speaks for.
func (f *fleet) unheld(targets []memwatch.Target) []memwatch.Target {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return slices.DeleteFunc(targets, func(t memwatch.Target) bool {
		s := f.services[t.Service]
		return s != nil && s.instances[t.Instance] != nil && s.instances[t.Instance].conns > 0
	})
}

// statuses are those of all instances.
func (f *fleet) statuses() []wire.ServiceUpdate {
	f.mu.RLock()
	defer f.mu.RUnlock()
	var out []wire.ServiceUpdate
	for _, s := range f.services {
		for _, i := range s.instances {
			out = append(out, wire.ServiceUpdate{Service: s.name, Instance: i.name, Status: i.status, Reason: i.reason})
		}
	}
	return out
}

// deaf notes that this hub could hear nobody until now.
func (f *fleet) deaf() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listening = f.now()
}
