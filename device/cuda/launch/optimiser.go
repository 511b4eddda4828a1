package launch

import (
	"math"
	"unsafe"

	"fovea/device"
)

// Parameter is an entry of the table that the optimisers work from: struct Parameter of optimiser.cu. Addresses that are not
// needed are 0; Copy receives the new value as bfloat16.
type Parameter struct {
	Value, Grad, State0, State1, Copy uint64
	Count                             int64
	first                             int64
}

// chunk is CHUNK of optimiser.cu: what a block updates.
const chunk = 16 * threads

// Table lays out a list of parameters for the device: table and owners go to device memory as they are, and the launch has one
// block for each owner.
func Table(list []Parameter) (table []byte, owners []int32) {
	for i := range list {
		p := list[i]
		p.first = int64(len(owners))
		for range ceil(int(p.Count), chunk) {
			owners = append(owners, int32(i))
		}
		table = append(table, unsafe.Slice((*byte)(unsafe.Pointer(&p)), unsafe.Sizeof(p))...)
	}
	return table, owners
}

type sgd struct {
	rate, momentum, decay float32
	nesterov, first       int32
}

type rmsprop struct{ rate, decay, rest, epsilon, momentum, weightDecay float32 }

type adam struct {
	rate, beta1, rest1, beta2, rest2, epsilon, weightDecay float32
	correction1, correction2                               float32
	decoupled                                              int32
}

func truth(b bool) int32 {
	if b {
		return 1
	}
	return 0
}

func sgdOf(s device.SGDSpec) argument {
	return arg(sgd{float32(s.Rate), float32(s.Momentum), float32(s.WeightDecay), truth(s.Nesterov), truth(s.First)})
}

func rmspropOf(s device.RMSPropSpec) argument {
	return arg(rmsprop{float32(s.Rate), float32(s.Decay), float32(1 - s.Decay), float32(s.Epsilon), float32(s.Momentum), float32(s.WeightDecay)})
}

func adamOf(s device.AdamSpec) argument {
	return arg(adam{float32(s.Rate), float32(s.Beta1), float32(1 - s.Beta1), float32(s.Beta2), float32(1 - s.Beta2), float32(s.Epsilon), float32(s.WeightDecay),
		float32(1 - math.Pow(s.Beta1, float64(s.Step))), float32(1 - math.Pow(s.Beta2, float64(s.Step))), truth(s.Decoupled)})
}

// Constants is a step's specification (device.SGDSpec, RMSPropSpec or AdamSpec) as live of a launch expects it in device memory.
func Constants[S device.SGDSpec | device.RMSPropSpec | device.AdamSpec](spec S) []byte {
	switch s := any(spec).(type) {
	case device.SGDSpec:
		return sgdOf(s).bytes
	case device.RMSPropSpec:
		return rmspropOf(s).bytes
	case device.AdamSpec:
		return adamOf(s).bytes
	}
	return nil
}

// SGD updates the parameters of a Table. guard may be 0; if it points to a float that is not finite, nothing changes. live may
// be 0; if not, the constants are read from there.
func SGD(table, owners uint64, blocks int, guard, live uint64, s device.SGDSpec) Launch {
	return launch("sgd", [2]int{blocks, 1}, pointer(table), pointer(owners), pointer(guard), pointer(live), sgdOf(s))
}

// RMSProp is likewise.
func RMSProp(table, owners uint64, blocks int, guard, live uint64, s device.RMSPropSpec) Launch {
	return launch("rmsprop", [2]int{blocks, 1}, pointer(table), pointer(owners), pointer(guard), pointer(live), rmspropOf(s))
}

// Adam is likewise.
func Adam(table, owners uint64, blocks int, guard, live uint64, s device.AdamSpec) Launch {
	return launch("adam", [2]int{blocks, 1}, pointer(table), pointer(owners), pointer(guard), pointer(live), adamOf(s))
}
