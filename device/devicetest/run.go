package devicetest

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/device"
)

// randomCases is how many cases are drawn for each row; each has its number as seed.
const randomCases = 4

// Run tests the device that open makes: each time a new one, closed at the end.
func Run(t *testing.T, open func() (device.Device, error)) { RunPrecision(t, open, Precision{}) }

// RunPrecision is Run of a device in another precision than float32.
func RunPrecision(t *testing.T, open func() (device.Device, error), p Precision) {
	d, err := open()
	require.NoError(t, err)
	for _, row := range Rows() {
		if p.Ops == nil || slices.Contains(p.Ops, row.Op) {
			t.Run(row.Op, func(t *testing.T) { row.run(t, d, p) })
		}
	}
	if p.Ops != nil {
		require.NoError(t, d.Close())
		return
	}
	for _, row := range MemoryRows() {
		t.Run("memory/"+row.Name, func(t *testing.T) {
			if row.Skip != nil {
				if reason := row.Skip(d); reason != "" {
					t.Skip(reason)
				}
			}
			if err := row.Check(d); err != nil {
				t.Errorf("memory, %s, on device %s: %v", row.Name, d.Name(), err)
			}
		})
	}
	t.Run("memory/close", func(t *testing.T) {
		if err := checkClose(open); err != nil {
			t.Errorf("memory, close, on device %s: %v", d.Name(), err)
		}
	})
	require.NoError(t, d.Close())
}

// Run tries one operation on a device.
func (r Row) Run(t *testing.T, d device.Device) { r.run(t, d, Precision{}) }

func (r Row) run(t *testing.T, d device.Device, p Precision) {
	if r.Offered != nil && !r.Offered(d) {
		t.Skipf("device %s does not offer it: its parts are computed, which have rows of their own", d.Name())
	}
	r.EachCase(func(c Case, seed uint64) {
		t.Run(c.Name, func(t *testing.T) {
			if err := r.CheckPrecision(d, c, seed, p); err != nil {
				t.Error(err)
			}
		})
	})
	for _, e := range r.Errors {
		t.Run("refuses "+e.Name, func(t *testing.T) {
			if err := e.Check(); err != nil {
				t.Errorf("%s, %v", r.Op, err)
			}
		})
	}
}

// EachCase visits the row's own cases and the random ones with their seeds.
func (r Row) EachCase(visit func(c Case, seed uint64)) {
	for _, c := range r.Cases {
		visit(c, 1)
	}
	for seed := uint64(1); r.Over != nil && seed <= randomCases; seed++ {
		if c := r.RandomWide(seed); c.Calls != nil {
			visit(c, seed)
		}
	}
	if r.Draw == nil {
		return
	}
	for seed := uint64(1); seed <= randomCases; seed++ {
		visit(r.Random(seed), seed)
	}
}
