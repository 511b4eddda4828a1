package augment

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/nlpodyssey/safetensors"
	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/data"
)

// recording is something that scripts/record_torchvision_augment.py had torchvision make of a picture.
type recording struct {
	Name, Op, Picture string
	Arguments         []float64
}

// recorded reads the recordings. tensor returns the picture of a name, in memory of its own.
func recorded(t testing.TB) (cases []recording, read func(name string) data.Picture) {
	text, err := os.ReadFile("testdata/torchvision.json")
	require.NoError(t, err)
	var file struct{ Cases []recording }
	require.NoError(t, json.Unmarshal(text, &file))
	require.NotEmpty(t, file.Cases)
	content, err := os.ReadFile("testdata/torchvision.safetensors")
	require.NoError(t, err)
	tensors, err := safetensors.Deserialize(content)
	require.NoError(t, err)
	return file.Cases, func(name string) data.Picture {
		view, ok := tensors.Tensor(name)
		require.True(t, ok, "no tensor %q", name)
		require.Equal(t, safetensors.F32, view.DType())
		shape := []int{1, 1} // in front of those that the tensor has
		for _, d := range view.Shape() {
			shape = append(shape, int(d))
		}
		shape = shape[len(shape)-3:]
		values := make([]float32, shape[0]*shape[1]*shape[2])
		for i := range values {
			b := view.Data()[4*i:]
			values[i] = math.Float32frombits(uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24)
		}
		return data.Picture{C: shape[0], H: shape[1], W: shape[2], Values: values}
	}
}

// The functions beneath the transforms, as torchvision has them: colour within 1e-5, geometry within 1e-4 (its coordinates
// are float32, ours are not), what only moves values to the bit.
func TestRecorded(t *testing.T) {
	ops := map[string]struct {
		tolerance float64
		make      func(p data.Picture, a []float64, extra func(string) data.Picture)
	}{
		"flip":   {0, func(p data.Picture, _ []float64, _ func(string) data.Picture) { mirror(p) }},
		"vflip":  {0, func(p data.Picture, _ []float64, _ func(string) data.Picture) { turnOver(p) }},
		"rotate": {1e-4, func(p data.Picture, a []float64, _ func(string) data.Picture) { warp(p, rotation(p, a[0])) }},
		"affine": {1e-4, func(p data.Picture, a []float64, _ func(string) data.Picture) {
			warp(p, affine(p, a[0], a[1], a[2], a[3], a[4], a[5]))
		}},
		"perspective": {1e-4, func(p data.Picture, a []float64, _ func(string) data.Picture) {
			m, ok := perspective(p, [4][2]float64{{a[0], a[1]}, {a[2], a[3]}, {a[4], a[5]}, {a[6], a[7]}})
			require.True(t, ok)
			warp(p, m)
		}},
		"elastic": {1e-4, func(p data.Picture, a []float64, extra func(string) data.Picture) {
			field := append(extra("dx").Values, extra("dy").Values...)
			for i := range field {
				field[i] *= float32(a[0] / 2)
			}
			Elastic{Sigma: a[1]}.knead(p, field)
		}},
		"crop": {0, func(p data.Picture, a []float64, _ func(string) data.Picture) {
			shift(p, int(a[0]-a[2]), int(a[0]-a[1]))
		}},
		"erase": {0, func(p data.Picture, a []float64, _ func(string) data.Picture) {
			for c := range p.C {
				Erase{}.cover(channel(p, c), p.W, int(a[0]), int(a[1]), int(a[2]), int(a[3]), nil)
			}
		}},
		"blur": {1e-5, func(p data.Picture, a []float64, _ func(string) data.Picture) { blur(p, a[0]) }},
		"brightness": {1e-5, func(p data.Picture, a []float64, _ func(string) data.Picture) {
			brighten(p, float32(a[0]))
		}},
		"contrast": {1e-5, func(p data.Picture, a []float64, _ func(string) data.Picture) {
			stretch(p, float32(a[0]))
		}},
		"saturation": {1e-5, func(p data.Picture, a []float64, _ func(string) data.Picture) {
			saturate(p, float32(a[0]))
		}},
		"hue":  {1e-5, func(p data.Picture, a []float64, _ func(string) data.Picture) { turnHue(p, float32(a[0])) }},
		"gray": {1e-5, func(p data.Picture, _ []float64, _ func(string) data.Picture) { fade(p) }},
		"mixup": {1e-6, func(p data.Picture, a []float64, extra func(string) data.Picture) {
			b := batchOf(p)
			roll(p.Values, 3*p.H*p.W, float32(a[0]))
			mixTargets(b, a[0])
			sameTargets(t, extra("targets"), b)
		}},
		"cutmix": {0, func(p data.Picture, a []float64, extra func(string) data.Picture) {
			b := batchOf(p)
			left, top, right, bottom := int(a[0]), int(a[1]), int(a[2]), int(a[3])
			paste(p.Values, p.C/3, 3, p.W, p.H, left, right, top, bottom)
			mixTargets(b, 1-float64((right-left)*(bottom-top))/float64(p.H*p.W))
			sameTargets(t, extra("targets"), b)
		}},
	}
	cases, read := recorded(t)
	seen := map[string]bool{}
	for _, r := range cases {
		t.Run(r.Name, func(t *testing.T) {
			op, known := ops[r.Op]
			require.True(t, known, "operation %s", r.Op)
			seen[r.Op] = true
			p, want := read("picture/"+r.Picture), read(r.Name)
			op.make(p, r.Arguments, func(what string) data.Picture { return read(r.Name + "/" + what) })
			require.Len(t, p.Values, len(want.Values))
			for i, v := range p.Values {
				if !(math.Abs(float64(v-want.Values[i])) <= op.tolerance) {
					t.Fatalf("%s of %d x %d x %d: channel %d, row %d, column %d is %v, expected %v within %v", r.Name, p.C, p.H, p.W,
						i/(p.H*p.W), i/p.W%p.H, i%p.W, v, want.Values[i], op.tolerance)
				}
			}
		})
	}
	require.Len(t, seen, len(ops), "every operation has a recording")
}

// batchOf makes a batch of the pictures in p, three channels each, whose labels are 0, 1, 2...
func batchOf(p data.Picture) *data.Batch {
	n := p.C / 3
	b := &data.Batch{X: tensorOf([]int{n, 3, p.H, p.W}, p.Values)}
	for i := range n {
		b.Labels = append(b.Labels, int32(i))
	}
	return b
}

func tensorOf(shape []int, values []float32) *tensor.Dense {
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(values))
}

// sameTargets compares a batch's labels with the shares of the classes that torchvision gives each sample.
func sameTargets(t *testing.T, want data.Picture, b *data.Batch) {
	t.Helper()
	require.GreaterOrEqual(t, b.Mix.Share, 0.5)
	shares := make([]float32, len(want.Values))
	for i := range b.Labels {
		shares[i*want.W+int(b.Labels[i])] += float32(b.Mix.Share)
		shares[i*want.W+int(b.Mix.Labels[i])] += float32(1 - b.Mix.Share)
	}
	require.InDeltaSlice(t, want.Values, shares, 1e-6)
}
