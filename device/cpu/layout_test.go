package cpu

import (
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/device"
)

// TestViewsInBlocksKeepTheirShapes: a sum may show the memory of the picture that is convolved in another shape; as maps in blocks the two
// are different.
func TestViewsInBlocksKeepTheirShapes(t *testing.T) {
	d := exactly(t)
	x, w, v := drawn(t, d, 1, 1, 16, 2, 3), drawn(t, d, 2, 8, 16, 1, 1), drawn(t, d, 3, 8)
	for i, e := range out(v) {
		out(v)[i] = 1 + e*e
	}
	y, apart := drawn(t, d, 4, 1, 8, 4, 3), drawn(t, d, 5, 1, 8, 4, 3)
	view, err := d.Reshape(x, apart.Shape)
	require.NoError(t, err)
	copy(out(apart), floats(x))
	s := device.ConvSpec{Padding: device.Padding{Top: 2}}.Normal()
	var results [2][]float32
	for i, residual := range []*device.Tensor{apart, view} {
		require.NoError(t, d.ConvBatchNorm(y, x, w, nil, v, v, v, v, residual, s, device.BatchNormSpec{Epsilon: 1e-5}, false))
		results[i] = append(results[i], floats(y)...)
	}
	require.Equal(t, results[0], results[1])
	for _, x := range []*device.Tensor{x, w, v, y, apart, view} {
		x.Release()
	}
	require.NoError(t, d.Close())
}
