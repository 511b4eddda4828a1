package fit

import (
	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
)

// clipper bounds the norm of all gradients together (Pascanu et al., "On the difficulty of training recurrent neural
// networks", 2013, algorithm 1), in the form of PyTorch's clip_grad_norm_: g = g * min(1, limit/(norm + 1e-6)). It is
// computed on the device, which nobody waits for.
type clipper struct {
	dev                   device.Device
	limit                 float64
	one, squares, divisor *device.Tensor // [1] each
}

func newClipper(d device.Device, limit float64) (*clipper, error) {
	if limit == 0 {
		return nil, nil
	}
	c := &clipper{dev: d, limit: limit}
	for _, t := range []**device.Tensor{&c.one, &c.squares, &c.divisor} {
		var err error
		if *t, err = d.New(tensor.Shape{1}, d.Float()); err != nil {
			c.release()
			return nil, err
		}
	}
	if err := d.Fill(c.one, 1); err != nil {
		c.release()
		return nil, err
	}
	return c, nil
}

// apply does nothing without a limit.
func (c *clipper) apply(params []*autograd.Value) error {
	if c == nil {
		return nil
	}
	if err := c.dev.Fill(c.squares, 0); err != nil {
		return err
	}
	for _, p := range params {
		if g := p.Grad(); g != nil && !p.Frozen {
			if err := c.add(g); err != nil {
				return err
			}
		}
	}
	if err := c.measure(); err != nil {
		return err
	}
	for _, p := range params {
		if g := p.Grad(); g != nil && !p.Frozen {
			if err := c.divide(g); err != nil {
				return err
			}
		}
	}
	return nil
}

// add adds the sum of a gradient's squares to squares.
func (c *clipper) add(g *device.Tensor) error {
	square, err := c.dev.New(g.Shape, c.dev.Float())
	if err != nil {
		return err
	}
	defer square.Release()
	if err := c.dev.Binary(square, g, g, device.Mul); err != nil {
		return err
	}
	sum, err := c.dev.New(ones(g), c.dev.Float())
	if err != nil {
		return err
	}
	defer sum.Release()
	if err := c.dev.ReduceSum(sum, square, 1); err != nil {
		return err
	}
	flat, err := c.dev.Reshape(sum, tensor.Shape{1})
	if err != nil {
		return err
	}
	defer flat.Release()
	return c.dev.Binary(c.squares, c.squares, flat, device.Add)
}

// ones is the shape of one number that operations stretch over t.
func ones(t *device.Tensor) tensor.Shape {
	shape := make(tensor.Shape, len(t.Shape))
	for i := range shape {
		shape[i] = 1
	}
	return shape
}

func (c *clipper) divide(g *device.Tensor) error {
	divisor, err := c.dev.Reshape(c.divisor, ones(g))
	if err != nil {
		return err
	}
	defer divisor.Release()
	return c.dev.Binary(g, g, divisor, device.Div)
}

// measure sets divisor to max(1, (norm + 1e-6)/limit), which is 1 to the bit where nothing is to clip. The root is that of
// RMSProp, the one operation of a device that takes one: with Decay 1 it leaves r as it is, and moves a w of 0 by
// -Rate/(sqrt(r) + Epsilon).
func (c *clipper) measure() error {
	d := c.dev
	if err := d.Fill(c.divisor, 0); err != nil {
		return err
	}
	root := []device.Update{{Value: c.divisor, Grad: c.one, State: [2]*device.Tensor{c.squares, nil}}}
	if err := d.RMSProp(root, device.RMSPropSpec{Rate: -c.limit, Decay: 1, Epsilon: 1e-6}); err != nil {
		return err
	}
	if err := d.Binary(c.divisor, c.one, c.divisor, device.Div); err != nil {
		return err
	}
	if err := d.Scale(c.divisor, c.divisor, 1, -1); err != nil {
		return err
	}
	if err := d.Activate(c.divisor, c.divisor, device.ActivationSpec{Kind: device.ReLU}); err != nil {
		return err
	}
	return d.Scale(c.divisor, c.divisor, 1, 1)
}

func (c *clipper) release() {
	if c == nil {
		return
	}
	for _, t := range []*device.Tensor{c.one, c.squares, c.divisor} {
		t.Release()
	}
}
