package optim_test

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/nlpodyssey/safetensors"
	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/autograd/faulty"
	"fovea/device"
	_ "fovea/device/all"
	"fovea/device/devicetest"
	"fovea/nn/optim"
)

// recording is five steps that scripts/record_pytorch.py made in PyTorch in float64.
type recording struct {
	Name, Op string
	Attrs    struct {
		LR, Momentum, Alpha, Beta1, Beta2, Eps float64
		Nesterov                               bool
		WeightDecay                            float64 `json:"weight_decay"`
	}
	Params, Grads []string
}

func (r recording) config() optim.Config {
	a := r.Attrs
	c := optim.Config{Method: r.Op, Rate: a.LR, Momentum: a.Momentum, WeightDecay: a.WeightDecay, Beta1: a.Beta1, Beta2: a.Beta2, Epsilon: a.Eps}
	switch {
	case a.Nesterov:
		c.Method = "nesterov"
	case r.Op == "rmsprop":
		c.Beta2 = a.Alpha
	}
	return c
}

func recordings(t *testing.T) ([]recording, map[string]*tensor.Dense) {
	t.Helper()
	text, err := os.ReadFile("../../autograd/testdata/optim.json")
	require.NoError(t, err)
	var index struct{ Cases []recording }
	require.NoError(t, json.Unmarshal(text, &index))
	raw, err := os.ReadFile("../../autograd/testdata/optim.safetensors")
	require.NoError(t, err)
	file, err := safetensors.Deserialize(raw)
	require.NoError(t, err)
	tensors := map[string]*tensor.Dense{}
	for _, name := range file.Names() {
		view, _ := file.Tensor(name)
		require.Equal(t, safetensors.F64, view.DType(), name)
		floats := make([]float64, len(view.Data())/8)
		for i := range floats {
			floats[i] = math.Float64frombits(binary.LittleEndian.Uint64(view.Data()[8*i:]))
		}
		require.Len(t, view.Shape(), 2, name)
		tensors[name] = tensor.New(tensor.WithShape(int(view.Shape()[0]), int(view.Shape()[1])), tensor.WithBacking(floats))
	}
	return index.Cases, tensors
}

func open(t *testing.T, name string) device.Device {
	t.Helper()
	d, err := device.Open(name, device.Options{Deterministic: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) }) // fails if a tensor is left
	return d
}

func parameter(t *testing.T, d device.Device, name string, dense *tensor.Dense) *autograd.Value {
	t.Helper()
	p, err := autograd.NewParameter(d, name, dense)
	require.NoError(t, err)
	t.Cleanup(p.Release)
	return p
}

// backward gives parameters the gradients g: those of the sum of p*g.
func backward(t *testing.T, d device.Device, g *tensor.Dense, params ...*autograd.Value) {
	t.Helper()
	tape := autograd.NewTape(d)
	defer tape.Reset()
	for _, p := range params {
		tape.Reset()
		p.ZeroGrad()
		require.NoError(t, tape.Backward(autograd.Sum(autograd.Mul(p, tape.Input(g)), false)))
	}
}

func floats(t *testing.T, x *device.Tensor) []float64 {
	t.Helper()
	f, err := x.Floats()
	require.NoError(t, err)
	return f
}

func distance(got, want []float64) float64 {
	diff, norm := 0.0, 0.0
	for i := range want {
		diff += (got[i] - want[i]) * (got[i] - want[i])
		norm += want[i] * want[i]
	}
	return math.Sqrt(diff / norm)
}

// TestAgreesWithPyTorch holds five steps of every method to the recordings.
func TestAgreesWithPyTorch(t *testing.T) {
	cases, tensors := recordings(t)
	limits := map[string]float64{"reference": 1e-10, devicetest.Fast(): 1e-5}
	type feature struct {
		method          string
		momentum, decay bool
	}
	covered := map[feature]bool{}
	for name, limit := range limits {
		d := open(t, name)
		for _, r := range cases {
			c := r.config()
			covered[feature{c.Method, c.Momentum > 0, c.WeightDecay > 0}] = true
			t.Run(name+"/"+r.Name, func(t *testing.T) {
				require.Len(t, r.Grads, 5)
				p := parameter(t, d, "p", tensors[r.Params[0]])
				o, err := optim.New(d, c, []*autograd.Value{p})
				require.NoError(t, err)
				defer o.Release()
				for i, g := range r.Grads {
					backward(t, d, tensors[g], p)
					require.NoError(t, o.Step())
					require.Equal(t, i+1, o.Steps)
					want := tensors[r.Params[i+1]].Data().([]float64)
					require.LessOrEqual(t, distance(floats(t, p.Tensor()), want), limit, "after step %d", i+1)
				}
			})
		}
	}
	for _, method := range optim.Methods() {
		plain := feature{method: method, momentum: method == "nesterov"}
		decayed := plain
		decayed.decay = true
		require.True(t, covered[plain], "no recording of %s", method)
		require.True(t, covered[decayed], "no recording of %s with weight decay", method)
	}
	for _, method := range []string{"sgd", "rmsprop"} {
		require.True(t, covered[feature{method, true, false}] || covered[feature{method, true, true}], "no recording of %s with momentum", method)
	}
}

