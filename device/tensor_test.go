package device_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/cpu"
	"fovea/device/reference"
)

// onBoth runs a test on a device of each element type; no tensor may be left.
func onBoth(t *testing.T, test func(t *testing.T, d device.Device)) {
	c, err := cpu.New(1)
	require.NoError(t, err)
	for _, d := range []device.Device{reference.New(), c} {
		t.Run(d.Name(), func(t *testing.T) {
			test(t, d)
			require.NoError(t, d.Close())
		})
	}
}

func dense(s tensor.Shape, backing any, options ...tensor.ConsOpt) *tensor.Dense {
	return tensor.New(append(options, tensor.WithShape(s...), tensor.WithBacking(backing))...)
}

// rows returns rows [from, to) of a matrix, a view.
func rows(t *testing.T, x *tensor.Dense, from, to int) *tensor.Dense {
	v, err := x.Slice(tensor.S(from, to))
	require.NoError(t, err)
	return v.(*tensor.Dense)
}

func cols(t *testing.T, x *tensor.Dense, from, to int) *tensor.Dense {
	v, err := x.Slice(nil, tensor.S(from, to))
	require.NoError(t, err)
	return v.(*tensor.Dense)
}

// box leaves out the first element of the second axis.
func box(t *testing.T, x *tensor.Dense) *tensor.Dense {
	v, err := x.Slice(nil, tensor.S(1, 3), nil)
	require.NoError(t, err)
	return v.(*tensor.Dense)
}

// transposed is a view whose elements have not moved.
func transposed(t *testing.T, x *tensor.Dense) *tensor.Dense {
	require.NoError(t, x.T())
	return x
}

func TestFromDenseAndBack(t *testing.T) {
	singles := func() []float32 { return []float32{1, 2, 3, 4, 5, 6} }
	doubles := func() []float64 { return []float64{1, 2, 3, 4, 5, 6} }
	narrow := func() []int32 { return []int32{1, 2, 3, 4, 5, 6} }
	wide := func() []int64 { return []int64{1, 2, 3, 4, 5, 6} }
	in, columns := tensor.Shape{2, 3}, tensor.AsFortran(nil)
	for _, c := range []struct {
		name   string
		dense  *tensor.Dense
		shape  tensor.Shape
		labels bool
		want   []float64
	}{
		{"float32", dense(in, singles()), in, false, doubles()},
		{"float64", dense(in, doubles()), in, false, doubles()},
		{"int32", dense(in, narrow()), in, true, doubles()},
		{"int64", dense(in, wide()), in, true, doubles()},
		{"float32 column-major", dense(in, singles(), columns), in, false, []float64{1, 3, 5, 2, 4, 6}},
		{"float64 column-major", dense(in, doubles(), columns), in, false, []float64{1, 3, 5, 2, 4, 6}},
		{"int32 column-major", dense(in, narrow(), columns), in, true, []float64{1, 3, 5, 2, 4, 6}},
		{"int64 column-major", dense(in, wide(), columns), in, true, []float64{1, 3, 5, 2, 4, 6}},
		{"float32, last row", rows(t, dense(in, singles()), 1, 2), tensor.Shape{3}, false, []float64{4, 5, 6}},
		{"float32, last columns", cols(t, dense(in, singles()), 1, 3), tensor.Shape{2, 2}, false, []float64{2, 3, 5, 6}},
		{"float32, one column", cols(t, dense(in, singles()), 1, 2), tensor.Shape{2}, false, []float64{2, 5}},
		{"float64, last columns", cols(t, dense(in, doubles()), 1, 3), tensor.Shape{2, 2}, false, []float64{2, 3, 5, 6}},
		{"int32, last columns", cols(t, dense(in, narrow()), 1, 3), tensor.Shape{2, 2}, true, []float64{2, 3, 5, 6}},
		{"int64, last columns", cols(t, dense(in, wide()), 1, 3), tensor.Shape{2, 2}, true, []float64{2, 3, 5, 6}},
		{"int64, last row", rows(t, dense(in, wide()), 1, 2), tensor.Shape{3}, true, []float64{4, 5, 6}},
		{"columns of a column-major tensor", cols(t, dense(in, singles(), columns), 1, 3), tensor.Shape{2, 2}, false, []float64{3, 5, 4, 6}},
		{"a box of rank 3", box(t, dense(tensor.Shape{2, 3, 2}, []float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})), tensor.Shape{2, 2, 2}, false, []float64{3, 4, 5, 6, 9, 10, 11, 12}},
		{"float32 transposed", transposed(t, dense(in, singles())), tensor.Shape{3, 2}, false, []float64{1, 4, 2, 5, 3, 6}},
		{"int64 transposed", transposed(t, dense(in, wide())), tensor.Shape{3, 2}, true, []float64{1, 4, 2, 5, 3, 6}},
		{"float32 scalar", tensor.New(tensor.FromScalar(float32(7))), tensor.Shape{}, false, []float64{7}},
		{"float64 scalar", tensor.New(tensor.FromScalar(7.0)), tensor.Shape{}, false, []float64{7}},
		{"int32 scalar", tensor.New(tensor.FromScalar(int32(7))), tensor.Shape{}, true, []float64{7}},
		{"int64 scalar", tensor.New(tensor.FromScalar(int64(7))), tensor.Shape{}, true, []float64{7}},
		{"one element", dense(tensor.Shape{1, 1}, []float32{7}), tensor.Shape{1, 1}, false, []float64{7}},
	} {
		t.Run(c.name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, d device.Device) {
				before := c.dense.Clone().(*tensor.Dense)
				x, err := device.FromDense(d, c.dense)
				require.NoError(t, err)
				defer x.Release()
				require.True(t, device.EqualShape(c.shape, x.Shape), "shape %v", x.Shape)
				dtype := d.Float()
				if c.labels {
					dtype = tensor.Int32
				}
				require.Equal(t, dtype, x.DType)
				back, err := x.Dense()
				require.NoError(t, err)
				require.True(t, device.EqualShape(c.shape, back.Shape()), "shape %v came back", back.Shape())
				require.Equal(t, dtype, back.Dtype())
				require.Equal(t, c.want, float64s(t, back))
				require.Equal(t, before.Data(), c.dense.Data(), "the dense tensor was changed")
			})
		})
	}
}

