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
	exec   C.CUgraphExec
	// Made while capturing, to be done outside of the graph.
	before []func() error // waits for copies that came in on the other stream
	after  []func() error // marks that staging memory is free again
	Made   int            // times the graph was made rather than updated
}

// Capture implements device.Capturer.
func (d *Device) Capture(step func() error) error {
	c := &d.capture
	err := d.queue.do("capture", func() error {
		if c.active {
			return errors.New("a capture within a capture")
		}
		err := check("cuStreamBeginCapture", C.cuStreamBeginCapture(d.stream, C.CU_STREAM_CAPTURE_MODE_RELAXED))
		c.active = err == nil
		return err
	})
	if err != nil {
		return err
	}
	failed := step()
	if failed == nil {
		failed = d.queue.take()
	}
	// The capture ends whatever happened, or the stream stays unusable.
	ended := d.queue.always(func() error {
		before, after := c.before, c.after
		c.active, c.before, c.after = false, nil, nil
		var made C.int
		if err := check("ending the capture of a step", C.fovea_end_capture(d.stream, &c.exec, &made)); err != nil {
			return err
		}
		c.Made += int(made)
		if failed != nil || d.queue.peek() != nil {
			return nil
		}
		for _, f := range before {
			if err := f(); err != nil {
				return err
			}
		}
		if err := check("cuGraphLaunch", C.cuGraphLaunch(c.exec, d.stream)); err != nil {
			return err
		}
		d.queue.remember("a captured step")
		for _, f := range after {
			if err := f(); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(failed, ended)
}

// release gives the graph back. The worker calls it.
func (c *capture) release() error {
	if c.exec == nil {
		return nil
	}
	err := check("cuGraphExecDestroy", C.cuGraphExecDestroy(c.exec))
	c.exec = nil
	return err
}
