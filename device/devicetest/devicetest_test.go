package devicetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
)

// A failing row says all that is needed to repeat it.
func TestMessageOfAFailingRow(t *testing.T) {
	c := convCase("same padding", shape{1, 2, 3, 4}, shape{2, 2, 3, 3}, false, device.ConvSpec{Padding: device.Pad(1)}.Normal())
	bug := plant("ConvBackwardData", func(results, _ []*device.Tensor, do func() error) error {
		if err := do(); err != nil {
			return err
		}
		dx, err := results[0].Floats()
		if err != nil {
			return err
		}
		dx[17] = 4096
		return results[0].Device.Upload(results[0], dx)
	})
	err := Row{Op: "conv2d"}.Check(bug, c, 42)
	require.ErrorContains(t, err, `conv2d, case "same padding" (x (1, 2, 3, 4), w (2, 2, 3, 3), y (1, 2, 3, 4), dy (1, 2, 3, 4), dx (1, 2, 3, 4), dw (2, 2, 3, 3)) on device reference, seed 42: ConvBackwardData: tensor dx: element [0 1 1 1] is 4096, the reference has `)
}

func TestTolerances(t *testing.T) {
	const wide, narrow = "float64", "float32"
	for _, c := range []struct {
		name      string
		tolerance Tolerance
		got, want []float64
		float     string
		message   string // "" if it is near enough
	}{
		{"equal", Tolerance{}, []float64{1, nan, inf}, []float64{1, nan, inf}, wide, ""},
		{"within", Tolerance{}, []float64{1 + 1e-6, 1}, []float64{1, 1}, narrow, ""},
		{"within, but in float64", Tolerance{}, []float64{1 + 1e-6, 1}, []float64{1, 1}, wide, "element [0]"},
		{"beyond", Tolerance{}, []float64{1, 1 + 1e-4}, []float64{1, 1}, narrow, "element [1]"},
		{"a small element lost beside a large one", Tolerance{}, []float64{1, 0}, []float64{1, 1e-4}, narrow, "element [1]"},
		{"wider by reason", Tolerance{Relative: 1e-3}, []float64{1, 1 + 1e-4}, []float64{1, 1}, narrow, ""},
		{"zero expected", Tolerance{}, []float64{1e-9}, []float64{0}, narrow, "element [0]"},
		{"zero expected, rounding errors allowed", Tolerance{Absolute: 1e-6}, []float64{1e-9}, []float64{0}, narrow, ""},
		{"never written", Tolerance{}, []float64{1, nan}, []float64{1, 2}, narrow, "never written"},
		{"NaN lost", Tolerance{}, []float64{1, 2}, []float64{1, nan}, narrow, "same kind"},
		{"infinity of the other sign", Tolerance{}, []float64{-inf}, []float64{inf}, narrow, "same kind"},
		{"too large for float32", Tolerance{}, []float64{inf}, []float64{1e300}, narrow, ""},
		{"too large for float32 is no reason in float64", Tolerance{}, []float64{inf}, []float64{1e300}, wide, "finite"},
		{"exact after rounding", Tolerance{Exact: true}, []float64{float64(float32(0.1))}, []float64{0.1}, narrow, ""},
		{"not exact", Tolerance{Exact: true}, []float64{1 + 1e-7}, []float64{1}, narrow, "equal"},
		{"zeros elsewhere", Tolerance{Mask: true}, []float64{1, 1e-30}, []float64{1, 0}, narrow, "zeros"},
		{"zeros added", Tolerance{Mask: true}, []float64{1, 0}, []float64{1, 1e-30}, narrow, "zeros"},
		{"NaN may spread", Tolerance{Spread: true}, []float64{1, nan, nan}, []float64{1, 2, nan}, narrow, ""},
		{"NaN may spread but not go", Tolerance{Spread: true}, []float64{1, nan, 3}, []float64{1, 2, nan}, narrow, "same kind"},
		{"NaN may spread, the rest counts", Tolerance{Spread: true}, []float64{2, nan, nan}, []float64{1, 2, nan}, narrow, "element [0]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			float := map[string]tensor.Dtype{wide: tensor.Float64, narrow: tensor.Float32}[c.float]
			err := c.tolerance.compare(c.got, c.want, tensor.Shape{len(c.got)}, float)
			if c.message == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, c.message)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	require.ErrorContains(t, Refusal{"rank 3", nil}.Check(), "rank 3: the shape rule accepts it")
	require.ErrorContains(t, Refusal{"rank 3", device.ErrDType}.Check(), "does not wrap")
	require.NoError(t, Refusal{"rank 3", device.CheckSoftmax(shape{3})}.Check())
}

// Finite differences must find a gradient that is wrong in one element.
func TestWrongGradientsAreFound(t *testing.T) {
	for _, method := range []string{"ConvBackwardData", "ConvBackwardWeights", "PoolBackward", "SumChannels", "BatchNormBackward",
		"BatchNormInferBackward", "LRNBackward", "ContrastNormBackward", "ActivateBackward", "MaxoutBackward", "SoftmaxBackward",
		"Broadcast", "UpsampleBackward", "CrossEntropyBackward", "ElementLossBackward"} {
		t.Run(method, func(t *testing.T) {
			d := plant(method, func(results, _ []*device.Tensor, do func() error) error {
				if err := do(); err != nil || results[0].Size() == 0 {
					return err
				}
				dx, err := results[0].Floats()
				if err != nil {
					return err
				}
				dx[len(dx)/2] += 0.01
				return results[0].Device.Upload(results[0], dx)
			})
			for _, row := range Rows() {
				for _, c := range row.Cases {
					calls := slices.ContainsFunc(c.Calls, func(call Call) bool { return call.Method == method })
					if calls && c.Kink == "" && row.CheckGradients(d, c, 1) != nil {
						return
					}
				}
			}
			t.Error("no case found it")
		})
	}
}

func TestRandomCasesDependOnTheSeedAlone(t *testing.T) {
	for _, row := range Rows() {
		for _, draw := range []func(seed uint64) Case{row.Random, row.RandomWide} {
			if row.Draw == nil || row.Over == nil {
				continue
			}
			first, again := draw(3), draw(3)
			require.Equal(t, first.shapes(), again.shapes(), row.Op)
			require.Equal(t, first.Name, again.Name, row.Op)
		}
	}
}

// What the reference makes of a case is kept by row, name, shapes and seed.
func TestCasesDiffer(t *testing.T) {
	for _, row := range Rows() {
		seen := map[string]bool{}
		row.EachCase(func(c Case, seed uint64) {
			key := fmt.Sprint(c.Name, "|", c.shapes(), "|", seed)
			require.False(t, seen[key], "%s has two cases %s", row.Op, key)
			seen[key] = true
		})
	}
}

// Most rows of feature maps are tried with as many channels as fill blocks, and more, and fewer.
func TestWideCases(t *testing.T) {
	full, tail := map[string]bool{}, map[string]bool{}
	for _, row := range Rows() {
		row.EachCase(func(c Case, _ uint64) {
			for _, o := range c.Operands {
				if len(o.Shape) == 4 && o.Shape[1] >= 8 && o.Shape[2]*o.Shape[3] > 1 && !o.Kept {
					full[row.Op] = full[row.Op] || o.Shape[1]%16 == 0
					tail[row.Op] = tail[row.Op] || o.Shape[1]%16 != 0
				}
			}
		})
	}
	for _, row := range Rows() {
		without := slices.Contains([]string{"rotate180", "linear", "matmul", "linear_relu", "sgd", "rmsprop", "adam"}, row.Op)
		require.Equal(t, !without, full[row.Op], "%s: multiples of 16 channels", row.Op)
		require.Equal(t, !without, tail[row.Op], "%s: other numbers of channels", row.Op)
	}
}
