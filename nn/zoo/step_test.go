package zoo

import (
	"flag"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
	"fovea/device/devicetest"
	"fovea/device/philox"
	"fovea/nn"
)

// near is how far a loss, or in norm a gradient, may be from the reference's, relatively.
const near = 1e-5

// subject is a network that takes one training step.
type subject struct {
	name   string
	layer  func() nn.Layer
	batch  int
	sample tensor.Shape
}

const classes = 10

// Whole networks, of a size that the reference computes in seconds.
var (
	alexnetSmall    = subject{"alexnet", func() nn.Layer { return alexNet(64, classes) }, 2, tensor.Shape{3, 63, 63}}
	vgg16Narrow     = subject{"vgg16 narrow", func() nn.Layer { return vgg(narrowed(vgg16), 256, false, classes) }, 2, tensor.Shape{3, 32, 32}}
	googlenetNarrow = subject{"googlenet narrow", func() nn.Layer { return googLeNet(16, classes, true) }, 4, tensor.Shape{3, 80, 80}}
	resnet18Narrow  = subject{"resnet18 narrow", func() nn.Layer { return resnet(basicBlock, 16, [4]int{2, 2, 2, 2}, classes) }, 4, tensor.Shape{3, 33, 33}}
	resnet50Narrow  = subject{"resnet50 narrow", func() nn.Layer { return resnet(bottleneck, 16, [4]int{3, 4, 6, 3}, classes) }, 4, tensor.Shape{3, 33, 33}}
)

// headed puts a classifier on a block.
func headed(block nn.Layer, _ ...int) nn.Layer {
	return nn.Sequential(nn.Named("block", block), nn.GlobalAvgPool(), nn.Flatten(), nn.Named("fc", nn.Linear(classes)))
}

// narrowed is a column of vgg with an eighth of the filters.
func narrowed(column []int) []int {
	narrow := make([]int, len(column))
	for i, filters := range column {
		narrow[i] = filters / 8
	}
	return narrow
}

// step is what a training step computes.
type step struct {
	initial   map[string]uint64 // fingerprints of the weights and running statistics it began with
	loss      float64
	names     []string // of the parameters
	gradients [][]float64
	open      [][]bool // the units that each ReLU opened
}

// take computes forward and backward on d, with the first weights, input, labels and dropout masks that every device has.
func (s subject) take(t *testing.T, d device.Device) step {
	t.Helper()
	net, err := nn.Build(d, s.layer(), s.sample, 1)
	require.NoError(t, err)
	defer net.Release()
	tape := autograd.NewTape(d)
	defer tape.Reset()
	tape.Training, tape.Random = true, philox.Stream{Seed: 5, ID: 1}
	taken := step{initial: map[string]uint64{}}
	for _, s := range net.State() {
		values, err := s.Tensor.Floats()
		require.NoError(t, err)
		taken.initial[s.Name] = fingerprint(values)
	}
	tape.Observe = func(op, _ string, v *autograd.Value) error {
		if !strings.HasSuffix(op, "relu") {
			return nil
		}
		values, err := v.Tensor().Floats()
		open := make([]bool, len(values))
		for i, x := range values {
			open[i] = x != 0
		}
		taken.open = append(taken.open, open)
		return err
	}
	random := philox.NewSource(philox.Stream{Seed: 3})
	x, labels := make([]float32, s.batch*device.Size(s.sample)), make([]int32, s.batch)
	for i := range x {
		x[i] = float32(random.Normal(0, 1))
	}
	for i := range labels {
		labels[i] = int32(random.Intn(classes))
	}
	shape := append(tensor.Shape{s.batch}, s.sample...)
	truth := tape.Labels(labels)
	loss := nn.Loss(net.Forward(tape.Input(tensor.New(tensor.WithShape(shape...), tensor.WithBacking(x)))),
		func(y *autograd.Value) *autograd.Value { return autograd.CrossEntropy(y, truth) })
	require.NoError(t, tape.Backward(loss))
	taken.loss, err = loss.Item()
	require.NoError(t, err)
	for _, p := range net.Parameters {
		g, err := p.Grad().Floats()
		require.NoError(t, err)
		taken.names, taken.gradients = append(taken.names, p.Name), append(taken.gradients, g)
	}
	return taken
}

