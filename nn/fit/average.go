package fit

import (
	"fovea/device"
	"fovea/nn"
)

// average is the exponential moving average of a network's state, running statistics included (Polyak and Juditsky 1992 in
// the form of TensorFlow's ExponentialMovingAverage): after update t, from 1,
//
//	average = d*average + (1-d)*weights,  d = min(decay, (1+t)/(10+t))
//
// so that it forgets the first weights soon.
type average struct {
	state  []nn.Tensor
	shadow []*device.Tensor
	decay  float64
}

func newAverage(net *nn.Network, decay float64) (*average, error) {
	if decay == 0 {
		return nil, nil
	}
	a := &average{state: net.State(), decay: decay}
	for _, s := range a.state {
		t, err := s.Tensor.Device.New(s.Tensor.Shape, s.Tensor.DType)
		if err == nil {
			a.shadow = append(a.shadow, t)
			err = device.Copy(t, s.Tensor)
		}
		if err != nil {
			a.release()
			return nil, err
		}
	}
	return a, nil
}

// add counts the weights in that update step, from 1, has made.
func (a *average) add(step int) error {
	if a == nil {
		return nil
	}
	d := min(a.decay, float64(1+step)/float64(10+step))
	for i, s := range a.state {
		dev := s.Tensor.Device
		part, err := dev.New(s.Tensor.Shape, s.Tensor.DType)
		if err != nil {
			return err
		}
		if err = dev.Scale(part, s.Tensor, 1-d, 0); err == nil {
			if err = dev.Scale(a.shadow[i], a.shadow[i], d, 0); err == nil {
				err = dev.Binary(a.shadow[i], a.shadow[i], part, device.Add)
			}
		}
		part.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// swap exchanges the network's state and the average.
func (a *average) swap() error {
	if a == nil {
		return nil
	}
	for i, s := range a.state {
		kept, err := s.Tensor.Device.New(s.Tensor.Shape, s.Tensor.DType)
		if err != nil {
			return err
		}
		if err = device.Copy(kept, s.Tensor); err == nil {
			if err = device.Copy(s.Tensor, a.shadow[i]); err == nil {
				err = device.Copy(a.shadow[i], kept)
			}
		}
		kept.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// tensors lists the average by the names of what it is of.
func (a *average) tensors() []nn.Tensor {
	if a == nil {
		return nil
	}
	all := make([]nn.Tensor, len(a.state))
	for i, s := range a.state {
		all[i] = nn.Tensor{Name: s.Name, Tensor: a.shadow[i]}
	}
	return all
}

func (a *average) release() {
	if a == nil {
		return
	}
	for _, t := range a.shadow {
		t.Release()
	}
}
