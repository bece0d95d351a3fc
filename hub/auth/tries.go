package auth

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// triesAtOnce passwords may be tried at once from one address, and for one
	// name; after that one each triesEvery.
	triesAtOnce = 5
	triesEvery  = 10 * time.Second
	// maxTries bounds what is remembered; when it is full all wait together.
	maxTries = 10_000
)

// tries slows down those who guess passwords.
type tries struct {
	mu       sync.Mutex
	limiters map[string]*rate.Limiter
	rest     *rate.Limiter // for whoever finds no room
	swept    time.Time     // when those who need not wait were last forgotten
	now      func() time.Time
}

func newTries() *tries {
	return &tries{limiters: map[string]*rate.Limiter{}, rest: limiter(), now: time.Now}
}

func limiter() *rate.Limiter { return rate.NewLimiter(rate.Every(triesEvery), triesAtOnce) }

// wait books one try, from an address and for a name, and answers how long to
// wait before another when there have been too many.
func (t *tries) wait(remote, name string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	if len(t.limiters) >= maxTries && now.Sub(t.swept) >= triesEvery { // not at each try: it looks at all
		t.swept = now
		for k, l := range t.limiters {
			if l.TokensAt(now) >= triesAtOnce {
				delete(t.limiters, k)
			}
		}
	}
	var longest time.Duration
	for _, key := range []string{"from " + remote, "name " + name} {
		l := t.limiters[key]
		if l == nil && len(t.limiters) < maxTries {
			l = limiter()
			t.limiters[key] = l
		}
		if l == nil {
			l = t.rest
		}
		if !l.AllowN(now, 1) {
			missing := 1 - l.TokensAt(now)
			longest = max(longest, time.Duration(missing*float64(triesEvery)))
		}
	}
	return longest
}

// forget is called after a password was right.
func (t *tries) forget(remote, name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.limiters, "from "+remote)
	delete(t.limiters, "name "+name)
}
