package scraper

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/scraper/pprof"
)

// Profile is one profile of the target.
type Profile struct {
	// Raw is as served, or pprof where the target serves text.
	Raw   []byte
	Sites *memwatch.Sites
	// Took is how long the target needed, as seen from here.
	Took    time.Duration
	decoder *pprof.Decoder // whose memory the sites lie in
}

// decoders are shared between targets, as their buffers are. Two are kept: a
// profile is decoded while the sites of the one before are still looked at.
var decoders = make(chan *pprof.Decoder, 2)

func borrow() *pprof.Decoder {
	select {
	case d := <-decoders:
		return d
	default:
		return new(pprof.Decoder)
	}
}

func giveBack(d *pprof.Decoder) {
	select {
	case decoders <- d:
	default:
	}
}

// Release gives the memory of the frames and stacks to the next profile that is
// read: they are there no more. A profile that is not released costs that much
// more memory until the collector has it.
func (p *Profile) Release() {
	if p.decoder == nil {
		return
	}
	p.Sites.Frames, p.Sites.Sites = nil, nil
	giveBack(p.decoder)
	p.decoder = nil
}

// Profile reads a profile of the given kind. ErrUnsupported is wrapped when the
// target does not serve it.
func (s *Scraper) Profile(ctx context.Context, kind memwatch.ProfileKind) (*Profile, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.profile(ctx, kind)
}

func (s *Scraper) profile(ctx context.Context, kind memwatch.ProfileKind) (*Profile, error) {
	path := map[memwatch.ProfileKind]string{
		memwatch.HeapProfile:          s.endpoints.Heap,
		memwatch.GoroutineProfile:     s.endpoints.Goroutine,
		memwatch.GoroutineLeakProfile: s.endpoints.GoroutineLeak,
	}[kind]
	if path == Off || path == "" {
		return nil, s.client.fail(string(kind)+" profile", NoEndpoint, ErrUnsupported, "set endpoints."+string(kind))
	}
	p, err := s.profileAt(ctx, kind, path)
	if kind == memwatch.HeapProfile && s.otherHeap != "" && errors.Is(err, ErrUnsupported) {
		if other, e := s.profileAt(ctx, kind, s.otherHeap); e == nil {
			p, err, s.endpoints.Heap = other, nil, s.otherHeap
		}
	}
	if err == nil && kind == memwatch.HeapProfile {
		s.inuse, s.otherHeap = liveBytes(p.Sites), ""
	}
	return p, err
}

func (s *Scraper) profileAt(ctx context.Context, kind memwatch.ProfileKind, path string) (*Profile, error) {
	var p *Profile
	at := time.Now()
	err := s.client.fetch(ctx, path, func(body []byte, took time.Duration) error {
		if isHTML(body) {
			return s.client.fail(path, HTML, errors.New("found a web page, want a pprof profile"), "")
		}
		var err error
		if p, err = decode(body, kind, at); err != nil {
			reason := Corrupt
			if errors.Is(err, pprof.ErrTooLarge) {
				reason = TooLarge
			}
			return s.client.fail(path, reason, err, "")
		}
		p.Took = took
		return nil
	})
	return p, err
}

// decoding is done for one target at a time: a small answer may unpack to much.
var decoding sync.Mutex

// decode makes a profile of an answer: pprof to keep, and the sites.
func decode(body []byte, kind memwatch.ProfileKind, at time.Time) (*Profile, error) {
	decoding.Lock()
	defer decoding.Unlock()
	raw, err := pprof.Convert(body)
	if err != nil {
		return nil, fmt.Errorf("decode %s profile: %w", kind, err)
	}
	d := borrow()
	sites, err := d.Decode(raw, kind, at)
	if err != nil {
		giveBack(d)
		return nil, err
	}
	return &Profile{Raw: bytes.Clone(raw), Sites: sites, decoder: d}, nil
}

func liveBytes(sites *memwatch.Sites) float64 {
	sum := 0.0
	for i := range sites.Sites {
		sum += float64(sites.Sites[i].LiveBytes)
	}
	return sum
}
