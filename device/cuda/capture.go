//go:build cuda

package cuda

/*
#include "native.h"
*/
import "C"

import "errors"

// capture records a step as a CUDA graph. Each step is recorded anew and the graph that runs is updated from the record:
// what changes from step to step (addresses, dropout streams, the optimiser's step number) needs no care, and the GPU still
// gets one launch.
type capture struct {
	active bool
	begun  int64 // jobs before this step's
	exec   C.CUgraphExec
	// Made while capturing, to be done outside of the graph.
	before  []func() error // waits for copies that came in on the other stream
	after   []func() error // marks that staging memory is free again
	records []C.CUgraph    // to be destroyed
	retired []func() error // gives memory back that the graph may have the address of; also if the step failed
	Made    int            // times the graph was made rather than updated
}

var errCaptured = errors.New("a step that is captured cannot wait for the GPU or read from it: its work is still to run")

// Capture implements device.Capturer. With FOVEA_CUDA_SYNC=1 the step runs piece by piece, so that a failure has a name.
func (d *Device) Capture(step func() error) error {
	if d.queue.debug {
		if err := d.queue.take(); err != nil {
			return err
		}
		return step()
	}
	if err := d.queue.do("capture", d.beginCapture); err != nil {
		return err
	}
	d.staging.used = 0
	failed := step()
	// The capture ends whatever happened, or the stream stays unusable.
	ended := d.queue.always(func() error { return d.endCapture(failed == nil) })
	if failed != nil || ended != nil {
		d.queue.failures.Add(1)
	}
	if failed != nil {
		return failed
	}
	return ended
}

func (d *Device) beginCapture() error {
	if d.capture.active {
		return errors.New("a capture within a capture")
	}
	if err := d.staging.settle(d); err != nil {
		return err
	}
	err := check("cuStreamBeginCapture", C.cuStreamBeginCapture(d.stream, C.CU_STREAM_CAPTURE_MODE_RELAXED))
	d.capture.active, d.capture.begun = err == nil, d.queue.issued
	return err
}

// endCapture ends the capture and, if the step was recorded well, launches it.
func (d *Device) endCapture(recorded bool) error {
	c := &d.capture
	graph, err := recordedGraph(d.stream)
	if failed := d.queue.take(); failed != nil { // of the step's last operations; what follows from it says less
		err = failed
	}
	if recorded && err == nil {
		err = c.launch(d, graph)
	}
	c.active = false // not before: until the graph runs, memory that it has the address of must stay
	errs := []error{err}
	if graph != nil {
		c.records = append(c.records, graph)
	}
	errs = append(errs, c.forget())
	for _, f := range c.retired {
		errs = append(errs, f())
	}
	c.before, c.after, c.retired = nil, nil, nil
	return errors.Join(errs...)
}

// recordedGraph ends the capture of a stream, which is not capturing any more then even if that fails.
func recordedGraph(stream C.CUstream) (graph C.CUgraph, err error) {
	if err = check("cuStreamEndCapture", C.cuStreamEndCapture(stream, &graph)); err == nil {
		return graph, nil
	}
	status := C.CUstreamCaptureStatus(C.CU_STREAM_CAPTURE_STATUS_NONE)
	if C.cuStreamIsCapturing(stream, &status) == C.CUDA_SUCCESS && status != C.CU_STREAM_CAPTURE_STATUS_NONE {
		C.cuStreamEndCapture(stream, &graph) // err says what is wrong
	}
	return graph, err
}

// launch readies the graph to run, by updating the one before where it has the same shape and by making it anew where not
// (an epoch's last batch, another algorithm), and runs it.
func (c *capture) launch(d *Device, graph C.CUgraph) error {
	var info C.CUgraphExecUpdateResultInfo
	if c.exec != nil && C.cuGraphExecUpdate(c.exec, graph, &info) != C.CUDA_SUCCESS {
		if err := c.release(); err != nil {
			return err
		}
	}
	if c.exec == nil {
		if err := d.allocate(func() error { return check("cuGraphInstantiate", C.cuGraphInstantiateWithFlags(&c.exec, graph, 0)) }); err != nil {
			return d.noRoom(0, err)
		}
		c.Made++
	}
	for _, f := range c.before {
		if err := f(); err != nil {
			return err
		}
	}
	if err := d.allocate(func() error { return check("cuGraphLaunch", C.cuGraphLaunch(c.exec, d.stream)) }); err != nil {
		return d.noRoom(0, err)
	}
	d.queue.remember("a captured step")
	for _, f := range c.after {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

// forget destroys records; what cannot be destroyed now is tried again the next time.
func (c *capture) forget() error {
	for len(c.records) > 0 {
		last := len(c.records) - 1
		if err := check("cuGraphDestroy", C.cuGraphDestroy(c.records[last])); err != nil {
			return err
		}
		c.records = c.records[:last]
	}
	return nil
}

// release gives the graph back. The worker calls it.
func (c *capture) release() error {
	if c.exec == nil {
		return nil
	}
	err := check("cuGraphExecDestroy", C.cuGraphExecDestroy(c.exec))
	if err == nil {
		c.exec = nil
	}
	return err
}
