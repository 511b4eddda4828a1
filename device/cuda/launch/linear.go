package launch

import (
	"gorgonia.org/tensor"

	"fovea/device"
)

// AddBias: y = f(x + b[c]), f being an activation (Identity for none); b is float32.
func AddBias(y, x, b uint64, shape tensor.Shape, f device.ActivationSpec, t Type) Launch {
	outer, channels, inner := lies(shape)
	if inner == 1 {
		g, grid, pack := mapColumns(outer, channels, t)
		return launch(name("add_bias_columns", pack, t), grid, pointer(y), pointer(x), pointer(b), arg(g), integer(int(f.Kind)), float(f.Alpha))
	}
	n := outer * channels * inner
	return launch(name("add_bias", "", t), t.packs(n), pointer(y), pointer(x), pointer(b),
		arg(channelsOf{int64(n), int64(inner), int32(channels)}), integer(int(f.Kind)), float(f.Alpha))
}
