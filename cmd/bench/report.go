package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// stepLine is what was measured of a network's steps on a device, and a line of --json.
type stepLine struct {
	Model        string      `json:"model"`
	Device       string      `json:"device"`
	Work         string      `json:"work"`
	Batch        int         `json:"batch"`
	Threads      int         `json:"threads"`
	Precision    string      `json:"precision"`
	Steps        int         `json:"steps"`        // timed, in all
	ImagesPerS   float64     `json:"images_per_s"` // the best sample
	Median       float64     `json:"median_images_per_s"`
	GFLOPS       float64     `json:"gflops"` // of direct convolution, in the best sample
	PeakFraction float64     `json:"peak_fraction"`
	Heap         int64       `json:"heap_bytes_per_step"`
	RSS          float64     `json:"rss_mb"`               // the most at once in the timed steps
	Others       *float64    `json:"others_cpu,omitempty"` // processors that other programs kept busy meanwhile
	PeakGFLOPS   float64     `json:"peak_gflops"`
	PeakGBs      float64     `json:"peak_gb_per_s"`
	Peer         *comparison `json:"peer,omitempty"`
	Scaling      *scaling    `json:"scaling,omitempty"`

	flops, bytes float64 // of a step; bytes without fusing more than the device does
}

// layerLine is what was measured of one distinct layer on a device, and a line of --ops --json.
type layerLine struct {
	Layer             string         `json:"layer"`
	Pass              string         `json:"pass"`
	Models            map[string]int `json:"models"` // times a step of each makes it
	Device            string         `json:"device"`
	Batch             int            `json:"batch"`
	Threads           int            `json:"threads"`
	Precision         string         `json:"precision"`
	MS                float64        `json:"ms"` // the best sample
	Median            float64        `json:"median_ms"`
	GFLOPS            float64        `json:"gflops"`
	PeakFraction      float64        `json:"peak_fraction"`
	GBs               float64        `json:"gb_per_s"` // every operand read or written once
	BandwidthFraction float64        `json:"bandwidth_fraction"`

	flops, bytes float64
}

// report writes JSON lines as they come, or a table at the end.
type report struct {
	out    io.Writer
	json   bool
	steps  []*stepLine
	layers []*layerLine
	points []point
}

func (r *report) add(l *stepLine) error {
	r.steps = append(r.steps, l)
	r.points = append(r.points, point{l.Device, l.Model, l.flops / l.bytes, l.GFLOPS * 1e9})
	return r.line(l)
}

func (r *report) addLayer(l *layerLine) error {
	r.layers = append(r.layers, l)
	if l.flops > 0 {
		r.points = append(r.points, point{l.Device, l.Pass, l.flops / l.bytes, l.GFLOPS * 1e9})
	}
	return r.line(l)
}

func (r *report) line(value any) error {
	if !r.json {
		return nil
	}
	return json.NewEncoder(r.out).Encode(value)
}

// table prints what was measured, for people; also what there is of a measurement that was stopped.
func (r *report) table() error {
	if r.json {
		return nil
	}
	var text strings.Builder
	columns := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	if len(r.steps) > 0 {
		fmt.Fprintln(columns, "model\tdevice\twork\tbatch\tthreads\timages/s\tmedian\tGFLOP/s\tof peak\theap/step\tRSS MB\t")
	}
	for _, l := range r.steps {
		fmt.Fprintf(columns, "%s\t%s\t%s\t%d\t%d\t%.4g\t%.4g\t%.4g\t%.0f%%\t%d\t%.0f\t\n", l.Model, l.Device, l.Work, l.Batch, l.Threads,
			l.ImagesPerS, l.Median, l.GFLOPS, 100*l.PeakFraction, l.Heap, l.RSS)
	}
	if len(r.layers) > 0 {
		fmt.Fprintln(columns, "device\tbatch\ttimes\tms\tmedian\tGFLOP/s\tof peak\tGB/s\tof peak\tpass\t layer")
	}
	for _, l := range r.layers {
		times := 0
		for _, n := range l.Models {
			times += n
		}
		flops, share := "", ""
		if l.flops > 0 {
			flops, share = fmt.Sprintf("%.4g", l.GFLOPS), fmt.Sprintf("%.0f%%", 100*l.PeakFraction)
		}
		fmt.Fprintf(columns, "%s\t%d\t%d\t%.4g\t%.4g\t%s\t%s\t%.4g\t%.0f%%\t%s\t %s\n", l.Device, l.Batch, times, l.MS, l.Median,
			flops, share, l.GBs, 100*l.BandwidthFraction, l.Pass, l.Layer)
	}
	columns.Flush()
	for _, l := range r.steps {
		text.WriteString(l.Peer.text(l))
		text.WriteString(l.Scaling.text(l))
	}
	text.WriteString(r.sums())
	_, err := io.WriteString(r.out, text.String())
	return err
}

// sums says what the layers of a step take together.
func (r *report) sums() string {
	type step struct{ model, device string }
	total, order := map[step]float64{}, []step{}
	for _, l := range r.layers {
		for model, times := range l.Models {
			key := step{model, l.Device}
			if total[key] == 0 {
				order = append(order, key)
			}
			total[key] += float64(times) * l.MS
		}
	}
	slices.SortStableFunc(order, func(a, b step) int { return strings.Compare(a.model, b.model) })
	var text strings.Builder
	for _, key := range order {
		fmt.Fprintf(&text, "%s on %s: %.4g ms, all layers of a step\n", key.model, key.device, total[key])
	}
	return text.String()
}
