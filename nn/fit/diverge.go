package fit

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"fovea/autograd"
	"fovea/data"
	"fovea/device"
	"fovea/nn"
)

// DivergedError says that a loss is not a finite number any more.
type DivergedError struct {
	Epoch, Step int     // from 1, Step from the start of training; 0: nothing was trained, see Evaluate
	After       bool    // found by measuring after the step, not by making it
	Set         string  // the data set on which it was found
	Loss        float64 // NaN or infinite
	Layer, Op   string  // which first gave a value that is not finite
	Cause       string  // what is known of why
	Restored    bool    // the network holds the last weights that gave a finite loss
	Kept        int     // how many updates had made those
}

func (e *DivergedError) Error() string {
	where := e.Op
	if e.Layer != "" {
		where = fmt.Sprintf("layer %s (%s)", e.Layer, e.Op)
	}
	when := fmt.Sprintf("on %q", e.Set)
	if e.Step > 0 && e.After {
		when += fmt.Sprintf(" after step %d (epoch %d)", e.Step, e.Epoch)
	} else if e.Step > 0 {
		when = fmt.Sprintf("at step %d (epoch %d)", e.Step, e.Epoch)
	}
	text := fmt.Sprintf("the loss is %v %s: %s first gave a value that is not finite%s", e.Loss, when, where, e.Cause)
	if e.Restored {
		text += fmt.Sprintf("; the weights are back to those after %d updates. A smaller learning rate often helps", e.Kept)
	}
	return text
}

func isFinite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// diverged completes what is known of a loss that is not finite; if that fails, the failure is returned.
func diverged(tape *autograd.Tape, net *nn.Network, batch *data.Batch, own Loss, known DivergedError) error {
	if err := known.diagnose(tape, net, batch, own); err != nil {
		return err
	}
	return &known
}

var errFound = errors.New("found")

// diagnose computes the batch again and looks at every value on the way.
func (e *DivergedError) diagnose(tape *autograd.Tape, net *nn.Network, batch *data.Batch, own Loss) error {
	e.Op = "loss"
	broken := map[string]bool{} // layers with parameters that are not finite
	for _, p := range net.Parameters {
		ok, err := finite(p.Tensor())
		if err != nil {
			return err
		}
		if !ok {
			layer := ""
			if dot := strings.LastIndex(p.Name, "."); dot >= 0 {
				layer = p.Name[:dot]
			}
			broken[layer] = true
		}
	}
	tape.Reset()
	defer func() {
		tape.Reset()
		tape.Observe = nil
	}()
	tape.Observe = func(op, layer string, v *autograd.Value) error {
		ok, err := finite(v.Tensor())
		if err != nil || ok {
			return err
		}
		e.Op, e.Layer = op, layer
		if broken[layer] {
			e.Cause = ", since its weights are not"
		}
		return errFound
	}
	forward(tape, net, batch, nil, own)
	if err := tape.Err(); err != nil && !errors.Is(err, errFound) {
		return err
	}
	return nil
}

func finite(t *device.Tensor) (bool, error) {
	values, err := t.Floats()
	if err != nil {
		return false, err
	}
	for _, v := range values {
		if !isFinite(v) {
			return false, nil
		}
	}
	return true, nil
}