// fingerprint hashes bits (FNV-1a, a number at a time).
func fingerprint(values []float64) uint64 {
	hash := uint64(14695981039346656037)
	for _, v := range values {
		hash = (hash ^ math.Float64bits(v)) * 1099511628211
	}
	return hash
}

// on takes the step on the device of that name.
func (s subject) on(t *testing.T, name string) step {
	t.Helper()
	return s.take(t, open(t, name))
}

// follow takes the step on the device of that name with another device's units open, whose step is other.
func (s subject) follow(t *testing.T, name string, other step) step {
	t.Helper()
	return s.followWithin(t, name, other, nearZero)
}

// followWithin is follow for a device that is so far off, see nearZero.
func (s subject) followWithin(t *testing.T, name string, other step, near float64) step {
	t.Helper()
	f := &following{Device: open(t, name), open: other.open, near: near}
	taken := s.take(t, f)
	require.Len(t, f.open, f.next, "ReLUs")
	t.Logf("%d units forced on %s", f.forced, name)
	return taken
}

// distances are ||got - want|| / ||want|| for the gradient of each parameter.
func distances(t *testing.T, got, want step) []float64 {
	t.Helper()
	require.Equal(t, want.names, got.names)
	all := make([]float64, len(want.names))
	for p, name := range want.names {
		diff, norm := 0.0, 0.0
		require.Len(t, got.gradients[p], len(want.gradients[p]), name)
		for i, w := range want.gradients[p] {
			diff += (got.gradients[p][i] - w) * (got.gradients[p][i] - w)
			norm += w * w
		}
		require.Positive(t, norm, "gradient of %s", name)
		all[p] = math.Sqrt(diff / norm)
	}
	return all
}

// within holds the loss of a step, and every gradient, to a distance from another step that began with the same bits.
func within(t *testing.T, who string, got, want step, bound float64) (worst float64) {
	t.Helper()
	require.Equal(t, want.initial, got.initial, "%s: weights before the step", who)
	all := distances(t, got, want)
	worst = slices.Max(all)
	t.Logf("%s: loss %.8g, off by %.2g; gradients off by at most %.2g (%s)", who, got.loss, math.Abs(got.loss/want.loss-1), worst,
		want.names[slices.Index(all, worst)])
	require.InEpsilon(t, want.loss, got.loss, bound, "%s: loss", who)
	for p, name := range want.names {
		require.LessOrEqual(t, all[p], bound, "%s: gradient of %s", who, name)
	}
	return worst
}

