package autograd_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/autograd"
	"fovea/autograd/faulty"
)

// TestFailingDevice lets every call that an operation makes to the device fail in turn, forward and backward: the error
// arrives, nothing panics, and nothing is leaked. One recording of each operation is enough.
func TestFailingDevice(t *testing.T) {
	cases, tensors := recordings(t)
	inner := devices(t)[1]
	seen := map[string]bool{}
	for _, r := range cases {
		if seen[r.Op] {
			continue
		}
		seen[r.Op] = true
		t.Run(r.Op, func(t *testing.T) {
			d := faulty.New(inner)
			_, b, err := r.run(autograd.NewTape(d), tensors)
			require.NoError(t, err)
			b.release()
			calls := d.Calls
			require.Positive(t, calls)
			for n := 1; n <= calls; n++ {
				d.Calls, d.FailAt = 0, n
				_, b, err := r.run(autograd.NewTape(d), tensors)
				require.ErrorIs(t, err, faulty.ErrInjected, "call %d of %d", n, calls)
				if b.tape.Err() != nil { // the rest failed before the tape was asked
					require.ErrorIs(t, b.tape.Err(), faulty.ErrInjected, "call %d of %d", n, calls)
				}
				b.release()
				require.Zero(t, inner.Stats().LiveTensors, "left after call %d of %d failed", n, calls)
			}
		})
	}
	for op := range operations {
		require.True(t, seen[op], "no recording of %s", op)
	}
}

// TestFailingStep does the same to a step with parameters: accumulation, sharing, a dead end, a count.
func TestFailingStep(t *testing.T) {
	inner := devices(t)[1]
	d := faulty.New(inner)
	run := func() (err error) {
		tape := autograd.NewTape(d)
		var owned []*autograd.Value
		defer func() {
			tape.Reset()
			for _, p := range owned {
				p.Release()
			}
			require.Zero(t, inner.Stats().LiveTensors, "left after call %d failed", d.FailAt)
		}()
		for _, shape := range [][]int{{4, 3}, {4}, {1}} {
			p, err := autograd.NewParameter(d, "p", ramp(append([]int{1}, shape...)...))
			if err != nil {
				return err
			}
			owned = append(owned, p)
		}
		for range 2 { // the second adds to the first's gradients
			tape.Reset()
			w := autograd.Reshape(tape.Use(owned[0]), 4, 3)
			b := autograd.Reshape(tape.Use(owned[1]), 4)
			y := autograd.Linear(tape.Input(ramp(5, 3)), w, b)
			z := autograd.Add(autograd.ReLU(y), autograd.Mul(y, y))
			labels := tape.Labels([]int32{0, 1, 2, 3, 0})
			decay := autograd.Sum(autograd.Mul(tape.Use(owned[0]), owned[0]), false)
			loss := autograd.Add(autograd.CrossEntropy(z, labels), autograd.Scale(decay, 0.1, 0))
			autograd.CountCorrect(owned[2].Tensor(), z, labels)
			if err := tape.Backward(loss); err != nil {
				return err
			}
			if _, err := loss.Item(); err != nil {
				return err
			}
		}
		return nil
	}
	require.NoError(t, run())
	calls := d.Calls
	for n := 1; n <= calls; n++ {
		d.Calls, d.FailAt = 0, n
		require.ErrorIs(t, run(), faulty.ErrInjected, "call %d of %d", n, calls)
	}
}
