package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/zupee/memwatch"
	"github.com/zupee/memwatch/hub/api"
)

// witness is a target that numbers its readings: the bytes it says to have
// allocated are the number. So it can be said of each reading that was taken
// whether the hub has it, and how often.
type witness struct {
	name, url string

	mu     sync.Mutex
	served int
	// excused are readings that nobody promised to keep: taken in the moment
	// that the agent was killed, or held by a hub that was set back.
	excused map[int]bool
}

func newWitness(t *testing.T, name string) *witness {
	w := &witness{name: name, excused: map[int]bool{}}
	s := httptest.NewServer(w)
	t.Cleanup(s.Close)
	w.url = s.URL
	return w
}

func (w *witness) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/debug/vars" {
		http.NotFound(out, r)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.served++
	fmt.Fprintf(out, `{"memstats":{"TotalAlloc":%d,"NumGC":%d,"HeapAlloc":10000000,"NextGC":20000000,"HeapSys":30000000,"Sys":40000000}}`, w.served, w.served)
}

func (w *witness) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.served
}

// excuse takes the readings from first on, to the newest, for nobody's loss.
func (w *witness) excuse(first int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for n := max(first, 1); n <= w.served; n++ {
		w.excused[n] = true
	}
}

func (w *witness) isExcused(n int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.excused[n]
}

// held is how often the hub has each reading between two times.
func (w *witness) held(hub string, from, to memwatch.UnixMilli) (map[int]int, error) {
	const most = 5000
	var got api.ServiceMetrics
	url := fmt.Sprintf("http://%s/api/services/%s/metrics?limit=%d&from=%d&to=%d", hub, w.name, most, from, to)
	if err := getJSON(url, &got); err != nil {
		return nil, err
	}
	if got.Total > len(got.Metrics) { // thinned out: ask for less at once
		middle := from + (to-from)/2
		early, err := w.held(hub, from, middle)
		if err != nil {
			return nil, err
		}
		late, err := w.held(hub, middle+1, to)
		for n, times := range late {
			early[n] += times
		}
		return early, err
	}
	held := make(map[int]int, len(got.Metrics))
	for i := range got.Metrics {
		if s := got.Metrics[i].Sample; s != nil {
			held[int(s.Or(memwatch.TotalAllocBytes, 0))]++
		}
	}
	return held, nil
}

// missing are the readings to upTo that the hub should have and has not.
func (w *witness) missing(held map[int]int, after, upTo int) (lost []int) {
	for n := after + 1; n <= upTo; n++ {
		if held[n] == 0 && !w.isExcused(n) {
			lost = append(lost, n)
		}
	}
	return lost
}