// TestStepsAgreeWithReference takes a training step of blocks and of whole networks on the reference, on the cpu and on
// the device under test. A block's gradients are within 1e-5. In a network as deep as ResNet-50 or GoogLeNet rounding
// errors grow on the way: there the cpu keeps a bound that was measured, and the device under test is at most twice as far as the cpu.
func TestStepsAgreeWithReference(t *testing.T) {
	for _, row := range []struct {
		subject
		whole bool
		bound float64
	}{
		{subject{"inception", func() nn.Layer { return headed(Inception(64, 96, 128, 16, 32, 32)) }, 2, tensor.Shape{192, 5, 7}}, false, near},
		{subject{"inception, normalised", func() nn.Layer { return headed(normalisedInception(inceptions["3a"], 64)) }, 2, tensor.Shape{192, 5, 7}}, false, near},
		{subject{"basic block", func() nn.Layer { l, _ := basicBlock(64, 64, 1); return headed(l) }, 2, tensor.Shape{64, 7, 5}}, false, near},
		{subject{"basic block, projection", func() nn.Layer { l, _ := basicBlock(64, 128, 2); return headed(l) }, 2, tensor.Shape{64, 9, 11}}, false, near},
		{subject{"bottleneck", func() nn.Layer { l, _ := bottleneck(256, 64, 1); return headed(l) }, 2, tensor.Shape{256, 7, 5}}, false, near},
		{subject{"bottleneck, projection", func() nn.Layer { l, _ := bottleneck(128, 64, 2); return headed(l) }, 2, tensor.Shape{128, 9, 11}}, false, near},
		{subject{"basic block, zeros", func() nn.Layer { return headed(basicBlockWith(zeroPadded(16, 32, 2), 32, 2)) }, 2, tensor.Shape{16, 9, 11}}, false, near},
		{subject{"bottleneck, activated before", func() nn.Layer { return headed(preactivatedBottleneck(64, 16, 1)) }, 2, tensor.Shape{64, 9, 11}}, false, near},
		{subject{"bottleneck, activated before, projection", func() nn.Layer { return headed(preactivatedBottleneck(64, 32, 2)) }, 2, tensor.Shape{64, 9, 11}}, false, near},
		{subject{"two groups", func() nn.Layer {
			return headed(nn.Sequential(nn.Conv(32, 5, nn.Padding(2), nn.Groups(2)), nn.ReLU(), nn.LocalResponseNorm(acrossMaps), nn.MaxPool(3, nn.Stride(2))))
		}, 2, tensor.Shape{24, 9, 9}}, false, near},
		{subject{"alexnet-ungrouped", func() nn.Layer { return originalAlexNet(1, 64, classes) }, 1, tensor.Shape{3, 67, 67}}, true, near},
		{subject{"zfnet", func() nn.Layer { return zfNet(64, classes) }, 1, tensor.Shape{3, 47, 47}}, true, near},
		{googlenetNarrow, true, 1.5e-4},
		{subject{"googlenet-original narrow", func() nn.Layer { return googLeNetOriginal(8, classes, true) }, 2, tensor.Shape{3, 80, 80}}, true, near},
		{subject{"resnet20-cifar", func() nn.Layer { return resnetCIFAR(20, classes) }, 2, tensor.Shape{3, 16, 16}}, true, near},
		{subject{"resnet38-cifar, activated before", func() nn.Layer { return preactivatedCIFAR(38, classes) }, 2, tensor.Shape{3, 16, 16}}, true, 3e-5},
		{alexnetSmall, true, near},
		{vgg16Narrow, true, near},
		{resnet18Narrow, true, near},
		{resnet50Narrow, true, 3e-4},
	} {
		t.Run(row.name, func(t *testing.T) {
			if row.whole && testing.Short() {
				t.Skip("seconds on the reference device, a minute under the race detector")
			}
			cpu := row.on(t, "cpu")
			reference := row.follow(t, "reference", cpu)
			worst := within(t, "cpu", cpu, reference, row.bound)
			if devicetest.Fast() == "cpu" {
				return
			}
			tested := row.on(t, devicetest.Fast())
			if !slices.EqualFunc(tested.open, cpu.open, slices.Equal[[]bool]) {
				reference = row.follow(t, "reference", tested)
			}
			within(t, devicetest.Fast(), tested, reference, max(near, 2*worst))
		})
	}
}

// wholeOn is what TestWholeNetworksAgree compares with: the cpu in seconds, the reference in a minute or two.
var wholeOn = flag.String("whole-on", "cpu", "device that whole networks are compared with")

// TestWholeNetworksAgree takes a step of the networks as they are, too large for the reference in a test that is run
// often. The bounds are thrice what the cpu was off from the reference (-whole-on reference): its own share, and twice
// that for the device under test.
func TestWholeNetworksAgree(t *testing.T) {
	if devicetest.Fast() == *wholeOn {
		t.Skip("the device under test is the one to compare with (FOVEA_TEST_DEVICE)")
	}
	if testing.Short() {
		t.Skip("tens of millions of weights")
	}
	for _, row := range []struct {
		model string
		layer func() nn.Layer
		side  int
		batch int
		bound float64
	}{
		{"vgg16", func() nn.Layer { return vgg(vgg16, 512, false, classes) }, 32, 2, near},                          // the cpu: 1.3e-6
		{"resnet18", func() nn.Layer { return resnet(basicBlock, 64, [4]int{2, 2, 2, 2}, classes) }, 33, 4, 1.5e-5}, // the cpu: 4.8e-6
		{"resnet50", func() nn.Layer { return resnet(bottleneck, 64, [4]int{3, 4, 6, 3}, classes) }, 33, 4, 3.6e-4}, // the cpu: 1.2e-4
	} {
		t.Run(row.model, func(t *testing.T) {
			s := subject{row.model, row.layer, row.batch, tensor.Shape{3, row.side, row.side}}
			tested := s.on(t, devicetest.Fast())
			within(t, devicetest.Fast(), tested, s.follow(t, *wholeOn, tested), row.bound)
		})
	}
}
