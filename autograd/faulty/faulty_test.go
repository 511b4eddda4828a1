package faulty_test

import (
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/autograd/faulty"
	"fovea/device"
	"fovea/device/reference"
)

// TestEveryPrimitiveIsWrapped: a primitive that joins device.Device must count here too, or its failures go untested.
func TestEveryPrimitiveIsWrapped(t *testing.T) {
	cannotFail := []string{"Name", "Describe", "Float", "Free", "Synchronize", "Stats", "Close"}
	wanted, wrapper := reflect.TypeFor[device.Device](), reflect.TypeFor[*faulty.Device]()
	require.Greater(t, wanted.NumMethod(), 40)
	for i := range wanted.NumMethod() {
		name := wanted.Method(i).Name
		m, _ := wrapper.MethodByName(name)
		file, _ := runtime.FuncForPC(m.Func.Pointer()).FileLine(m.Func.Pointer())
		promoted := !strings.Contains(file, "autograd/faulty") // by embedding: the compiler's own code
		require.Equal(t, slices.Contains(cannotFail, name), promoted, "%s: in %s", name, file)
	}
}

func TestOneCallFails(t *testing.T) {
	inner := reference.New()
	d := faulty.New(inner)
	d.FailAt = 2
	x, err := d.New(tensor.Shape{3}, d.Float())
	require.NoError(t, err)
	require.Equal(t, device.Device(d), x.Device)
	err = d.Fill(x, 1)
	require.ErrorIs(t, err, faulty.ErrInjected)
	require.EqualError(t, err, "injected failure: call 2, Fill")
	require.NoError(t, d.Fill(x, 1), "only one")
	require.Equal(t, 3, d.Calls)
	x.Release()
	require.Zero(t, inner.Stats().LiveTensors)
}
