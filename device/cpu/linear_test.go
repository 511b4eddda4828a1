package cpu_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/cpu"
	"fovea/device/philox"
	_ "fovea/device/reference"
)

// The layer and its activation at once are what they are one after the other, on both ways to multiply.
func TestLinearReLU(t *testing.T) {
	eachKernel(t, func(t *testing.T) {
		d, err := cpu.New(3)
		require.NoError(t, err)
		defer func() { require.NoError(t, d.Close()) }()
		src := philox.NewSource(philox.Stream{Seed: 31})
		for _, size := range [][3]int{{1, 20, 10}, {5, 33, 17}, {32, 100, 40}, {33, 70, 50}, {70, 20, 33}, {40, 0, 36}, {0, 4, 3}, {90, 31, 100}} {
			for _, bias := range []bool{false, true} {
				n, k, m := size[0], size[1], size[2]
				draw := func(shape ...int) *device.Tensor {
					data := make([]float32, device.Size(shape))
					for i := range data {
						data[i] = float32(src.Normal(0, 1))
					}
					x, err := device.FromSlice(d, shape, data)
					require.NoError(t, err)
					return x
				}
				x, w, b, y, z := draw(n, k), draw(m, k), draw(m), draw(n, m), draw(n, m)
				tensors := []*device.Tensor{x, w, b, y, z}
				if !bias {
					b = nil
				} else { // a sum that is no number stays none
					special := make([]float32, m)
					special[0], special[m-1] = float32(math.NaN()), float32(math.Inf(-1))
					require.NoError(t, d.Upload(b, special))
				}
				require.NoError(t, d.Linear(y, x, w, b))
				require.NoError(t, d.Activate(y, y, device.ActivationSpec{Kind: device.ReLU}))
				require.NoError(t, d.LinearReLU(z, x, w, b))
				want, err := y.Floats()
				require.NoError(t, err)
				got, err := z.Floats()
				require.NoError(t, err)
				for i, v := range want {
					if got[i] != v && !(math.IsNaN(got[i]) && math.IsNaN(v)) {
						t.Fatalf("%d x %d to %d, bias %t: element (%d, %d) is %v, one after the other %v (%s)", n, k, m, bias, i/m, i%m, got[i], v, d.Describe())
					}
				}
				for _, x := range tensors {
					x.Release()
				}
			}
		}
	})
}

// Products of the sizes of networks, each way to multiply among them, against the reference; bitwise alike with any threads.
func TestProductsOfNetworks(t *testing.T) {
	if testing.Short() {
		t.Skip("the reference takes seconds")
	}
	for _, size := range [][3]int{{200, 300, 410}, {16, 1100, 520}, {33, 400, 90}, {3, 2100, 70}, {600, 700, 700}} {
		n, k, m := size[0], size[1], size[2]
		src := philox.NewSource(philox.Stream{Seed: uint64(n)})
		data := func(n int) []float32 {
			x := make([]float32, n)
			for i := range x {
				x[i] = float32(src.Normal(0, 1))
			}
			return x
		}
		xs, ws, ys := data(n*k), data(m*k), data(n*m)
		products := func(d device.Device) (results [3][]float64) {
			upload := func(data []float32, shape ...int) *device.Tensor {
				x, err := device.FromSlice(d, tensor.Shape(shape), data)
				require.NoError(t, err)
				return x
			}
			x, w, dy := upload(xs, n, k), upload(ws, m, k), upload(ys, n, m)
			y, dx, dw := upload(ys, n, m), upload(xs, n, k), upload(ws, m, k)
			require.NoError(t, d.Linear(y, x, w, nil))
			require.NoError(t, d.MatMul(dx, dy, w, false, false))
			require.NoError(t, d.MatMul(dw, dy, x, true, false))
			for i, r := range []*device.Tensor{y, dx, dw} {
				var err error
				results[i], err = r.Floats()
				require.NoError(t, err)
			}
			for _, r := range []*device.Tensor{x, w, dy, y, dx, dw} {
				r.Release()
			}
			require.NoError(t, d.Close())
			return results
		}
		reference, err := device.Open("reference", device.Options{})
		require.NoError(t, err)
		want := products(reference)
		eachKernel(t, func(t *testing.T) {
			var one [3][]float64
			for _, threads := range []int{1, 2, 3} {
				d, err := cpu.New(threads)
				require.NoError(t, err)
				got := products(d)
				if threads == 1 {
					one = got
				}
				for i, name := range []string{"y", "dx", "dw"} {
					require.LessOrEqual(t, offBy(got[i], want[i]), 2e-6, "%d x %d to %d: %s (%s)", n, k, m, name, d.Describe())
					require.Equal(t, one[i], got[i], "%d x %d to %d, %d threads: %s has other bits than with one", n, k, m, threads, name)
				}
			}
		})
	}
}

// offBy is ||got - want|| / ||want||.
func offBy(got, want []float64) float64 {
	difference, size := 0.0, 0.0
	for i, w := range want {
		difference += (got[i] - w) * (got[i] - w)
		size += w * w
	}
	return math.Sqrt(difference / size)
}

// An infinity, or a number without a half as large above it, changes what depends on it and not one bit of the rest, and that with any threads.
func TestProductsOfWhatIsNotFinite(t *testing.T) {
	n := 660 // so many that AMX multiplies them
	if testing.Short() {
		n = 100
	}
	src := philox.NewSource(philox.Stream{Seed: 31})
	draw := func() []float32 {
		x := make([]float32, n*n)
		for i := range x {
			x[i] = float32(src.Intn(9) - 4)
		}
		return x
	}
	x, w := draw(), draw()
	w[5*n+3] = 0
	want := map[float32][]float64{}
	for _, odd := range []float32{float32(math.Inf(1)), math.MaxFloat32} {
		x[7*n+3] = odd
		for at := range n * n {
			i, j, sum := at/n, at%n, 0.0
			for k := range n {
				sum += float64(x[i*n+k]) * float64(w[j*n+k])
			}
			want[odd] = append(want[odd], sum)
		}
	}
	eachKernel(t, func(t *testing.T) {
		for odd, want := range want {
			var first []float32
			for _, threads := range []int{1, 2, 3} {
				d, err := cpu.New(threads)
				require.NoError(t, err)
				x[7*n+3] = odd
				y := product(t, d, x, w, n)
				require.NoError(t, d.Close())
				if first == nil {
					first = y
				}
				for at, v := range y {
					require.Equal(t, math.Float32bits(first[at]), math.Float32bits(v), "%d threads: element %d", threads, at)
					// Small integers are added exactly; row 7 has the odd one.
					if same := float32(want[at]) == v || math.IsNaN(want[at]) && math.IsNaN(float64(v)); !same {
						t.Fatalf("%v, %d threads: element (%d, %d) is %v, not %v", odd, threads, at/n, at%n, v, want[at])
					}
				}
			}
		}
	})
}

// product is x w^T, all n x n.
func product(t *testing.T, d device.Device, x, w []float32, n int) []float32 {
	var tensors [3]*device.Tensor
	for i, data := range [][]float32{x, w, make([]float32, n*n)} {
		var err error
		tensors[i], err = device.FromSlice(d, tensor.Shape{n, n}, data)
		require.NoError(t, err)
		defer tensors[i].Release()
	}
	require.NoError(t, d.Linear(tensors[2], tensors[0], tensors[1], nil))
	y := make([]float32, n*n)
	require.NoError(t, d.Download(y, tensors[2]))
	return y
}
