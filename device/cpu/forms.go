package cpu

import (
	"sync/atomic"

	"fovea/device"
)

// Weights are wanted in the order of the micro-kernels, sometimes with a normalisation folded in. In training they are new
// at every use, and so is that form of them, in passing memory. Weights that are used again as they were, as in inference, keep
// the form with them until they are written or given back.

// formKey says which form of some weights. The same weights may be those of several convolutions, so that it names all that a form
// depends on.
type formKey struct {
	pass        string
	order       *weightOrder // of packed weights, see known
	first, maps int          // channels that are packed
	fold        foldKey
	picture     geometry // of the convolution that reads a picture
}

// foldKey says which normalisation is folded in; zero for none.
type foldKey struct {
	scale, variance any
	epsilon         float64
}

// form is one form, made of what had been written last at a time.
type form struct {
	made uint64
	kept *buffer[float32] // nil until it is wanted a second time
}

// clock counts what is written, on all devices.
var clock atomic.Uint64

// touch notes that a buffer is written: its forms are of old.
func touch(b *buffer[float32]) { atomic.StoreUint64(&b.written, clock.Add(1)) }

// formOf is weights (or a picture) in a form, made by build unless it is there. The sources are what it is made of, the
// weights first; a nil one is none. With keep set it is kept from the first time on. The result is given back with doneWith.
func (d *Device) formOf(key formKey, sources []*device.Tensor, keep bool, build func() *buffer[float32]) (b *buffer[float32], kept bool) {
	last := uint64(0)
	for _, t := range sources {
		if t != nil {
			last = max(last, t.Handle.(*buffer[float32]).written)
		}
	}
	weights := sources[0].Handle.(*buffer[float32])
	if weights.forms == nil {
		weights.forms = map[formKey]*form{}
	}
	f := weights.forms[key]
	switch {
	case f == nil:
		f = &form{made: last}
		weights.forms[key] = f
	case f.made != last:
		d.dropForm(f)
		f.made = last
	case f.kept != nil:
		return f.kept, true
	default:
		keep = true
	}
	b = build()
	if keep {
		f.kept = b
	}
	return b, keep
}

// doneWith gives back what formOf returned.
func (d *Device) doneWith(b *buffer[float32], kept bool) {
	if !kept {
		d.floats.put(b)
	}
}

func (d *Device) dropForm(f *form) {
	if f.kept != nil {
		d.floats.put(f.kept)
		f.kept = nil
	}
}

// dropForms gives back all forms of weights that are given back themselves.
func (d *Device) dropForms(b *buffer[float32]) {
	for _, f := range b.forms {
		d.dropForm(f)
	}
	b.forms = nil
}
