package zoo

import (
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"hash/crc32"
	"maps"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/nlpodyssey/safetensors"
	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
	"fovea/device/devicetest"
	"fovea/device/philox"
	"fovea/nn"
	"fovea/nn/optim"
)

// What torchvision's networks compute was recorded by scripts/record_torchvision.py, which says what is in the files. Weights
// and pictures are functions of a name and an index, the same here and there.

// everyNetwork adds the networks that take long: minutes on the reference, with 5 GiB of memory for the largest.
//
//	go test ./nn/zoo -run Torchvision -every-network -timeout 3h -v
var everyNetwork = flag.Bool("every-network", false, "compare every network with torchvision, not only the quick ones")

// Those whose recordings are compared each time.
var (
	quickLogits    = []string{"resnet18", "googlenet"}
	quickReference = []string{"mlp", "cnn-small", "cnn-large"}
	quickSteps     = []string{"mlp", "cnn-small"}
	quickSingle    = []string{"mlp", "cnn-small", "cnn-large", "resnet18", "googlenet"}
	singleSteps    = []string{"mlp", "cnn-small", "cnn-large"}
)

// compare runs a test for the quick networks, or with -every-network for all that torchvision has and the lecture's.
func compare(t *testing.T, quick []string, test func(t *testing.T, r *recorded)) {
	t.Helper()
	names, all := quick, recordings(t)
	if *everyNetwork {
		names = slices.Sorted(maps.Keys(readTable(t).State))
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, all, name, "scripts/record_torchvision.py %s records it", name)
			test(t, all[name])
		})
	}
}

// recorded is a network's recording.
type recorded struct {
	Model              string
	Side, Batch, Seed  int
	Rate               float64
	FullDistance       float64   `json:"full_distance"` // of PyTorch in float32 from itself in float64
	LogitsDistance     float64   `json:"logits_distance"`
	GradientsDistances []float64 `json:"gradients_distances"` // in three ways
	state              []entry
	full, logits, loss []float64
	gradients, weights []row // of the parameters, of the state
}

type entry struct {
	name  string
	shape []int
}

// UnmarshalJSON reads ["name", [shape]].
func (e *entry) UnmarshalJSON(text []byte) error {
	return json.Unmarshal(text, &[2]any{&e.name, &e.shape})
}

const signs = 8

// row stands for an array: its norm, and its sums with random signs.
type row [1 + signs]float64

// table is what the recordings say of themselves.
type table struct {
	State map[string][]entry // names and shapes
	Cases map[string]*recorded
}

func readTable(t *testing.T) (told table) {
	t.Helper()
	text, err := os.ReadFile("testdata/torchvision.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &told))
	return told
}

// recordings reads all of them, by name.
func recordings(t *testing.T) map[string]*recorded {
	t.Helper()
	told := readTable(t)
	content, err := os.ReadFile("testdata/torchvision.safetensors")
	require.NoError(t, err)
	file, err := safetensors.Deserialize(content)
	require.NoError(t, err)
	numbers := func(name string) (values []float64) {
		view, there := file.Tensor(name)
		if !there {
			return nil
		}
		for data := view.Data(); len(data) > 0; data = data[8:] {
			values = append(values, math.Float64frombits(binary.LittleEndian.Uint64(data)))
		}
		return values
	}
	rows := func(name string) (rows []row) {
		for part := range slices.Chunk(numbers(name), 1+signs) {
			rows = append(rows, row(part))
		}
		return rows
	}
	for name, r := range told.Cases {
		r.state = told.State[name]
		r.full, r.logits, r.loss = numbers(name+"/full"), numbers(name+"/logits"), numbers(name+"/loss")
		r.gradients, r.weights = rows(name+"/gradients"), rows(name+"/weights")
		require.Len(t, r.weights, len(r.state), name)
	}
	return told.Cases
}

// word is murmur3's last mixing of an index and a hashed name.
func word(name uint32, i int) uint32 {
	h := uint32(i)*0x9E3779B9 + name
	h ^= h >> 16
	h *= 0x85EBCA6B
	h ^= h >> 13
	h *= 0xC2B2AE35
	return h ^ h>>16
}

func hashed(name string) uint32 { return crc32.ChecksumIEEE([]byte(name)) }

// spread are n numbers from middle-half to middle+half.
func spread(name string, n int, middle, half float64) []float32 {
	values, hash := make([]float32, n), hashed(name)
	for i := range values {
		u := float32(word(hash, i)>>8)*0x1p-23 - 1
		values[i] = float32(middle) + float32(float32(half)*u)
	}
	return values
}

// formula are the weights of that name.
func formula(name string, shape tensor.Shape) []float32 {
	n := device.Size(shape)
	ends := func(end string) bool { return len(name) >= len(end) && name[len(name)-len(end):] == end }
	switch {
	case len(shape) > 1:
		return spread(name, n, 0, math.Sqrt(6/float64(device.Size(shape[1:]))))
	case ends("running_var"):
		return spread(name, n, 1, 0.5)
	case ends("weight"):
		return spread(name, n, 1, 0.25)
	}
	return spread(name, n, 0, 0.1)
}

// built is a network with the formula's weights.
func built(t *testing.T, d device.Device, layer nn.Layer, sample tensor.Shape) *nn.Network {
	t.Helper()
	net, err := nn.Build(d, layer, sample, 1)
	require.NoError(t, err)
	for _, s := range net.State() {
		require.NoError(t, d.Upload(s.Tensor, formula(s.Name, s.Tensor.Shape)))
	}
	return net
}

// small is the network of the recording: few classes, and for VGG narrow hidden layers.
func (r *recorded) small(t *testing.T, d device.Device) *nn.Network {
	t.Helper()
	model, err := Find(r.Model)
	require.NoError(t, err)
	layer := model.New(classes)
	columns := map[string][]int{"vgg11": vgg11, "vgg13": vgg13, "vgg16": vgg16, "vgg19": vgg19}
	for name, column := range columns {
		if r.Model == name || r.Model == name+"_bn" {
			layer = vgg(column, 256, r.Model != name, classes)
		}
	}
	return built(t, d, layer, tensor.Shape{model.Sample[0], r.Side, r.Side})
}

// pictures is the recording's batch.
func (r *recorded) pictures(net *nn.Network) (*tensor.Dense, []int32) {
	shape := tensor.Shape{r.Batch, net.Input[1], r.Side, r.Side}
	x := spread(fmt.Sprintf("pictures/%d", r.Seed), device.Size(shape), 0, 1)
	labels, hash := make([]int32, r.Batch), hashed(fmt.Sprintf("labels/%d", r.Seed))
	for i := range labels {
		labels[i] = int32(word(hash, i) % classes)
	}
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(x)), labels
}

