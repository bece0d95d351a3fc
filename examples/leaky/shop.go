package main

import (
	"container/list"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// Load at intensity 1: about 20 MB of garbage a second over a live heap of some
// 10 MB, so that a GC runs about each second.
const (
	requestsPerSecond = 500
	catalogSize       = 4000
	priceCacheSize    = 2000
	workers           = 4
)

// shop is the healthy part: a catalogue read at start, a bounded price cache,
// and requests that leave nothing behind.
type shop struct {
	intensity float64
	catalog   []product
	prices    *priceCache
	leaks     *leaks
}

type product struct {
	ID          int      `json:"id"`
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Tags        []string `json:"tags"`
	Cents       int      `json:"cents"`
}

func newShop(intensity float64) *shop {
	return &shop{
		intensity: intensity,
		catalog:   loadCatalog(catalogSize),
		prices:    newPriceCache(priceCacheSize),
		leaks:     newLeaks(intensity),
	}
}

func loadCatalog(n int) []product {
	catalog := make([]product, n)
	for i := range catalog {
		catalog[i] = product{
			ID:          i,
			Name:        fmt.Sprintf("article %d", i),
			Description: fmt.Sprintf("%01024d", i),
			Tags:        []string{fmt.Sprintf("shelf-%d", i%40), fmt.Sprintf("brand-%d", i%90)},
			Cents:       199 + i*7%9000,
		}
	}
	return catalog
}

// run drives the shop's own requests until ctx ends; the leak begins after a while.
func (s *shop) run(ctx context.Context, leak string, after time.Duration) {
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() { s.customers(ctx) })
	}
	wg.Go(func() { s.leaks.run(ctx) })
	if leak != "none" {
		begin := time.NewTimer(after)
		defer begin.Stop()
		select {
		case <-begin.C:
			s.leaks.set(leak)
		case <-ctx.Done():
		}
	}
	wg.Wait()
	s.leaks.clear()
}

// customers is one worker's share of the requests, with the gaps of real arrivals.
func (s *shop) customers(ctx context.Context) {
	gap := time.Duration(float64(workers) * float64(time.Second) / (requestsPerSecond * s.intensity))
	timer := time.NewTimer(gap)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			s.checkout(rand.IntN(len(s.catalog)), 1+rand.IntN(20))
			timer.Reset(time.Duration(rand.ExpFloat64() * float64(gap)))
		}
	}
}

type basket struct {
	Items []product `json:"items"`
	Total int       `json:"total"`
}

// checkout does what a handler does: looks up, prices, encodes, decodes.
func (s *shop) checkout(first, items int) []byte {
	var b basket
	for i := range items {
		p := s.catalog[(first+i*31)%len(s.catalog)]
		p.Cents = s.prices.quote(p.ID, p.Cents)
		b.Items = append(b.Items, p)
		b.Total += p.Cents
	}
	receipt, err := json.Marshal(b)
	if err != nil {
		return nil // a basket can always be encoded
	}
	var check basket
	if json.Unmarshal(receipt, &check) != nil || check.Total != b.Total {
		return nil
	}
	return receipt
}

func (s *shop) serveCheckout(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(s.checkout(rand.IntN(len(s.catalog)), 5))
}

// priceCache is a bounded LRU: it fills, then forgets the oldest.
type priceCache struct {
	mu    sync.Mutex
	size  int
	order *list.List
	byID  map[int]*list.Element
}

type quotation struct {
	id, cents int
	terms     []byte
}

func newPriceCache(size int) *priceCache {
	return &priceCache{size: size, order: list.New(), byID: make(map[int]*list.Element, size)}
}

func (c *priceCache) quote(id, cents int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byID[id]; ok {
		c.order.MoveToFront(e)
		return e.Value.(*quotation).cents
	}
	if c.order.Len() >= c.size {
		oldest := c.order.Back()
		delete(c.byID, oldest.Value.(*quotation).id)
		c.order.Remove(oldest)
	}
	q := &quotation{id: id, cents: cents * 119 / 100, terms: make([]byte, 1024)}
	c.byID[id] = c.order.PushFront(q)
	return q.cents
}
