package devicetest

import (
	"fmt"

	"fovea/device"
)

func optimiserRows() []Row {
	return []Row{{
		Op: "sgd", Single: true,
		Cases: []Case{
			sgdCase(device.SGDSpec{Rate: 0.1}),
			sgdCase(device.SGDSpec{Rate: 0.1, WeightDecay: 0.5}),
			sgdCase(device.SGDSpec{Rate: 0.1, Momentum: 0.9}),
			sgdCase(device.SGDSpec{Rate: 0.1, Momentum: 0.9, WeightDecay: 0.5}),
			sgdCase(device.SGDSpec{Rate: 0.1, Momentum: 0.9, Nesterov: true}),
			sgdCase(device.SGDSpec{Rate: 0.1, Momentum: 0.9, WeightDecay: 0.5, Nesterov: true}),
		},
	}, {
		Op: "rmsprop", Single: true,
		Cases: []Case{
			rmspropCase(device.RMSPropSpec{Rate: 0.1, Decay: 0.9, Epsilon: 1e-2}),
			rmspropCase(device.RMSPropSpec{Rate: 0.1, Decay: 0.99, Epsilon: 1e-8, WeightDecay: 0.5}),
			rmspropCase(device.RMSPropSpec{Rate: 0.1, Decay: 0.9, Epsilon: 1e-8, Momentum: 0.9, WeightDecay: 0.5}),
		},
	}, {
		Op: "adam", Single: true,
		Cases: []Case{
			adamCase(device.AdamSpec{Rate: 0.1, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8}, 1, 2, 3),
			adamCase(device.AdamSpec{Rate: 0.1, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-2, WeightDecay: 0.5}, 1, 2, 100),
			adamCase(device.AdamSpec{Rate: 0.1, Beta1: 0.8, Beta2: 0.99, Epsilon: 1e-8, WeightDecay: 0.5, Decoupled: true}, 1, 2, 1000),
		},
	}}
}

// parameters are what an optimiser is given: none, one, some, and many elements, in one list.
var parameters = []shape{{3, 4, 3, 3}, {}, {5}, {0, 2}, {33, 31, 17}}

// optimiserCase makes some steps. Weights are small beside a step, so that a wrong step shows. The first states of a
// parameter are tensors; undefined says that the first step sets them.
func optimiserCase(name string, states int, undefined bool, method string, steps []func(d device.Device, list []device.Update) error) Case {
	c := Case{Name: name}
	var writes []string
	for i, s := range parameters {
		value := fmt.Sprintf("w%d", i)
		c.Operands = append(c.Operands, in(value, s, gauss(0, 0.01)), in(fmt.Sprintf("g%d", i), s, usual))
		writes = append(writes, value)
		for k := range states {
			state := Operand{Name: fmt.Sprintf("s%d%d", i, k), Shape: s, Draw: constant(0)}
			if undefined {
				state.Draw = nil
			}
			c.Operands, writes = append(c.Operands, state), append(writes, state.Name)
		}
	}
	for _, step := range steps {
		c.Calls = append(c.Calls, Call{Method: method, Writes: writes, Do: func(d device.Device, t Tensors) error {
			list := make([]device.Update, len(parameters))
			for i := range list {
				list[i] = device.Update{Value: t[fmt.Sprintf("w%d", i)], Grad: t[fmt.Sprintf("g%d", i)],
					State: [2]*device.Tensor{t[fmt.Sprintf("s%d0", i)], t[fmt.Sprintf("s%d1", i)]}}
			}
			return step(d, list)
		}})
	}
	return c
}

func sgdCase(s device.SGDSpec) Case {
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
	return optimiserCase(fmt.Sprintf("%+v", s), states, true, "SGD", steps)
}

func rmspropCase(s device.RMSPropSpec) Case {
	states := 1
	if s.Momentum != 0 {
		states = 2
	}
	step := func(d device.Device, list []device.Update) error { return d.RMSProp(list, s) }
	return optimiserCase(fmt.Sprintf("%+v", s), states, false, "RMSProp", []func(device.Device, []device.Update) error{step, step, step})
}

func adamCase(s device.AdamSpec, numbers ...int) Case {
	var steps []func(device.Device, []device.Update) error
	for _, s.Step = range numbers {
		at := s
		steps = append(steps, func(d device.Device, list []device.Update) error { return d.Adam(list, at) })
	}
	return optimiserCase(fmt.Sprintf("%+v", s), 2, false, "Adam", steps)
}