// evaluate gives the logits.
func evaluate(t *testing.T, net *nn.Network, x *tensor.Dense) []float64 {
	t.Helper()
	tape := autograd.NewTape(net.Device)
	defer tape.Reset()
	tape.NoGrad = true
	y := net.Forward(tape.Input(x))
	require.NoError(t, tape.Err())
	values, err := y.Tensor().Floats()
	require.NoError(t, err)
	return values
}

// step computes a loss and the gradients.
func (r *recorded) step(t *testing.T, net *nn.Network, tape *autograd.Tape, number int) (loss float64) {
	t.Helper()
	tape.Reset()
	tape.Training, tape.Random = true, philox.Stream{Seed: 5, ID: uint64(number)}
	x, labels := r.pictures(net)
	y := net.Forward(tape.Input(x))
	truth := tape.Labels(labels)
	mean := nn.Loss(y, func(y *autograd.Value) *autograd.Value { return autograd.CrossEntropy(y, truth) })
	net.ZeroGrad()
	require.NoError(t, tape.Backward(mean))
	loss, err := mean.Item()
	require.NoError(t, err)
	return loss
}

// sums makes the row of an array.
func sums(values []float64) (r row) {
	hash, squares := hashed("signs"), 0.0
	for i, v := range values {
		squares += v * v
		w := word(hash, i)
		for k := range signs {
			if w>>k&1 == 1 {
				r[1+k] -= v
			} else {
				r[1+k] += v
			}
		}
	}
	r[0] = math.Sqrt(squares)
	return r
}

// squared estimates the square of the distance of the arrays that two rows stand for.
func squared(got, want row) (sum float64) {
	for k := 1; k <= signs; k++ {
		sum += (got[k] - want[k]) * (got[k] - want[k]) / signs
	}
	return sum
}

// near holds each array to a relative distance from its recording, and returns the distance of all together. A convolution's bias
// before a batch normalisation has a gradient of zero but for rounding: what is that small, seen beside all, may be off by as much
// as a bound of all.
func (r *recorded) near(t *testing.T, of string, names []string, got, want []row, bound float64) float64 {
	t.Helper()
	require.Len(t, got, len(want), of)
	off, norm, worst, at := 0.0, 0.0, 0.0, ""
	for _, w := range want {
		norm += w[0] * w[0]
	}
	norm = math.Sqrt(norm)
	for i, w := range want {
		distance, size := math.Sqrt(squared(got[i], w)), w[0]
		if size < 1e-12*norm {
			size = norm
		}
		if share := distance / size; !(share <= worst) {
			worst, at = share, names[i]
		}
		require.False(t, distance > bound*size || math.IsNaN(distance), "%s: %s of %s is off by %.3g, expected at most %.3g", r.Model, of, names[i], distance/size, bound)
		off += distance * distance
	}
	together := math.Sqrt(off) / norm
	t.Logf("%s: %s off by %.2g together, by at most %.2g (%s)", r.Model, of, together, worst, at)
	return together
}

