package main

import "github.com/mmcloughlin/avo/reg"

// Optimisers: weight, gradient and state are read and written once. The square root and the division (full precision; the
// divider takes about 40 cycles for 16 elements) are still faster than the 20 or 28 bytes of memory that an element costs.
func (s simd) optimisers() {
	sgd := func(name, doc string, momentum, nesterov bool) {
		d := stream{name: name, doc: doc, write: "w", read: "w grad", constants: "rate momentum decay", fields: true, turn: 2}
		if momentum {
			d.write, d.read = "w v", "w v grad"
		}
		s.stream(d, func(x values, constant func(string) reg.VecVirtual) {
			step := x["grad"]
			s.fma(step, x["w"], constant("decay"))
			if momentum {
				v := x["v"]
				s.horner(v, constant("momentum"), step)
				if nesterov {
					s.fma(step, v, constant("momentum"))
				} else {
					step = v
				}
			}
			s.fnma(x["w"], step, constant("rate"))
		})
	}
	sgd("SGD", "computes w = w - rate*(g + decay*w).", false, false)
	sgd("Momentum", "computes v = momentum*v + g + decay*w, w = w - rate*v.", true, false)
	sgd("Nesterov", "computes v = momentum*v + g', w = w - rate*(g' + momentum*v) with g' = g + decay*w.", true, true)

	rmsprop := func(name, doc string, momentum bool) {
		d := stream{name: name, doc: doc, write: "w r", read: "w r grad", constants: "rate momentum decay keep take epsilon", fields: true, turn: 2}
		if momentum {
			d.write, d.read = "w r v", "w r v grad"
		}
		s.stream(d, func(x values, constant func(string) reg.VecVirtual) {
			g, r := x["grad"], x["r"]
			s.fma(g, x["w"], constant("decay"))
			x["r"] = s.mul(r, constant("keep"))
			s.fma(x["r"], s.mul(g, constant("take")), g)
			step := s.div(g, s.add(s.sqrt(x["r"]), constant("epsilon")))
			if momentum {
				s.horner(x["v"], constant("momentum"), step)
				step = x["v"]
			}
			s.fnma(x["w"], step, constant("rate"))
		})
	}
	rmsprop("RMSProp", "computes r = keep*r + take*g'^2, w = w - rate*g'/(sqrt(r) + epsilon) with g' = g + decay*w.", false)
	rmsprop("RMSPropMomentum", "computes r = keep*r + take*g'^2, v = momentum*v + g'/(sqrt(r) + epsilon), w = w - rate*v with g' = g + decay*w.", true)

	s.stream(stream{name: "Adam", doc: "computes u = shrink*w, m = keep1*m + take1*g', r = keep2*r + take2*g'^2, w = u - rate*m/(root*sqrt(r) + epsilon) with g' = g + decay*u.",
		write: "w m r", read: "w m r grad", constants: "rate root shrink decay keep1 take1 keep2 take2 epsilon", fields: true, turn: 1},
		func(x values, constant func(string) reg.VecVirtual) {
			g := x["grad"]
			u := s.mul(x["w"], constant("shrink"))
			s.fma(g, u, constant("decay"))
			x["m"] = s.mul(x["m"], constant("keep1"))
			s.fma(x["m"], g, constant("take1"))
			x["r"] = s.mul(x["r"], constant("keep2"))
			s.fma(x["r"], s.mul(g, constant("take2")), g)
			root := s.sqrt(x["r"])
			s.horner(root, constant("root"), constant("epsilon"))
			s.fnma(u, s.div(x["m"], root), constant("rate"))
			x["w"] = u
		})
}
