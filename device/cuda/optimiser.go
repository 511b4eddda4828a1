//go:build cuda

package cuda

import (
	"fmt"
	"slices"
	"unsafe"

	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/cuda/launch"
)

// parameterTable is a list of parameters as the optimisers' kernels read it, in the GPU's memory. Lists repeat from step to
// step, so the last one is kept.
type parameterTable struct {
	list   []launch.Parameter
	table  *device.Tensor // bytes as int32
	owners *device.Tensor
	blocks int
}

// parameters brings a list to the GPU, unless it is there already.
func (d *Device) parameters(list []device.Update) (*parameterTable, error) {
	wanted := make([]launch.Parameter, 0, len(list))
	for _, u := range list {
		n := u.Value.Size()
		if n == 0 {
			continue
		}
		for _, t := range []*device.Tensor{u.Value, u.Grad, u.State[0], u.State[1]} {
			if t != nil && storage(t) != launch.F32 {
				return nil, fmt.Errorf("a tensor of %v is stored as %v, expected what New makes", t.Shape, storage(t))
			}
		}
		for _, t := range []*device.Tensor{u.Value, u.State[0], u.State[1]} { // what is written
			if t != nil {
				b := t.Handle.(*buffer)
				d.stamp(b)
				d.unfold(b, d.pool.put)
			}
		}
		p := launch.Parameter{Value: address(u.Value), Grad: address(u.Grad), State0: address(u.State[0]), State1: address(u.State[1]), Count: int64(n)}
		if r := u.Value.Handle.(*buffer).rounded; d.holds(r) { // it stays true
			p.Copy = uint64(r.at)
		}
		wanted = append(wanted, p)
	}
	t := &d.table
	if slices.Equal(t.list, wanted) {
		return t, nil
	}
	t.release()
	table, owners := launch.Table(wanted)
	if len(owners) == 0 {
		return t, nil
	}
	words := unsafe.Slice((*int32)(unsafe.Pointer(&table[0])), len(table)/4)
	var err error
	if t.table, err = device.FromSlice(d, tensor.Shape{len(words)}, words); err != nil {
		return nil, err
	}
	if t.owners, err = device.FromSlice(d, tensor.Shape{len(owners)}, owners); err != nil {
		t.release()
		return nil, err
	}
	d.stats.LiveTensors -= 2 // they are the device's own
	t.list, t.blocks = wanted, len(owners)
	return t, nil
}

func (t *parameterTable) release() {
	if t.table != nil && t.owners != nil {
		t.table.Device.(*Device).stats.LiveTensors += 2
	}
	t.table.Release()
	t.owners.Release()
	*t = parameterTable{}
}

// update queues one step over a whole list.
func (d *Device) update(op string, list []device.Update, launch func(table, owners uint64, blocks int) launch.Launch) error {
	t, err := d.parameters(list)
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	if t.blocks == 0 {
		return nil
	}
	return d.launch(fmt.Sprintf("%s of %d parameters", op, len(list)), launch(address(t.table), address(t.owners), t.blocks))
}

// SGD implements device.Optimiser.
func (d *Device) SGD(list []device.Update, s device.SGDSpec) error {
	return d.update("sgd", list, func(table, owners uint64, blocks int) launch.Launch {
		return launch.SGD(table, owners, blocks, address(s.Guard), 0, s)
	})
}

// RMSProp implements device.Optimiser.
func (d *Device) RMSProp(list []device.Update, s device.RMSPropSpec) error {
	return d.update("rmsprop", list, func(table, owners uint64, blocks int) launch.Launch {
		return launch.RMSProp(table, owners, blocks, address(s.Guard), 0, s)
	})
}

// Adam implements device.Optimiser.
func (d *Device) Adam(list []device.Update, s device.AdamSpec) error {
	return d.update("adam", list, func(table, owners uint64, blocks int) launch.Launch {
		return launch.Adam(table, owners, blocks, address(s.Guard), 0, s)
	})
}
