package autograd_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/autograd"
	"fovea/device/cpu"
)

// TestBackwardGivesBackWhatItPasses: a chain of n operations needs n values going forward. Coming back, each value and
// gradient goes as it is passed, so that only a few more are alive at a time; kept ones all stay, values and gradients.
func TestBackwardGivesBackWhatItPasses(t *testing.T) {
	const links, elements = 20, 4096
	peak := func(keep, noGrad bool) int {
		d, err := cpu.New(1)
		require.NoError(t, err)
		defer func() { require.NoError(t, d.Close()) }()
		tape := autograd.NewTape(d)
		tape.NoGrad = noGrad
		x := tape.Variable(ramp(elements))
		for range links {
			y := autograd.Tanh(x)
			if keep {
				y.Keep()
			}
			tape.Free(x)
			x = y
		}
		if loss := autograd.Sum(x, false); !noGrad {
			require.NoError(t, tape.Backward(loss))
			left := 5 // the variable and the loss with their gradients; the sum's scalar was seen through the loss
			if keep {
				left += 2 * links
			}
			require.LessOrEqual(t, int(d.Stats().LiveTensors), left)
		}
		require.NoError(t, tape.Err())
		tape.Reset()
		require.Zero(t, d.Stats().LiveTensors)
		return int(d.Stats().PeakBytes) / (4 * elements)
	}
	require.LessOrEqual(t, peak(false, false), links+1+3, "tensors at once")
	require.Equal(t, 2*(links+1), peak(true, false), "tensors at once, all kept")
	require.LessOrEqual(t, peak(false, true), 3, "tensors at once without gradients") // the variable is kept
}
