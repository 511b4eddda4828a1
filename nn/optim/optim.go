package optim

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"fovea/autograd"
	"fovea/device"
	"fovea/nn"
)

// Config chooses an optimiser; [Defaults] fills one in.
type Config struct {
	Method      string  // one of Methods
	Rate        float64 // learning rate, above 0
	Momentum    float64 // at least 0 and below 1; sgd, nesterov (above 0), rmsprop
	WeightDecay float64 // lambda of the regulariser (lambda/2) W^2; for adamw decoupled from the gradient
	Beta1       float64 // adam, adamw: decay of the mean of gradients
	Beta2       float64 // adam, adamw: decay of the mean of squares; rmsprop: its decay
	Epsilon     float64 // rmsprop, adam, adamw: added to the root
}

// Methods lists what Config.Method may be.
func Methods() []string { return []string{"sgd", "nesterov", "rmsprop", "adam", "adamw"} }

// Defaults returns the method's usual constants (PyTorch's; the rate of plain SGD has none there and is 0.01 here).
func Defaults(method string) (Config, error) {
	c := Config{Method: method, Rate: 1e-2}
	switch method {
	case "sgd":
	case "nesterov":
		c.Momentum = 0.9
	case "rmsprop":
		c.Beta2, c.Epsilon = 0.99, 1e-8
	case "adam", "adamw":
		c.Rate, c.Beta1, c.Beta2, c.Epsilon = 1e-3, 0.9, 0.999, 1e-8
		if method == "adamw" {
			c.WeightDecay = 1e-2
		}
	default:
		return Config{}, fmt.Errorf("optimizer: %q is unknown, expected one of %s", method, strings.Join(Methods(), ", "))
	}
	return c, nil
}

// Check refuses constants with which no step makes sense.
func (c Config) Check() error {
	if !slices.Contains(Methods(), c.Method) {
		_, err := Defaults(c.Method)
		return err
	}
	momentum := c.Method == "sgd" || c.Method == "nesterov" || c.Method == "rmsprop"
	switch {
	case !(c.Rate > 0) || math.IsInf(c.Rate, 0):
		return fmt.Errorf("optimizer: learning rate %v, expected a finite number above 0", c.Rate)
	case !(c.WeightDecay >= 0) || math.IsInf(c.WeightDecay, 0):
		return fmt.Errorf("optimizer: weight decay %v, expected a finite number of at least 0", c.WeightDecay)
	case !(c.Momentum >= 0 && c.Momentum < 1):
		return fmt.Errorf("optimizer: momentum %v, expected at least 0 and below 1", c.Momentum)
	case c.Momentum != 0 && !momentum:
		return fmt.Errorf("optimizer: %s has no momentum, found %v (its betas play that part)", c.Method, c.Momentum)
	case c.Method == "nesterov" && c.Momentum == 0:
		return errors.New("optimizer: nesterov needs a momentum above 0")
	case !(c.Beta1 >= 0 && c.Beta1 < 1) || !(c.Beta2 >= 0 && c.Beta2 < 1):
		return fmt.Errorf("optimizer: betas %v and %v, expected at least 0 and below 1", c.Beta1, c.Beta2)
	case !(c.Epsilon >= 0) || math.IsInf(c.Epsilon, 0):
		return fmt.Errorf("optimizer: epsilon %v, expected a finite number of at least 0", c.Epsilon)
	}
	return nil
}

// Optimizer updates parameters by their gradients. What it remembers lives on the parameters' device until Release.
type Optimizer struct {
	Config
	Steps int // updates made
	// Guard, if set, is a scalar on the device: while it is not a finite number, updates change nothing.
	Guard *device.Tensor

	dev     device.Device
	params  []*autograd.Value
	state   [][2]*device.Tensor
	updates []device.Update
}

// New makes an optimiser of parameters, all on dev.
func New(dev device.Device, c Config, params []*autograd.Value) (*Optimizer, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	o := &Optimizer{Config: c, dev: dev, params: params, state: make([][2]*device.Tensor, len(params))}
	for i, p := range params {
		var err error
		switch t := p.Tensor(); {
		case t == nil:
			err = fmt.Errorf("optimizer: parameter %s was released", p.Name)
		case t.Device != dev:
			err = fmt.Errorf("optimizer: parameter %s is on device %s, expected %s", p.Name, t.Device.Name(), dev.Name())
		case !p.Frozen:
			err = o.remember(i)
		}
		if err != nil {
			o.Release()
			return nil, err
		}
	}
	return o, nil
}

// remember makes the state of parameter i, zeros, unless it is there.
func (o *Optimizer) remember(i int) error {
	for j, used := range o.uses() {
		if !used || o.state[i][j] != nil {
			continue
		}
		t, err := device.Filled(o.dev, o.params[i].Shape(), 0)
		if err != nil {
			return fmt.Errorf("optimizer: state of %s: %w", o.params[i].Name, err)
		}
		o.state[i][j] = t
	}
	return nil
}

// uses says which of an update's two states the method needs.
func (o *Optimizer) uses() [2]bool {
	switch o.Method {
	case "adam", "adamw":
		return [2]bool{true, true}
	case "rmsprop":
		return [2]bool{true, o.Momentum > 0}
	}
	return [2]bool{o.Momentum > 0, false}
}

// State lists what it remembers, by the names of PyTorch's optimisers behind those of the parameters. Steps is not in it.
func (o *Optimizer) State() []nn.Tensor {
	names := [2]string{"momentum_buffer", ""}
	switch o.Method {
	case "adam", "adamw":
		names = [2]string{"exp_avg", "exp_avg_sq"}
	case "rmsprop":
		names = [2]string{"square_avg", "momentum_buffer"}
	}
	var all []nn.Tensor
	for i, state := range o.state {
		for j, t := range state {
			if t != nil {
				all = append(all, nn.Tensor{Name: o.params[i].Name + "." + names[j], Tensor: t})
			}
		}
	}
	return all
}

// Step makes one update. Parameters without a gradient, or frozen, are left as they are.
func (o *Optimizer) Step() error {
	if o.state == nil {
		return errors.New("optimizer: step after Release")
	}
	o.updates = o.updates[:0]
	for i, p := range o.params {
		if g := p.Grad(); g != nil && !p.Frozen {
			if err := o.remember(i); err != nil { // frozen until now
				return err
			}
			o.updates = append(o.updates, device.Update{Value: p.Tensor(), Grad: g, State: o.state[i]})
		}
	}
	o.Steps++
	switch o.Method {
	case "rmsprop":
		return o.dev.RMSProp(o.updates, device.RMSPropSpec{Rate: o.Rate, Decay: o.Beta2, Epsilon: o.Epsilon,
			Momentum: o.Momentum, WeightDecay: o.WeightDecay, Guard: o.Guard})
	case "adam", "adamw":
		return o.dev.Adam(o.updates, device.AdamSpec{Rate: o.Rate, Beta1: o.Beta1, Beta2: o.Beta2, Epsilon: o.Epsilon,
			WeightDecay: o.WeightDecay, Decoupled: o.Method == "adamw", Step: o.Steps, Guard: o.Guard})
	}
	return o.dev.SGD(o.updates, device.SGDSpec{Rate: o.Rate, Momentum: o.Momentum, WeightDecay: o.WeightDecay,
		Nesterov: o.Method == "nesterov", Guard: o.Guard})
}

// Release gives the state's memory back.
func (o *Optimizer) Release() {
	for _, s := range o.state {
		s[0].Release()
		s[1].Release()
	}
	o.state = nil
}
