//go:build cuda

package cuda

import (
	"fmt"

	"gorgonia.org/tensor"

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
