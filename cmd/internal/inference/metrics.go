package inference

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"fovea/device"
	"fovea/nn/infer"
)

// metrics are what /metrics tells, in a registry of their own: servers in one process do not mix.
type metrics struct {
	handler  http.Handler
	inFlight gauge

	requests                *prometheus.CounterVec
	seconds                 prometheus.Histogram // of POST /predict
	samples, padding        prometheus.Counter
	batches                 *prometheus.CounterVec
	batchSize, batchSeconds prometheus.Histogram
	waited                  prometheus.Histogram
}

// gauge is one whose value can be read here too.
type gauge struct{ n atomic.Int64 }

func (g *gauge) Inc()         { g.n.Add(1) }
func (g *gauge) Dec()         { g.n.Add(-1) }
func (g *gauge) count() int64 { return g.n.Load() }

// Upper bounds of histograms: from a millisecond to half a minute, and powers of two.
var (
	timeBounds = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	sizeBounds = prometheus.ExponentialBuckets(1, 2, 9)
)

func newMetrics(queue func() (waiting, reserved int), memory func() []device.Stats) *metrics {
	m := &metrics{
		requests:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "fovea_http_requests_total", Help: "Requests answered, by path and status (499: the client left)."}, []string{"path", "code"}),
		seconds:      histogram("fovea_predict_seconds", "Time from a /predict request's header to its answer, answered with 200.", timeBounds),
		samples:      prometheus.NewCounter(prometheus.CounterOpts{Name: "fovea_samples_total", Help: "Pictures and samples computed."}),
		padding:      prometheus.NewCounter(prometheus.CounterOpts{Name: "fovea_padding_total", Help: "Samples computed beside, to fill batches up."}),
		batches:      prometheus.NewCounterVec(prometheus.CounterOpts{Name: "fovea_batches_total", Help: "Batches computed, by result."}, []string{"result"}),
		batchSize:    histogram("fovea_batch_size", "Samples in a batch.", sizeBounds),
		batchSeconds: histogram("fovea_batch_seconds", "Time to compute a batch.", timeBounds),
		waited:       histogram("fovea_queue_seconds", "Time that the oldest sample of a batch waited for it.", timeBounds),
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(m.requests, m.seconds, m.samples, m.padding, m.batches, m.batchSize, m.batchSeconds, m.waited,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, g := range []struct {
		name, help string
		value      func() float64
	}{
		{"fovea_http_requests_in_flight", "Requests being answered.", func() float64 { return float64(m.inFlight.count()) }},
		{"fovea_queue_length", "Samples that wait to be computed.", func() float64 { n, _ := queue(); return float64(n) }},
		{"fovea_samples_in_flight", "Samples that are prepared, wait or are computed; --queue bounds them.", func() float64 { _, n := queue(); return float64(n) }},
		{"fovea_device_bytes", "Memory that the device holds, or all replicas' devices.", func() float64 { return total(memory(), func(s device.Stats) int64 { return s.SystemBytes }) }},
		{"fovea_device_live_bytes", "Memory of the tensors on the device, or on all replicas' devices.", func() float64 { return total(memory(), func(s device.Stats) int64 { return s.LiveBytes }) }},
	} {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: g.name, Help: g.help}, g.value))
	}
	m.handler = promhttp.HandlerFor(registry, promhttp.HandlerOpts{DisableCompression: true})
	return m
}

func histogram(name, help string, bounds []float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: bounds})
}

// total sums over the replicas' devices.
func total(memory []device.Stats, bytes func(device.Stats) int64) (sum float64) {
	for _, s := range memory {
		sum += float64(bytes(s))
	}
	return sum
}

// request counts one that was answered.
func (m *metrics) request(path string, code int, took time.Duration) {
	m.requests.WithLabelValues(path, strconv.Itoa(code)).Inc()
	if path == "/predict" && code == http.StatusOK {
		m.seconds.Observe(took.Seconds())
	}
}

// batch counts one that was computed.
func (m *metrics) batch(r infer.Report) {
	result := "good"
	if r.Err != nil {
		result = "failed"
	}
	m.batches.WithLabelValues(result).Inc()
	m.samples.Add(float64(r.Samples))
	m.padding.Add(float64(r.Size - r.Samples))
	m.batchSize.Observe(float64(r.Samples))
	m.batchSeconds.Observe(r.Took.Seconds())
	m.waited.Observe(r.Waited.Seconds())
}

func (s *Server) measured(w http.ResponseWriter, r *http.Request) error {
	s.metrics.handler.ServeHTTP(w, r)
	return nil
}
