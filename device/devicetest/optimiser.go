package devicetest

import (
	"fmt"

	"fovea/device"
	"fovea/device/philox"
)

func optimiserRows() []Row {
	return []Row{
		optimiserRow("sgd", sgdCase,
			device.SGDSpec{Rate: 0.1},
			device.SGDSpec{Rate: 0.1, WeightDecay: 0.5},
			device.SGDSpec{Rate: 0.1, Momentum: 0.9},
			device.SGDSpec{Rate: 0.1, Momentum: 0.9, WeightDecay: 0.5},
			device.SGDSpec{Rate: 0.1, Momentum: 0.9, Nesterov: true},
			device.SGDSpec{Rate: 0.1, Momentum: 0.9, WeightDecay: 0.5, Nesterov: true}),
		optimiserRow("rmsprop", rmspropCase,
			device.RMSPropSpec{Rate: 0.1, Decay: 0.9, Epsilon: 1e-2},
			device.RMSPropSpec{Rate: 0.1, Decay: 0.99, Epsilon: 1e-8, WeightDecay: 0.5},
			device.RMSPropSpec{Rate: 0.1, Decay: 0.9, Epsilon: 1e-8, Momentum: 0.9, WeightDecay: 0.5}),
		optimiserRow("adam", adamCase,
			adamSteps{device.AdamSpec{Rate: 0.1, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8}, []int{1, 2, 3}},
			adamSteps{device.AdamSpec{Rate: 0.1, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-2, WeightDecay: 0.5}, []int{1, 2, 100}},
			adamSteps{device.AdamSpec{Rate: 0.1, Beta1: 0.8, Beta2: 0.99, Epsilon: 1e-8, WeightDecay: 0.5, Decoupled: true}, []int{1, 2, 1000}}),
	}
}

// optimiserRow tries each of the specs on a list of parameters, and any on one.
func optimiserRow[S any](op string, try func(s S, shapes []shape) Case, specs ...S) Row {
	row := Row{Op: op, Single: true, Over: func(src *philox.Source, x shape) Case { return try(pick(src, specs...), []shape{x}) }}
	for _, s := range specs {
		row.Cases = append(row.Cases, try(s, parameters))
	}
	return row
}

// parameters are what an optimiser is given: none, one, some, and many elements, in one list.
var parameters = []shape{{3, 4, 3, 3}, {}, {5}, {0, 2}, {33, 31, 17}}

// optimiserCase makes some steps. Weights are small beside a step, so that a wrong step shows. The first states of a
// parameter are tensors; undefined says that the first step sets them.
func optimiserCase(name string, shapes []shape, states int, undefined bool, method string, steps []func(d device.Device, list []device.Update) error) Case {
	c := Case{Name: name}
	var writes []string
	for i, s := range shapes {
		value := fmt.Sprintf("w%d", i)
		c.Operands = append(c.Operands, kept(in(value, s, gauss(0, 0.01))), kept(in(fmt.Sprintf("g%d", i), s, usual)))
		writes = append(writes, value)
		for k := range states {
			state := kept(of(fmt.Sprintf("%s's state %d", method, k), in(fmt.Sprintf("s%d%d", i, k), s, constant(0))))
			if undefined {
				state.Draw = nil
			}
			c.Operands, writes = append(c.Operands, state), append(writes, state.Name)
		}
	}
	for _, step := range steps {
		c.Calls = append(c.Calls, Call{Method: method, Writes: writes, Do: func(d device.Device, t Tensors) error {
			list := make([]device.Update, len(shapes))
			for i := range list {
				list[i] = device.Update{Value: t[fmt.Sprintf("w%d", i)], Grad: t[fmt.Sprintf("g%d", i)],
					State: [2]*device.Tensor{t[fmt.Sprintf("s%d0", i)], t[fmt.Sprintf("s%d1", i)]}}
			}
			return step(d, list)
		}})
	}
	return c
}

func sgdCase(s device.SGDSpec, shapes []shape) Case {
	states := 0
	if s.Momentum != 0 {
		states = 1
	}
	var steps []func(device.Device, []device.Update) error
	for step := range 3 {
		at := s
		at.First = step == 0
		steps = append(steps, func(d device.Device, list []device.Update) error { return d.SGD(list, at) })
	}
	return optimiserCase(fmt.Sprintf("%+v", s), shapes, states, true, "SGD", steps)
}

func rmspropCase(s device.RMSPropSpec, shapes []shape) Case {
	states := 1
	if s.Momentum != 0 {
		states = 2
	}
	step := func(d device.Device, list []device.Update) error { return d.RMSProp(list, s) }
	return optimiserCase(fmt.Sprintf("%+v", s), shapes, states, false, "RMSProp", []func(device.Device, []device.Update) error{step, step, step})
}

// adamSteps are steps of certain numbers.
type adamSteps struct {
	device.AdamSpec
	numbers []int
}

func adamCase(s adamSteps, shapes []shape) Case {
	var steps []func(device.Device, []device.Update) error
	for _, number := range s.numbers {
		at := s.AdamSpec
		at.Step = number
		steps = append(steps, func(d device.Device, list []device.Update) error { return d.Adam(list, at) })
	}
	return optimiserCase(fmt.Sprintf("%+v", s), shapes, 2, false, "Adam", steps)
}