// gradientRows are the rows of a network's gradients, in the recording's order.
func (r *recorded) gradientRows(t *testing.T, net *nn.Network) (names []string, rows []row) {
	t.Helper()
	by := map[string]*autograd.Value{}
	for _, p := range net.Parameters {
		by[p.Name] = p
	}
	for _, e := range r.state {
		if p, is := by[e.name]; is {
			values, err := p.Grad().Floats()
			require.NoError(t, err, e.name)
			names, rows = append(names, e.name), append(rows, sums(values))
		}
	}
	require.Len(t, names, len(net.Parameters))
	return names, rows
}

// stateRows are the rows of a network's state, in the recording's order.
func (r *recorded) stateRows(t *testing.T, net *nn.Network) (names []string, rows []row) {
	t.Helper()
	by := map[string]*device.Tensor{}
	for _, s := range net.State() {
		by[s.Name] = s.Tensor
	}
	for _, e := range r.state {
		values, err := by[e.name].Floats()
		require.NoError(t, err)
		names, rows = append(names, e.name), append(rows, sums(values))
	}
	return names, rows
}

// train makes 20 steps and compares what came of them. Rates may be so small that a bound of the weights says little: of the way
// that the parameters went, no more than a thousandth may be missing.
func (r *recorded) train(t *testing.T, d device.Device, bound float64) {
	t.Helper()
	net := r.small(t, d)
	defer net.Release()
	_, start := r.stateRows(t, net)
	tape := autograd.NewTape(d)
	defer tape.Reset()
	o, err := optim.New(d, optim.Config{Method: "sgd", Rate: r.Rate, Momentum: 0.9, WeightDecay: 5e-4}, net.Parameters)
	require.NoError(t, err)
	defer o.Release()
	for i, want := range r.loss {
		require.InDelta(t, want, r.step(t, net, tape, i), math.Sqrt(bound)*(want+0.01), "%s: loss of step %d", r.Model, i)
		require.NoError(t, o.Step())
	}
	tape.Reset()
	names, rows := r.stateRows(t, net)
	r.near(t, fmt.Sprintf("weights after 20 steps on %s", d.Name()), names, rows, r.weights, bound)
	off, way := 0.0, 0.0
	for i, name := range names {
		if slices.ContainsFunc(net.Parameters, func(p *autograd.Value) bool { return p.Name == name }) {
			off, way = off+squared(rows[i], r.weights[i]), way+squared(start[i], r.weights[i])
		}
	}
	t.Logf("%s: parameters off by %.2g of the way", r.Model, math.Sqrt(off/way))
	require.Less(t, math.Sqrt(off), 1e-3*math.Sqrt(way), "%s on %s", r.Model, d.Name())
}

// TestTorchvisionNames: every network of torchvision has its state dictionary's names and shapes, so that weights travel
// both ways.
func TestTorchvisionNames(t *testing.T) {
	told := readTable(t)
	require.Len(t, told.State, 18)
	for name, state := range told.State {
		model, err := Find(name)
		require.NoError(t, err)
		outputs := 1000
		if model.Sample[0] == 1 { // the lecture's
			outputs = classes
		}
		net, err := nn.Describe(model.New(outputs), model.Sample)
		require.NoError(t, err)
		have, want := map[string]string{}, map[string]string{}
		for _, s := range net.State() {
			have[s.Name] = fmt.Sprint([]int(s.Tensor.Shape))
		}
		for _, e := range state {
			want[e.name] = fmt.Sprint(e.shape)
		}
		require.Equal(t, want, have, name)
	}
}

// TestTorchvisionLogits compares the logits of the networks as they are, at the size they were designed for.
func TestTorchvisionLogits(t *testing.T) {
	if testing.Short() {
		t.Skip("tens of millions of weights")
	}
	compare(t, quickLogits, func(t *testing.T, r *recorded) {
		if r.full == nil {
			t.Skip("torchvision has no such network")
		}
		model, err := Find(r.Model)
		require.NoError(t, err)
		d := open(t, devicetest.Fast())
		net := built(t, d, model.New(1000), model.Sample)
		defer net.Release()
		x := spread("picture", 3*224*224, 0, 1)
		got := evaluate(t, net, tensor.New(tensor.WithShape(1, 3, 224, 224), tensor.WithBacking(x)))
		off := apart(got, r.full)
		t.Logf("%s: off by %.2g on %s, PyTorch in float32 by %.2g", r.Model, off, d.Name(), r.FullDistance)
		require.LessOrEqual(t, off, 1e-5, "%s on %s", r.Model, d.Name())
	})
}

