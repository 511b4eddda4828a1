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

// DivergedError says that the loss is not a finite number any more. The network holds the last weights that gave one.
type DivergedError struct {
	Epoch, Step int     // from 1; Step counts from the start of training
	Loss        float64 // NaN or infinite
	Layer, Op   string  // which first gave a value that is not finite
	Cause       string  // what is known of why
	Kept        int     // the weights put back are those after this many updates
}

func (e *DivergedError) Error() string {
	where := e.Op
	if e.Layer != "" {
		where = fmt.Sprintf("layer %s (%s)", e.Layer, e.Op)
	}
	return fmt.Sprintf("the loss is %v at step %d (epoch %d): %s first gave a value that is not finite%s; the weights are back to those after %d updates. A smaller learning rate often helps",
		e.Loss, e.Step, e.Epoch, where, e.Cause, e.Kept)
}

var errFound = errors.New("found")

// diagnose computes the batch again and looks at every value on the way.
func (e *DivergedError) diagnose(tape *autograd.Tape, net *nn.Network, batch *data.Batch) error {
	e.Op = "loss"
	broken := map[string]bool{} // layers with parameters that are not finite
	for _, s := range net.State() {
		ok, err := finite(s.Tensor)
		if err != nil {
			return err
		}
		if !ok {
			layer := ""
			if dot := strings.LastIndex(s.Name, "."); dot >= 0 {
				layer = s.Name[:dot]
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
			e.Cause = fmt.Sprintf(", since its weights are not after update %d", e.Step-1)
		}
		return errFound
	}
	forward(tape, net, batch)
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
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return false, nil
		}
	}
	return true, nil
}