// TestWeightDecayIsTheRegulariser: coupled weight decay is the gradient of C + (lambda/2) W^2, as the lecture has it.
func TestWeightDecayIsTheRegulariser(t *testing.T) {
	const lambda = 0.25
	d := open(t, "reference")
	start := tensor.New(tensor.WithBacking([]float64{1, -2, 4}))
	g := tensor.New(tensor.WithBacking([]float64{3, 0.5, -1}))
	one, two := parameter(t, d, "one", start), parameter(t, d, "two", start)
	tape := autograd.NewTape(d)
	defer tape.Reset()
	square := autograd.Sum(autograd.Mul(tape.Use(one), one), false)
	cost := autograd.Add(autograd.Sum(autograd.Mul(one, tape.Input(g)), false), autograd.Scale(square, lambda/2, 0))
	require.NoError(t, tape.Backward(cost))
	backward(t, d, g, two)
	for _, row := range []struct {
		p     *autograd.Value
		decay float64
	}{{one, 0}, {two, lambda}} {
		o, err := optim.New(d, optim.Config{Method: "sgd", Rate: 0.1, WeightDecay: row.decay}, []*autograd.Value{row.p})
		require.NoError(t, err)
		defer o.Release()
		require.NoError(t, o.Step())
	}
	// 1 - 0.1*(3 + 0.25), -2 - 0.1*(0.5 - 0.5), 4 - 0.1*(-1 + 1)
	require.InDeltaSlice(t, []float64{0.675, -2, 4}, floats(t, two.Tensor()), 1e-15)
	require.InDeltaSlice(t, floats(t, one.Tensor()), floats(t, two.Tensor()), 1e-15)
}

func TestFrozenAndUntouchedParametersStay(t *testing.T) {
	start := tensor.New(tensor.WithBacking([]float64{1, -2, 4}))
	g := tensor.New(tensor.WithBacking([]float64{1, 1, 1}))
	for _, device := range devicetest.Names() {
		for _, method := range optim.Methods() {
			t.Run(device+"/"+method, func(t *testing.T) {
				d := open(t, device)
				moved, frozen, untouched := parameter(t, d, "moved", start), parameter(t, d, "frozen", start), parameter(t, d, "untouched", start)
				late := parameter(t, d, "late", start)
				late.Frozen = true
				c, err := optim.Defaults(method)
				require.NoError(t, err)
				c.WeightDecay = 0.1 // must not shrink what gets no gradient
				o, err := optim.New(d, c, []*autograd.Value{moved, frozen, untouched, late})
				require.NoError(t, err)
				defer o.Release()
				backward(t, d, g, moved, frozen)
				frozen.Frozen = true // after its gradient came
				require.NoError(t, o.Step())
				require.NotEqual(t, []float64{1, -2, 4}, floats(t, moved.Tensor()))
				for _, p := range []*autograd.Value{frozen, untouched, late} {
					require.Equal(t, []float64{1, -2, 4}, floats(t, p.Tensor()), p.Name)
				}
				late.Frozen = false // thawed later: its state is made then
				backward(t, d, g, late)
				require.NoError(t, o.Step())
				require.NotEqual(t, []float64{1, -2, 4}, floats(t, late.Tensor()))
			})
		}
	}
}