func float64s(t *testing.T, x *tensor.Dense) []float64 {
	var out []float64
	switch data := x.Data().(type) {
	case []float32:
		for _, v := range data {
			out = append(out, float64(v))
		}
	case []float64:
		return data
	case []int32:
		for _, v := range data {
			out = append(out, float64(v))
		}
	case float32:
		return []float64{float64(data)}
	case float64:
		return []float64{data}
	case int32:
		return []float64{float64(data)}
	default:
		require.FailNow(t, "unexpected data", "%T", data)
	}
	return out
}

func TestFromDenseRefuses(t *testing.T) {
	for _, c := range []struct {
		name    string
		dense   *tensor.Dense
		message string
	}{
		{"label above int32", dense(tensor.Shape{3}, []int64{1, math.MaxInt32, math.MaxInt32 + 1}), "element 2 is 2147483648, which int32 cannot hold"},
		{"label below int32", dense(tensor.Shape{2}, []int64{math.MinInt32 - 1, 0}), "element 0 is -2147483649, which int32 cannot hold"},
		{"label that wraps to a good one", dense(tensor.Shape{2}, []int64{0, 1<<32 + 3}), "element 1 is 4294967299"},
		{"scalar label above int32", tensor.New(tensor.FromScalar(int64(1 << 40))), "element 0 is 1099511627776"},
		{"bytes", dense(tensor.Shape{2}, []byte{1, 2}), "uint8, expected float32, float64, int32 or int64"},
		{"truth values", dense(tensor.Shape{2}, []bool{true, false}), "bool, expected"},
		{"Go's int", dense(tensor.Shape{2}, []int{1, 2}), "int, expected"},
	} {
		t.Run(c.name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, d device.Device) {
				_, err := device.FromDense(d, c.dense)
				require.ErrorIs(t, err, device.ErrDType)
				require.ErrorContains(t, err, c.message)
			})
		})
	}
}

func TestFromSliceRefuses(t *testing.T) {
	onBoth(t, func(t *testing.T, d device.Device) {
		_, err := device.FromSlice(d, tensor.Shape{2, 3}, []float32{1, 2})
		require.ErrorIs(t, err, device.ErrShape)
		_, err = device.FromSlice(d, tensor.Shape{2}, []string{"a", "b"})
		require.ErrorIs(t, err, device.ErrDType)
		_, err = device.FromSlice(d, tensor.Shape{-1}, []float32{})
		require.ErrorIs(t, err, device.ErrShape)
	})
}

func TestEmptyTensorsHaveNoDense(t *testing.T) {
	onBoth(t, func(t *testing.T, d device.Device) {
		x, err := device.FromSlice(d, tensor.Shape{0, 3}, []float32{})
		require.NoError(t, err)
		defer x.Release()
		_, err = x.Dense()
		require.ErrorIs(t, err, device.ErrShape)
		elements, err := x.Floats()
		require.NoError(t, err)
		require.Empty(t, elements)
	})
}

func TestReleaseCountsOwners(t *testing.T) {
	onBoth(t, func(t *testing.T, d device.Device) {
		(*device.Tensor)(nil).Release() // as for an absent bias

		x, err := d.New(tensor.Shape{2, 3}, d.Float())
		require.NoError(t, err)
		require.True(t, x.Exclusive())
		require.Same(t, x, x.Retain())
		require.False(t, x.Exclusive())
		x.Release()
		require.True(t, x.Exclusive())

		view := device.NewView(x, tensor.Shape{6})
		require.False(t, x.Exclusive(), "a view sees it")
		require.False(t, view.Exclusive(), "its base sees it")
		again := device.NewView(view, tensor.Shape{3, 2})
		view.Release()
		x.Release()
		require.EqualValues(t, 1, d.Stats().LiveTensors, "the second view keeps the memory")
		require.False(t, again.Exclusive())
		again.Release()
		require.Zero(t, d.Stats().LiveTensors)
		require.Nil(t, again.Handle)
		require.Nil(t, x.Handle)

		for _, freed := range []*device.Tensor{x, view, again} {
			require.PanicsWithValue(t, "device: Release of a tensor "+shapeText(freed)+" that was already freed", freed.Release)
			require.PanicsWithValue(t, "device: Retain of a tensor "+shapeText(freed)+" that was already freed", func() { freed.Retain() })
		}
	})
}

func shapeText(t *device.Tensor) string {
	return map[int]string{2: map[int]string{2: "(2, 3)", 3: "(3, 2)"}[t.Shape[0]], 1: "(6)"}[len(t.Shape)]
}

func TestShapesAreNotShared(t *testing.T) {
	d := reference.New()
	s := tensor.Shape{2, 3}
	x, err := d.New(s, d.Float())
	require.NoError(t, err)
	view := device.NewView(x, s)
	s[0] = 9
	require.Equal(t, tensor.Shape{2, 3}, x.Shape)
	require.Equal(t, tensor.Shape{2, 3}, view.Shape)
	view.Release()
	x.Release()
}
