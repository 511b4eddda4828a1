package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"fovea/cmd/internal/cli"
	"fovea/device"
	"fovea/nn/zoo"
)

// bench is the whole program. Standard output has the measurements and nothing else.
func bench(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	s, err := parse(args, stdout)
	if err != nil {
		return err
	}
	// The runtime's own work, such as collecting garbage, keeps to the same processors.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(s.options.Threads))
	if s.load {
		return s.measureLoading(ctx, stdout, stderr)
	}
	if s.peer != nil { // before minutes are spent
		if err := s.peer.present(ctx); err != nil {
			return cli.Interrupted(ctx, err)
		}
	}
	machines, err := s.inspect(ctx, stderr)
	if err != nil {
		return err
	}
	r := &report{out: stdout, json: s.json}
	if s.ops {
		err = s.measureLayers(ctx, machines, r, stderr)
	} else {
		err = s.measureSteps(ctx, machines, r, stderr)
	}
	if err = errors.Join(cli.Interrupted(ctx, err), r.table()); err != nil || s.plot == "" {
		return err
	}
	return drawRoofline(s.plot, machines, r.points)
}

// machine is a device that was found present, and what it can do.
type machine struct {
	spec  string // for device.Open
	name  string
	peaks peaks
	offers
}

// open makes the machine's device. Each network gets one of its own, whose pool holds nothing of the network before.
func (s *settings) open(spec string) (device.Device, string, error) { return open(spec, s.options) }

func open(spec string, o device.Options) (device.Device, string, error) {
	return (&cli.Device{Spec: spec, Options: o}).Open()
}

// inspect opens every device once, before anything is measured, and finds its peaks.
func (s *settings) inspect(ctx context.Context, stderr io.Writer) ([]machine, error) {
	var machines []machine
	for _, spec := range s.devices {
		d, chosen, err := s.open(spec)
		if err != nil {
			return nil, err
		}
		m := machine{spec: spec, name: d.Name(), offers: offersOf(d)}
		switch {
		case s.peer != nil:
			err = s.peer.fits(m.name)
		case s.scaling && m.name != "cpu":
			err = cli.Usagef("--scaling: device %s, expected cpu", m.name)
		}
		if err == nil {
			m.peaks, err = measurePeaks(d)
		}
		if err = errors.Join(err, d.Close()); err != nil {
			return nil, err
		}
		fmt.Fprintf(stderr, "%s; at best %.4g GFLOP/s and %.4g GB/s\n", chosen, m.peaks.flops/1e9, m.peaks.bytes/1e9)
		machines = append(machines, m)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	return machines, nil
}

// measureSteps measures each network on each device.
func (s *settings) measureSteps(ctx context.Context, machines []machine, r *report, stderr io.Writer) error {
	for _, model := range s.models {
		for _, m := range machines {
			fmt.Fprintf(stderr, "%s, %s on %s\n", s.work(), model.Name, m.name)
			line, err := s.measure(ctx, model, m)
			if err != nil {
				return fmt.Errorf("%s on %s: %w", model.Name, m.name, err)
			}
			if line.Others != nil && *line.Others > 0.1 {
				fmt.Fprintf(stderr, "other programs kept %.1f processors busy meanwhile: these times may be too long\n", *line.Others)
			}
			if err := r.add(line); err != nil {
				return err
			}
		}
	}
	return nil
}

// runner is a workload whose blocks are timed, and what the Go heap gave meanwhile.
type runner struct {
	*workload
	group int // steps in a block
	took  samples
	timed int    // steps
	heap  uint64 // bytes allocated in these and in the one before each block
	load  *load
}

// prepare makes a network on a device of its own, warm.
func (s *settings) prepare(model zoo.Model, spec string, o device.Options) (*runner, error) {
	dev, _, err := open(spec, o)
	if err != nil {
		return nil, err
	}
	w, err := build(dev, model, s.batchOf(model.Name), s.training)
	if err != nil {
		return nil, errors.Join(err, dev.Close())
	}
	r := &runner{workload: w, load: watchLoad()}
	if err := r.warm(); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func (r *runner) close() error {
	r.release()
	return r.dev.Close()
}

// warm makes the steps that are not timed: those in which a device chooses its algorithms and asks for its memory, and
// those that tell how many make a block.
func (r *runner) warm() (err error) {
	if _, err = block(r.dev, plainSteps+1, r.step); err != nil {
		return err
	}
	r.group, err = groupSize(func(n int) (float64, error) { return block(r.dev, n, r.step) })
	return err
}

// time makes one block and returns the seconds of a step.
func (r *runner) time() (float64, error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := block(r.dev, 1, r.step); err != nil { // after a pause nothing is in the caches, and workers sleep
		return 0, err
	}
	seconds, err := block(r.dev, r.group, r.step)
	runtime.ReadMemStats(&after)
	r.heap += after.TotalAlloc - before.TotalAlloc
	r.timed += r.group
	seconds /= float64(r.group)
	r.took = append(r.took, seconds)
	return seconds, err
}

// measure times one network on one device, in turns with the peer or with one thread if that is asked for.
func (s *settings) measure(ctx context.Context, model zoo.Model, m machine) (line *stepLine, err error) {
	batch := s.batchOf(model.Name)
	calls, err := trace(model, batch, s.training, m.offers)
	if err != nil {
		return nil, err
	}
	r, err := s.prepare(model, m.spec, s.options)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	debug.FreeOSMemory() // the initial weights' values on their way to the device
	forgetPeak()
	var against *comparison
	var gain *scaling
	switch {
	case s.peer != nil:
		against, err = s.peer.compare(ctx, r, s, model, m.name)
	case s.scaling:
		gain, err = s.compareThreads(ctx, r, model, m.spec)
	default:
		err = r.alone(ctx, s.steps)
	}
	if err != nil {
		return nil, err
	}
	resident, others := peakMB(os.Getpid()), r.load.others()
	if err := r.check(); err != nil {
		return nil, err
	}
	line = &stepLine{Model: model.Name, Device: m.name, Work: s.work(), Batch: batch, Threads: s.options.Threads, Precision: s.options.Precision.String(), Steps: r.timed,
		ImagesPerS: float64(batch) / r.took.best(), Median: float64(batch) / r.took.median(),
		Heap: int64(math.Round(float64(r.heap) / float64(r.timed+len(r.took)))), RSS: resident, Others: others,
		PeakGFLOPS: m.peaks.flops / 1e9, PeakGBs: m.peaks.bytes / 1e9, Peer: against, Scaling: gain}
	for _, c := range calls {
		line.flops += c.flops
		line.bytes += c.traffic(elementSize(r.dev.Float()), s.options.Precision)
	}
	line.GFLOPS = line.flops / r.took.best() / 1e9
	line.PeakFraction = line.GFLOPS / line.PeakGFLOPS
	return line, nil
}

// alone times blocks one after another.
func (r *runner) alone(ctx context.Context, steps int) error {
	for range steps {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if _, err := r.time(); err != nil {
			return err
		}
	}
	return nil
}

// pause lets the threads of the side that has just worked go to sleep before the other side is timed.
func pause() { time.Sleep(50 * time.Millisecond) }
