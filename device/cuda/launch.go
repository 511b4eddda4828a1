//go:build cuda

package cuda

import (
	"fmt"

	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/cuda/launch"
)

// launch queues kernels; those without anything to do are left out.
func (d *Device) launch(op string, list ...launch.Launch) error {
	for _, l := range list {
		if l.Empty() {
			continue
		}
		if err := d.queue.launch(op, l); err != nil {
			return err
		}
	}
	return nil
}

// launchWith is launch of kernels that need a workspace. It goes back to the pool at once: what uses the memory next is
// queued after them.
func (d *Device) launchWith(op string, bytes int, list func(space uint64) ([]launch.Launch, error)) error {
	at := uint64(0)
	if bytes > 0 {
		space, err := d.pool.get(d, int64(bytes))
		if err != nil {
			return err
		}
		defer d.pool.put(space)
		at = uint64(space.at)
	}
	launches, err := list(at)
	if err != nil {
		return err
	}
	return d.launch(op, launches...)
}

// copyBytes copies within the GPU.
func (d *Device) copyBytes(op string, dst, src uint64, bytes int64) error {
	n := []int{int(bytes / 4)}
	l, err := launch.CopyRegion(dst, n, []int{0}, src, n, []int{0}, n, 4)
	if err != nil {
		return err
	}
	return d.launch(op, l)
}

// named is an operation with a shape, for errors.
func named(op string, s tensor.Shape) string { return fmt.Sprintf("%s of %v", op, s) }

// lies reads a shape as [outer, channels, inner] as it lies in the GPU's memory.
func lies(s tensor.Shape) (outer, channels, inner int) {
	if len(s) == 4 {
		return s[0] * s[2] * s[3], s[1], 1
	}
	return device.Channels(s)
}
