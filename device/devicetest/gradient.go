package devicetest

import (
	"fmt"
	"math"
	"slices"

	"fovea/device"
	"fovea/device/philox"
)

// CheckGradients compares the gradients of a device that computes in float64 with finite differences. Let L be the sum of dy*y over the forward
// call's results y that have a gradient operand dy. For each input x whose gradient dx a later call writes, the
// derivative of L in random directions v, (L(x+hv) - L(x-hv)) / 2h, must be the sum of dx*v.
func (r Row) CheckGradients(d device.Device, c Case, seed uint64) error {
	host := values(c.Elements(seed))
	forward := func(host values) (float64, values, error) {
		got, err := trial{d: d, c: c, call: c.Calls[0], host: host}.run(plain)
		loss := 0.0
		for _, y := range c.Calls[0].Writes {
			for i, g := range host["d"+y] {
				loss += g * got[y][i]
			}
		}
		return loss, got, err
	}
	fail := func(method string, err error) error {
		return fmt.Errorf("%s, case %q (%s) on device %s, seed %d: %s: %w", r.Op, c.Name, c.shapes(), d.Name(), seed, method, err)
	}
	_, state, err := forward(host)
	if err != nil {
		return fail(c.Calls[0].Method, err)
	}
	for _, call := range c.Calls[1:] {
		state, err = trial{d: d, c: c, call: call, host: state}.run(plain)
		if err != nil {
			return fail(call.Method, err)
		}
		for _, dx := range call.Writes {
			x := dx[1:]
			if host[x] == nil || slices.Contains(c.Calls[0].Writes, x) {
				continue
			}
			for direction := range uint64(3) {
				if err := checkDirection(host, x, state[dx], direction, forward); err != nil {
					return fail(call.Method, fmt.Errorf("tensor %s: %w", dx, err))
				}
			}
		}
	}
	return nil
}

func checkDirection(host values, x string, dx []float64, direction uint64, forward func(values) (float64, values, error)) error {
	const h = 1e-5
	v := usual(philox.NewSource(philox.Stream{Seed: direction, ID: 1 << 41}), len(dx))
	moved := func(by float64) (float64, error) {
		shifted := values{}
		for name, elements := range host {
			shifted[name] = elements
		}
		shifted[x] = make([]float64, len(v))
		for i := range v {
			shifted[x][i] = host[x][i] + by*v[i]
		}
		loss, _, err := forward(shifted)
		return loss, err
	}
	up, err := moved(h)
	if err != nil {
		return err
	}
	down, err := moved(-h)
	if err != nil {
		return err
	}
	slope, want, norm := 0.0, (up-down)/(2*h), 0.0
	for i := range v {
		slope += dx[i] * v[i]
		norm += dx[i] * dx[i]
	}
	// The difference of two losses has lost about the digits of 1/h.
	if bound := 1e-6*math.Sqrt(norm) + 1e-10*(math.Abs(up)+1); !(math.Abs(slope-want) <= bound) {
		return fmt.Errorf("slope %v in direction %d, finite differences give %v (allowed: %.3g)", slope, direction, want, bound)
	}
	return nil
}
