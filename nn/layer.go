package nn

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"strings"

	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
	"fovea/device/philox"
)

// Layer is a part of a network: it knows its hyper-parameters from its constructor, and its parameters after Build.
type Layer interface {
	// Build makes the layer's parameters for inputs of shape in (whose batch, axis 0, is 1) and returns the output's
	// shape. It is called once.
	Build(b *Builder, in tensor.Shape) (tensor.Shape, error)
	// Forward computes the layer on the tape of x. Failures stay on the tape.
	Forward(x *autograd.Value) *autograd.Value
	// String is the layer's kind, as the summary shows it: "Conv2D".
	String() string
}

// Builder makes parameters on a device and notes their names.
type Builder struct {
	net   *Network
	seed  uint64
	zeros bool // parameters have no first values, but zeros
	path  []string
	names map[string]bool // of the parameters and buffers made
}

// Initial gives a parameter's first values.
type Initial func(values []float32, random *philox.Source)

// Constant fills with one value.
func Constant(value float32) Initial {
	return func(values []float32, _ *philox.Source) {
		for i := range values {
			values[i] = value
		}
	}
}

// HeNormal draws from a normal distribution of variance 2/fanIn, which keeps the signal's size through layers of ReLU
// (He et al., "Delving Deep into Rectifiers", 2015, equation 10). fanIn is the number of products in an output element.
func HeNormal(fanIn int) Initial {
	deviation := math.Sqrt(2 / float64(max(fanIn, 1)))
	return func(values []float32, random *philox.Source) {
		random.Normals(values, 0, deviation)
	}
}

// initialUse tells the streams of initial weights from others of the same seed ("initial" in ASCII).
const initialUse = 0x696e697469616c

// Parameter makes a trainable parameter. Its first values depend on the seed and its full name alone.
func (b *Builder) Parameter(name string, shape tensor.Shape, initial Initial) (*autograd.Value, error) {
	name, err := b.claim(name)
	if err != nil {
		return nil, err
	}
	if err := device.CheckShape(shape); err != nil {
		return nil, fmt.Errorf("parameter %s: %w", name, err)
	}
	if device.Size(shape) == 0 {
		return nil, fmt.Errorf("parameter %s: %w: %v has no elements", name, device.ErrShape, shape)
	}
	if b.net.Device == nil { // Describe wants shapes only
		p := autograd.Described(name, shape)
		b.net.Parameters = append(b.net.Parameters, p)
		return p, nil
	}
	p, err := b.first(name, shape, initial)
	if err != nil {
		return nil, err
	}
	b.net.Parameters = append(b.net.Parameters, p)
	return p, nil
}

// first is a parameter with its first values.
func (b *Builder) first(name string, shape tensor.Shape, initial Initial) (*autograd.Value, error) {
	if b.zeros {
		return autograd.ZeroParameter(b.net.Device, name, shape)
	}
	values := make([]float32, device.Size(shape))
	hash := fnv.New64a()
	hash.Write([]byte(name))
	initial(values, philox.NewSource(philox.Stream{Seed: b.seed, ID: initialUse}.Sub(hash.Sum64(), 0)))
	return autograd.NewParameter(b.net.Device, name, tensor.New(tensor.WithShape(shape...), tensor.WithBacking(values)))
}

// Buffer makes a tensor that is saved with the weights but not trained, such as running statistics.
func (b *Builder) Buffer(name string, shape tensor.Shape, value float64) (*device.Tensor, error) {
	name, err := b.claim(name)
	if err != nil {
		return nil, err
	}
	if b.net.Device == nil { // Describe wants shapes only
		t := device.NewTensor(nil, shape, tensor.Float32, nil)
		b.net.Buffers = append(b.net.Buffers, Buffer{name, t})
		return t, nil
	}
	t, err := b.net.Device.New(shape, b.net.Device.Float())
	if err != nil {
		return nil, fmt.Errorf("buffer %s: %w", name, err)
	}
	b.net.Buffers = append(b.net.Buffers, Buffer{name, t})
	return t, b.net.Device.Fill(t, value)
}

// MultiplyAdds notes the multiplications, with an addition each, that a layer makes of one sample. As in the literature,
// those of convolutions and matrix products count, and pooling, normalisation and activations do not.
func (b *Builder) MultiplyAdds(n int) { b.net.MultiplyAdds += n }

// claim gives the full name of a parameter or buffer, which must be the only one of it: files of weights go by names.
func (b *Builder) claim(name string) (string, error) {
	if len(b.path) > 0 {
		name = strings.Join(b.path, ".") + "." + name
	}
	if b.names[name] {
		return "", fmt.Errorf("two parameters or buffers are called %s", name)
	}
	b.names[name] = true
	return name, nil
}

var errBuilt = errors.New("the layer was built before; each network needs layers of its own")

// layerError says in which layer a failure was.
type layerError struct {
	layer string
	err   error
}

func (e *layerError) Error() string { return "layer " + e.layer + ": " + e.err.Error() }
func (e *layerError) Unwrap() error { return e.err }

// Child builds a part of a container under a name of its own; the empty name leaves it in the container's.
func (b *Builder) Child(name string, l Layer, in tensor.Shape) (tensor.Shape, error) {
	if name != "" {
		b.path = append(b.path, name)
		defer func() { b.path = b.path[:len(b.path)-1] }()
	}
	rows, parameters, buffers, before := len(b.net.Rows), len(b.net.Parameters), len(b.net.Buffers), b.net.MultiplyAdds
	out, err := l.Build(b, in)
	if err != nil {
		var inner *layerError
		if !errors.As(err, &inner) { // the innermost layer says it
			err = &layerError{strings.TrimLeft(fmt.Sprintf("%s (%s)", strings.Join(b.path, "."), l), " "), err}
		}
		return nil, err
	}
	if len(b.net.Rows) == rows { // a container's rows are its children's, and the join's
		row := Row{Name: strings.Join(b.path, "."), Kind: l.String(), Shape: out, MultiplyAdds: b.net.MultiplyAdds - before}
		for _, p := range b.net.Parameters[parameters:] {
			row.Parameters += device.Size(p.Shape())
		}
		for _, buffer := range b.net.Buffers[buffers:] { // not trained, but Keras counts them too
			row.Parameters += buffer.Tensor.Size()
		}
		b.net.Rows = append(b.net.Rows, row)
	}
	return out, nil
}

// join adds a row for a layer that makes one output of several layers', as Keras shows them.
func (b *Builder) join(l Layer, out tensor.Shape) {
	b.net.Rows = append(b.net.Rows, Row{Name: strings.Join(b.path, "."), Kind: l.String(), Shape: out})
}