func TestConfigCheck(t *testing.T) {
	change := func(method string, set func(c *optim.Config)) optim.Config {
		c, err := optim.Defaults(method)
		require.NoError(t, err)
		set(&c)
		return c
	}
	nan, inf := math.NaN(), math.Inf(1)
	for _, row := range []struct {
		name string
		c    optim.Config
		want string
	}{
		{"unknown", optim.Config{Method: "sdg", Rate: 1}, `optimizer: "sdg" is unknown, expected one of sgd, nesterov, rmsprop, adam, adamw`},
		{"no rate", change("sgd", func(c *optim.Config) { c.Rate = 0 }), "optimizer: learning rate 0, expected a finite number above 0"},
		{"negative rate", change("adam", func(c *optim.Config) { c.Rate = -1 }), "optimizer: learning rate -1, expected a finite number above 0"},
		{"NaN rate", change("adam", func(c *optim.Config) { c.Rate = nan }), "optimizer: learning rate NaN, expected a finite number above 0"},
		{"infinite rate", change("adam", func(c *optim.Config) { c.Rate = inf }), "optimizer: learning rate +Inf, expected a finite number above 0"},
		{"negative decay", change("sgd", func(c *optim.Config) { c.WeightDecay = -0.1 }), "optimizer: weight decay -0.1, expected a finite number of at least 0"},
		{"infinite decay", change("sgd", func(c *optim.Config) { c.WeightDecay = inf }), "optimizer: weight decay +Inf, expected a finite number of at least 0"},
		{"momentum 1", change("sgd", func(c *optim.Config) { c.Momentum = 1 }), "optimizer: momentum 1, expected at least 0 and below 1"},
		{"NaN momentum", change("sgd", func(c *optim.Config) { c.Momentum = nan }), "optimizer: momentum NaN, expected at least 0 and below 1"},
		{"adam's momentum", change("adam", func(c *optim.Config) { c.Momentum = 0.9 }), "optimizer: adam has no momentum, found 0.9 (its betas play that part)"},
		{"nesterov without", change("nesterov", func(c *optim.Config) { c.Momentum = 0 }), "optimizer: nesterov needs a momentum above 0"},
		{"beta 1", change("adamw", func(c *optim.Config) { c.Beta1 = 1 }), "optimizer: betas 1 and 0.999, expected at least 0 and below 1"},
		{"beta 2", change("rmsprop", func(c *optim.Config) { c.Beta2 = -0.5 }), "optimizer: betas 0 and -0.5, expected at least 0 and below 1"},
		{"epsilon", change("adam", func(c *optim.Config) { c.Epsilon = -1e-8 }), "optimizer: epsilon -1e-08, expected a finite number of at least 0"},
	} {
		require.EqualError(t, row.c.Check(), row.want, row.name)
		_, err := optim.New(open(t, devicetest.Fast()), row.c, nil)
		require.EqualError(t, err, row.want, row.name)
	}
	for _, method := range optim.Methods() {
		require.NoError(t, change(method, func(*optim.Config) {}).Check(), method)
	}
	_, err := optim.Defaults("")
	require.EqualError(t, err, `optimizer: "" is unknown, expected one of sgd, nesterov, rmsprop, adam, adamw`)
}

func TestWrongParameters(t *testing.T) {
	reference, cpu := open(t, "reference"), open(t, devicetest.Fast())
	here := parameter(t, cpu, "here", tensor.New(tensor.WithBacking([]float64{1})))
	foreign := parameter(t, reference, "foreign", tensor.New(tensor.WithBacking([]float64{1})))
	c, err := optim.Defaults("adam")
	require.NoError(t, err)
	_, err = optim.New(cpu, c, []*autograd.Value{here, foreign})
	require.EqualError(t, err, "optimizer: parameter foreign is on device reference, expected "+devicetest.Fast())
	foreign.Release()
	_, err = optim.New(cpu, c, []*autograd.Value{here, foreign})
	require.EqualError(t, err, "optimizer: parameter foreign was released")

	live := cpu.Stats().LiveTensors
	o, err := optim.New(cpu, c, []*autograd.Value{here})
	require.NoError(t, err)
	require.Equal(t, live+2, cpu.Stats().LiveTensors, "adam remembers two tensors")
	o.Release()
	o.Release() // twice does nothing
	require.Equal(t, live, cpu.Stats().LiveTensors)
	require.EqualError(t, o.Step(), "optimizer: step after Release")
}

// TestFailingDevice: New gives back what it made; a failing update is an error.
func TestFailingDevice(t *testing.T) {
	inner := open(t, devicetest.Fast())
	d := faulty.New(inner)
	g := tensor.New(tensor.WithBacking([]float64{1, 2}))
	a, b := parameter(t, d, "a", g), parameter(t, d, "b", g)
	backward(t, d, g, a, b)
	live := inner.Stats().LiveTensors
	for _, method := range optim.Methods() {
		c, err := optim.Defaults(method)
		require.NoError(t, err)
		for n := 1; ; n++ {
			d.Calls, d.FailAt = 0, n
			o, err := optim.New(d, c, []*autograd.Value{a, b})
			if err == nil {
				err = o.Step()
				o.Release()
			}
			require.Equal(t, live, inner.Stats().LiveTensors, "%s: left after call %d failed", method, n)
			if err == nil {
				require.Greater(t, n, 1, method)
				break
			}
			require.ErrorIs(t, err, faulty.ErrInjected, "%s: call %d", method, n)
		}
	}
}
