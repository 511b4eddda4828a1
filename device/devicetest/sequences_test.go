package devicetest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/device"
)

// A device that computes each call rightly but keeps what it should not is found, and the failure tells what came before.
func TestSequencesFindWhatIsKept(t *testing.T) {
	for _, bug := range []struct {
		name, method string
		hook         func() func(results, inputs []*device.Tensor, do func() error) error
	}{
		{"weights that were written since", "Conv", func() func(_, inputs []*device.Tensor, do func() error) error {
			kept := map[*device.Tensor][]float64{}
			return func(_, inputs []*device.Tensor, do func() error) error {
				w := inputs[1]
				now, err := w.Floats()
				if err != nil {
					return err
				}
				if kept[w] == nil || len(kept[w]) != len(now) {
					kept[w] = now
				}
				if err := w.Device.Upload(w, kept[w]); err != nil {
					return err
				}
				return then(do(), func() error { return w.Device.Upload(w, now) })
			}
		}},
		{"the last result's memory", "Activate", func() func(results, _ []*device.Tensor, do func() error) error {
			var last *device.Tensor
			return func(results, _ []*device.Tensor, do func() error) error {
				if last != nil && last != results[0] && last.Handle != nil && last.Size() > 0 {
					if err := last.Device.Fill(last, 3); err != nil {
						return err
					}
				}
				last = results[0]
				return do()
			}
		}},
	} {
		t.Run(bug.name, func(t *testing.T) {
			var failure error
			for number := 0; number < 12 && failure == nil; number++ {
				failure = newProgram(plant(bug.method, bug.hook()), number, Precision{}).run()
			}
			require.ErrorContains(t, failure, "What happened to its operands")
		})
	}
}
