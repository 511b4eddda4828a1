package nn

import (
	"fmt"

	"fovea/device"
)

// Window is the geometry that convolution and pooling layers share; an Option changes it.
type Window struct {
	Size, Stride, Dilation [2]int // vertical, horizontal
	Padding                device.Padding
	Groups                 int
	OutputPadding          [2]int
	NoBias                 bool
	CeilMode               bool
	CountPadding           bool

	same bool
	used []string // options given, for layers that have no use for some
}

// Option is what is rare about a window.
type Option func(w *Window)

func option(name string, set func(w *Window)) Option {
	return func(w *Window) {
		w.used = append(w.used, name)
		set(w)
	}
}

// Stride is the step of the window, in both directions. Without it, convolutions step by 1 and poolings by their size.
func Stride(n int) Option { return option("Stride", func(w *Window) { w.Stride = [2]int{n, n} }) }

// Padding adds n rows and columns of zeros on each side.
func Padding(n int) Option { return option("Padding", func(w *Window) { w.Padding = device.Pad(n) }) }

// PaddingSides adds a different number on each side.
func PaddingSides(p device.Padding) Option {
	return option("PaddingSides", func(w *Window) { w.Padding = p })
}

// Same pads so that a window with stride 1 keeps height and width; an odd one goes to the bottom and the right.
func Same() Option { return option("Same", func(w *Window) { w.same = true }) }

// Dilation spreads the elements of the window n apart.
func Dilation(n int) Option {
	return option("Dilation", func(w *Window) { w.Dilation = [2]int{n, n} })
}

// Groups cuts the channels of a convolution into n parts that do not see each other.
func Groups(n int) Option { return option("Groups", func(w *Window) { w.Groups = n }) }

// OutputPadding chooses the larger one among the possible output sizes of a transposed convolution.
func OutputPadding(n int) Option {
	return option("OutputPadding", func(w *Window) { w.OutputPadding = [2]int{n, n} })
}

// NoBias leaves the bias out, as before a batch normalisation.
func NoBias() Option { return option("NoBias", func(w *Window) { w.NoBias = true }) }

// CeilMode lets a last pooling window hang over the edge.
func CeilMode() Option { return option("CeilMode", func(w *Window) { w.CeilMode = true }) }

// CountPadding lets padding count in the mean of an average pooling.
func CountPadding() Option { return option("CountPadding", func(w *Window) { w.CountPadding = true }) }

func newWindow(size int, options []Option) Window {
	w := Window{Size: [2]int{size, size}}
	for _, o := range options {
		o(&w)
	}
	if w.same {
		spread := max(w.Dilation[0], 1) * (size - 1)
		w.Padding = device.Padding{Top: spread / 2, Bottom: spread - spread/2, Left: spread / 2, Right: spread - spread/2}
	}
	return w
}

// only refuses options that mean nothing to a layer, and geometry that an option made nonsense: a stride of 0 would
// silently become the default.
func (w *Window) only(names ...string) error {
	for _, u := range w.used {
		known := false
		for _, n := range names {
			known = known || n == u
		}
		switch {
		case !known:
			return fmt.Errorf("option %s means nothing here, expected one of %v", u, names)
		case u == "Stride" && w.Stride[0] < 1, u == "Dilation" && w.Dilation[0] < 1, u == "Groups" && w.Groups < 1:
			return fmt.Errorf("%w: option %s below 1", device.ErrShape, u)
		case w.same && (u == "Padding" || u == "PaddingSides"):
			return fmt.Errorf("options Same and %s exclude each other", u)
		}
	}
	return nil
}

func (w *Window) conv() device.ConvSpec {
	return device.ConvSpec{Stride: w.Stride, Dilation: w.Dilation, Padding: w.Padding, Groups: w.Groups}.Normal()
}