// apart is ||got - want|| / ||want||.
func apart(got, want []float64) float64 {
	diff, norm := 0.0, 0.0
	for i, w := range want {
		diff += (got[i] - w) * (got[i] - w)
		norm += w * w
	}
	if len(got) != len(want) {
		return math.Inf(1)
	}
	return math.Sqrt(diff / norm)
}

// TestTorchvisionOnReference compares the definition, in float64, with PyTorch in float64.
func TestTorchvisionOnReference(t *testing.T) {
	if testing.Short() {
		t.Skip("seconds on the reference device")
	}
	compare(t, quickReference, func(t *testing.T, r *recorded) {
		d := open(t, "reference")
		net := r.small(t, d)
		defer net.Release()
		x, _ := r.pictures(net)
		off := apart(evaluate(t, net, x), r.logits)
		t.Logf("%s: logits off by %.2g", r.Model, off)
		require.LessOrEqual(t, off, 1e-10, r.Model)
		tape := autograd.NewTape(d)
		defer tape.Reset()
		require.InEpsilon(t, r.loss[0], r.step(t, net, tape, 0), 1e-10, r.Model)
		tape.Reset()
		named, rows := r.gradientRows(t, net)
		r.near(t, "gradient", named, rows, r.gradients, 1e-8)
	})
}

// TestTorchvisionStepsOnReference compares the weights after 20 steps of SGD with momentum and weight decay.
func TestTorchvisionStepsOnReference(t *testing.T) {
	if testing.Short() {
		t.Skip("seconds on the reference device")
	}
	compare(t, quickSteps, func(t *testing.T, r *recorded) { r.train(t, open(t, "reference"), 1e-7) })
}

// TestTorchvisionInSinglePrecision: logits within 1e-5, and gradients no farther from float64 than twice what PyTorch's are
// in float32.
func TestTorchvisionInSinglePrecision(t *testing.T) {
	if testing.Short() {
		t.Skip("tens of millions of weights")
	}
	compare(t, quickSingle, func(t *testing.T, r *recorded) {
		d, most := open(t, devicetest.Fast()), 2.0
		if d.Name() != "cpu" { // the emulated GPU adds one number after the other, where vectors keep partial sums
			most = max(4, near/r.gradientsDistance())
		}
		r.single(t, d, most)
	})
}

// gradientsDistance is how far PyTorch's gradients in float32 are from float64: the middle one of its ways to compute them, which are
// up to 100 times as far off as each other where batch normalisations of few pixels amplify rounding.
func (r *recorded) gradientsDistance() float64 {
	return slices.Sorted(slices.Values(r.GradientsDistances))[len(r.GradientsDistances)/2]
}

// single compares logits and gradients; most is how many times PyTorch's distance the gradients may be off.
func (r *recorded) single(t *testing.T, d device.Device, most float64) {
	t.Helper()
	net := r.small(t, d)
	defer net.Release()
	x, _ := r.pictures(net)
	off := apart(evaluate(t, net, x), r.logits)
	t.Logf("%s: logits off by %.2g on %s, PyTorch in float32 by %.2g", r.Model, off, d.Name(), r.LogitsDistance)
	require.LessOrEqual(t, off, 1e-5, "%s on %s", r.Model, d.Name())
	tape := autograd.NewTape(d)
	defer tape.Reset()
	require.InEpsilon(t, r.loss[0], r.step(t, net, tape, 0), max(5e-5, r.gradientsDistance()/50), r.Model) // batch norms of few pixels amplify rounding
	tape.Reset()
	named, rows := r.gradientRows(t, net)
	together := r.near(t, "gradient on "+d.Name(), named, rows, r.gradients, math.Inf(1))
	t.Logf("%s: that is %.2g times PyTorch's distance, at most %.2g", r.Model, together/r.gradientsDistance(), most)
	require.LessOrEqual(t, together, most*r.gradientsDistance(), "%s on %s: PyTorch in float32 is off by %.3g", r.Model, d.Name(), r.GradientsDistances)
}

// TestTorchvisionStepsInSinglePrecision: the lecture's networks and AlexNet stay within 1e-4 for 20 steps.
func TestTorchvisionStepsInSinglePrecision(t *testing.T) {
	if testing.Short() {
		t.Skip("20 steps")
	}
	all := recordings(t)
	names := singleSteps
	if *everyNetwork {
		names = append(names, "alexnet")
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) { all[name].train(t, open(t, devicetest.Fast()), 1e-4) })
	}
}
