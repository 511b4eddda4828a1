//go:build cuda

package cuda

import (
	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/cuda/launch"
)

// storage is how a tensor's elements lie in memory. (Class labels have four bytes, as float32 has.)
func storage(t *device.Tensor) launch.Type { return t.Handle.(*buffer).storage }

// NewActivation implements device.Compact.
func (d *Device) NewActivation(shape tensor.Shape) (*device.Tensor, error) {
	if err := device.CheckShape(shape); err != nil {
		return nil, err
	}
	if d.precision == device.BF16 && device.Size(shape) > 1 {
		return d.newStored(shape, tensor.Float32, launch.BF16)
	}
	return d.newStored(shape, tensor.Float32, launch.F32)
}

// newStored makes a tensor of elements that lie in a certain way.
func (d *Device) newStored(shape tensor.Shape, dtype tensor.Dtype, t launch.Type) (*device.Tensor, error) {
	bytes := int64(device.Size(shape) * t.Bytes())
	b, err := d.pool.get(d, bytes)
	if err != nil {
		return nil, err
	}
	b.storage = t
	d.stamp(b)
	d.stats.LiveTensors++
	d.live(bytes)
	return device.NewTensor(d, shape, dtype, b), nil
}

// live counts bytes that are in use by tensors.
func (d *Device) live(bytes int64) {
	d.stats.LiveBytes += bytes
	d.stats.PeakBytes = max(d.stats.PeakBytes, d.stats.LiveBytes)
	d.system.live.Store(d.stats.LiveBytes)
}

// kept is what a call made of a tensor and left with it, for other calls that want the same: a bfloat16 copy of weights or of a
// batch of pictures, which stays until the tensor is written or freed (the optimisers write it together with the weights), or
// folded weights.
type kept struct {
	*buffer
	bytes    int64
	failures int64 // of the queue, before it was made: after another one, what was queued may never have run
}

// holds says whether there is something kept that was indeed made.
func (d *Device) holds(k *kept) bool { return k != nil && k.failures == d.queue.failures.Load() }

// stamp notes that a buffer is written.
func (d *Device) stamp(b *buffer) {
	d.writes++
	b.written = d.writes
}

// overwrite notes that a tensor is written. What is kept of its old elements is given back.
func (d *Device) overwrite(t *device.Tensor, give func(*buffer)) {
	b := t.Handle.(*buffer)
	d.stamp(b)
	d.forget(b, give)
}

// forget gives back all that is kept of a tensor.
func (d *Device) forget(b *buffer, give func(*buffer)) {
	d.drop(b.rounded, give)
	b.rounded = nil
	d.unfold(b, give)
}

func (d *Device) drop(k *kept, give func(*buffer)) {
	if k != nil {
		d.live(-k.bytes)
		give(k.buffer)
	}
}

// call is one operation on tensors that may be stored in different ways. It brings operands to the way that the operation
// wants and results to their own, in memory of the pool, and gives that back when all is queued. Its first error stays.
type call struct {
	d      *Device
	op     string
	type_  launch.Type
	loans  []*buffer
	finish []launch.Launch
	err    error
}

// as begins an operation whose operands are to lie in a certain way.
func (d *Device) as(t launch.Type, op string) *call { return &call{d: d, op: op, type_: t} }

// like begins an operation whose operands are to lie as its result does.
func (d *Device) like(y *device.Tensor, op string) *call { return d.as(storage(y), op) }

// in is where an operand can be read; 0 for none.
func (c *call) in(t *device.Tensor) uint64 { return c.inAs(t, c.type_) }

// exact is in for what is float32 in all operations: parameters, statistics, losses, labels.
func (c *call) exact(t *device.Tensor) uint64 { return c.inAs(t, launch.F32) }

func (c *call) inAs(t *device.Tensor, want launch.Type) uint64 {
	switch {
	case t == nil || c.err != nil:
		return 0
	case storage(t) == want:
		return address(t)
	case want == launch.F32:
		return c.cast(c.borrow(t.Size()*want.Bytes()), t, want)
	}
	b := t.Handle.(*buffer)
	if !c.d.holds(b.rounded) {
		c.d.drop(b.rounded, c.keep)
		b.rounded = c.make(t.Size()*want.Bytes(), func(at uint64) { c.cast(at, t, want) })
	}
	if b.rounded == nil {
		return 0
	}
	return uint64(b.rounded.at)
}

// make has fill queue what makes something to be kept; nil if that failed.
func (c *call) make(bytes int, fill func(at uint64)) *kept {
	if c.err != nil {
		return nil
	}
	k := &kept{bytes: int64(bytes), failures: c.d.queue.failures.Load()}
	if k.buffer, c.err = c.d.pool.get(c.d, k.bytes); c.err != nil {
		return nil
	}
	fill(uint64(k.at))
	if c.err != nil {
		c.keep(k.buffer)
		return nil
	}
	c.d.live(k.bytes)
	return k
}

// out is where a result can be written.
func (c *call) out(t *device.Tensor) uint64 { return c.outAs(t, c.type_) }

// exactOut is out for results that are float32 in all operations.
func (c *call) exactOut(t *device.Tensor) uint64 { return c.outAs(t, launch.F32) }

func (c *call) outAs(t *device.Tensor, want launch.Type) uint64 {
	if t == nil || c.err != nil {
		return 0
	}
	c.d.overwrite(t, c.keep)
	if storage(t) == want {
		return address(t)
	}
	at := c.borrow(t.Size() * want.Bytes())
	c.finish = append(c.finish, launch.Cast(address(t), at, t.Size(), storage(t), want))
	return at
}

// update is where a float32 number can be read and written.
func (c *call) update(t *device.Tensor) uint64 {
	at := c.exactOut(t)
	if t == nil || c.err != nil || storage(t) == launch.F32 {
		return at
	}
	return c.cast(at, t, launch.F32)
}

// borrow takes memory for the time of the call.
func (c *call) borrow(bytes int) uint64 {
	if c.err != nil || bytes == 0 {
		return 0
	}
	b, err := c.d.pool.get(c.d, int64(bytes))
	if err != nil {
		c.err = err
		return 0
	}
	c.keep(b)
	return uint64(b.at)
}

// keep returns memory to the pool when the call ends: not before, or the call could borrow what it also reads.
func (c *call) keep(b *buffer) { c.loans = append(c.loans, b) }

func (c *call) cast(to uint64, t *device.Tensor, want launch.Type) uint64 {
	c.run(launch.Cast(to, address(t), t.Size(), want, storage(t)))
	return to
}

// run queues kernels as a part of the call.
func (c *call) run(list ...launch.Launch) {
	if c.err == nil {
		c.err = c.d.launch(c.op, list...)
	}
}

// launch queues kernels and ends the call.
func (c *call) launch(list ...launch.Launch) error {
	c.run(list...)
	return c.end()
}

// built is launch of what a function of package launch has made, or refused.
func (c *call) built(list []launch.Launch, err error) error {
	if c.err == nil {
		c.err = err
	}
	return c.launch(list...)
}

// post queues a function and ends the call.
func (c *call) post(run func() error) error {
	if c.err == nil {
		c.err = c.d.queue.post(c.op, run)
	}
	return c.end()
}

// end brings results to where they belong. What uses the memory next is queued after it.
func (c *call) end() error {
	c.run(c.finish...)
	for _, b := range c.loans {
		c.d.pool.put(b)
	}
	return c.err
}

// single is a list of a single launch.
func single(l launch.Launch, err error) ([]launch.Launch, error) { return []launch.Launch{l}, err }
