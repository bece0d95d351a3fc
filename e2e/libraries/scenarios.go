package main

import (
	"net/http"
	"strings"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/sdk/metric"
)

// page is what the shop answers; it costs some garbage.
func page(w http.ResponseWriter, r *http.Request) {
	for range 20 {
		_, _ = w.Write([]byte(strings.Repeat(r.Header.Get("X-User"), 50)))
	}
}

// otelhttpMethods is CVE-2023-45142: until v0.44.0 each method that a client
// made up became a set of attributes, kept for ever.
func otelhttpMethods() (http.Handler, error) {
	provider := metric.NewMeterProvider(metric.WithReader(metric.NewManualReader()))
	return otelhttp.NewHandler(http.HandlerFunc(page), "shop", otelhttp.WithMeterProvider(provider)), nil
}

// prometheusUsers counts requests by user: a label value is a time series, and
// none is ever forgotten.
func prometheusUsers() (http.Handler, error) {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "requests_total", Help: "Requests by user."}, []string{"user"})
	if err := prometheus.Register(requests); err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.WithLabelValues(r.Header.Get("X-User")).Inc()
		page(w, r)
	}), nil
}

// lruFills is healthy: a bounded cache of pages that takes a while to fill.
func lruFills() (http.Handler, error) {
	cache, err := lru.New[string, []byte](8000)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page(w, r)
		cache.Add(r.Header.Get("X-User"), make([]byte, 2048))
	}), nil
}
