package devicetest

import (
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/device"
	"fovea/device/philox"
	"fovea/device/reference"
)

// Sequences says which programs RunSequences runs: sequences of calls, each decided by its number alone.
type Sequences struct {
	First, Programs int
	Precision       Precision // of which Activations says nothing: tensors are made both ways where a device has two
}

// LargePrograms is the number from which on programs work on pictures so large that devices change their ways, and take long.
const LargePrograms = 1_000_000

// callsOfProgram is how many calls a program makes.
const callsOfProgram = 60

// RunSequences looks for what is wrong between calls, and not in one: a device may keep weights in another layout, lists of
// addresses, chosen algorithms, memory that was given back. Each program has some tensors, on which it makes the calls of Rows. Operands
// are results of other calls, or parameters that are used again and again, written by an optimiser or from outside, given back and made anew.
// Every result is compared with what the reference makes of the very same operands, so that errors do not add up.
//
// The environment variable FOVEA_SEQUENCES has other programs run than s says: 17, or 1000-5000.
func RunSequences(t *testing.T, open func() (device.Device, error), s Sequences) {
	if text := os.Getenv("FOVEA_SEQUENCES"); text != "" {
		last := 0
		n, _ := fmt.Sscanf(text, "%d-%d", &s.First, &last)
		if n == 0 {
			t.Fatalf("FOVEA_SEQUENCES is %q, expected the number of a program, or the first and the last: 1000-5000", text)
		}
		s.Programs = max(1, last+1-s.First)
	}
	for number := s.First; number < s.First+s.Programs; number++ {
		t.Run(fmt.Sprint("program ", number), func(t *testing.T) {
			d, err := open()
			require.NoError(t, err)
			if err := newProgram(d, number, s.Precision).run(); err != nil {
				t.Fatalf("%v\n\nThis program alone: FOVEA_SEQUENCES=%d go test -run '%s'", err, number, t.Name())
			}
			require.NoError(t, d.Close())
		})
	}
}

// program is a sequence at work.
type program struct {
	d         device.Device
	src       *philox.Source
	precision Precision
	rows      []Row // that the device offers
	weighted  []Row // those with weights, of which devices keep the most
	updating  []Row // the optimisers'
	stock     stock
	live      []*member
	open      []*course
	past      []*course // the last ones
	log       []event
	calls     int
	made      int // members so far
}

// stock is what new maps are made with: few sizes, so that they meet again.
type stock struct {
	images, channels, sides []int
	elements                int // of all tensors together, about
}

// drawing is how a case was drawn, for another to be drawn alike.
type drawing struct {
	row Row
	x   shape
	id  uint64
}

func (g drawing) over() Case {
	return g.row.Over(philox.NewSource(philox.Stream{Seed: g.id, ID: 1 << 45}), g.x)
}

// course is a case of which some calls are made, and who its operands are.
type course struct {
	drawing
	c       Case
	next    int
	members map[string]*member
}

func newProgram(d device.Device, number int, precision Precision) *program {
	p := &program{d: d, src: philox.NewSource(philox.Stream{Seed: uint64(number), ID: 1 << 44}), precision: precision}
	for _, row := range Rows() {
		if row.Offered != nil && !row.Offered(d) {
			continue
		}
		p.rows = append(p.rows, row)
		switch {
		case row.Single:
			p.updating = append(p.updating, row)
		case row.hasWeights():
			p.weighted = append(p.weighted, row)
		}
	}
	few := func(n int, values ...int) (chosen []int) {
		for _, i := range p.src.Perm(len(values))[:n] {
			chosen = append(chosen, values[i])
		}
		return chosen
	}
	p.stock = stock{few(3, 1, 2, 3, 7, 16, 40), few(3, 1, 3, 7, 8, 16, 17, 32, 40), few(3, 3, 4, 7, 8, 9, 14, 15), 1 << 19}
	if number >= LargePrograms {
		p.stock = stock{few(3, 1, 2, 3, 7, 12), few(2, 1, 3, 3, 7, 16), few(1, 113, 224, 320), 1 << 24}
	}
	return p
}

// hasWeights says that an operand beside the first is of the kind that devices like to have in another order.
func (r Row) hasWeights() bool {
	for _, o := range r.Cases[0].Operands[1:] {
		if o.Kept && len(o.Shape) > 1 {
			return true
		}
	}
	return false
}

// run makes all calls and gives everything back. A panic of the device is told as a failure is.
func (p *program) run() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = p.tell(fmt.Errorf("panic: %v\n%s", r, debug.Stack()))
		}
	}()
	for p.calls < callsOfProgram || len(p.open) > 0 {
		if err := p.step(); err != nil {
			return p.tell(err)
		}
	}
	if err := p.checkAll(); err != nil {
		return p.tell(err)
	}
	for _, m := range p.live {
		m.t.Release()
	}
	return nil
}

// step goes on with a case, begins one, or does something else with the tensors.
func (p *program) step() error {
	switch {
	case p.chance(8):
		return p.disturb()
	case len(p.open) > 0 && (p.calls >= callsOfProgram || len(p.open) == 4 || !p.chance(3)):
		return p.proceed(p.src.Intn(len(p.open)))
	}
	co := &course{}
	if len(p.past) > 0 && p.chance(2) {
		var err error
		if co, err = p.again(pick(p.src, p.past...)); err != nil {
			return err
		}
	} else {
		co.drawing, co.c = p.draw()
	}
	if co.c.Calls == nil {
		return nil
	}
	if err := p.bind(co); err != nil {
		return err
	}
	p.open = append(p.open, co)
	return p.proceed(len(p.open) - 1)
}

// again is a course of before with mostly the same operands, one of which may have other elements now, or with other images.
func (p *program) again(past *course) (*course, error) {
	co := &course{drawing: past.drawing, c: past.c, members: past.members}
	if past.id != 0 && len(past.x) > 1 && p.chance(3) {
		co.x = append(shape{pick(p.src, p.stock.images...)}, past.x[1:]...)
		co.c = co.over()
	}
	if m := past.members[pick(p.src, past.c.Operands...).Name]; m.users == 0 && m.t.DType == p.d.Float() && slices.Contains(p.live, m) && p.chance(2) {
		return co, p.rewrite(m)
	}
	return co, nil
}

// rewrite gives a member other elements: from outside, or as the result of a call, often an optimiser's.
func (p *program) rewrite(m *member) error {
	row := pick(p.src, p.rows...)
	if !m.few && p.chance(2) {
		row = pick(p.src, p.updating...)
	}
	co := &course{drawing: drawing{row, m.t.Shape, 1 + uint64(p.src.Uint32())}}
	if row.Over != nil && p.chance(2) {
		co.c = co.over()
	}
	for _, o := range co.c.Operands {
		if co.c.writes(o.Name) && slices.Contains(p.fitting(o, true, false), m) {
			co.members = map[string]*member{o.Name: m}
			break
		}
	}
	if co.members == nil {
		return p.renew(m)
	}
	if err := p.bind(co); err != nil {
		return err
	}
	p.open = append(p.open, co)
	for co.next < len(co.c.Calls) {
		if err := p.proceed(len(p.open) - 1); err != nil {
			return err
		}
	}
	return nil
}

// writes says that some call writes an operand.
func (c Case) writes(operand string) bool {
	return slices.ContainsFunc(c.Calls, func(call Call) bool { return slices.Contains(call.Writes, operand) })
}

// chance is true once in n times.
func (p *program) chance(n int) bool { return p.src.Intn(n) == 0 }

// draw is a case over a shape that is there, one whose parameters are there if a few draws find such a case.
func (p *program) draw() (drawing, Case) {
	rows := p.rows
	if !p.chance(3) {
		rows = p.weighted
	}
	row := pick(p.src, rows...)
	if row.Over == nil {
		return drawing{row: row}, pick(p.src, row.Cases...)
	}
	var drawn drawing
	var c Case
	for x := range p.shapes(20) {
		other := drawing{row, x, 1 + uint64(p.src.Uint32())}
		if met := other.over(); met.Calls != nil && (c.Calls == nil || p.meets(met)) {
			drawn, c = other, met
			if p.meets(met) {
				break
			}
		}
	}
	return drawn, c
}

// shapes are n of tensors, or of new maps.
func (p *program) shapes(n int) func(yield func(shape) bool) {
	return func(yield func(shape) bool) {
		for range n {
			s := shape{pick(p.src, p.stock.images...), pick(p.src, p.stock.channels...), pick(p.src, p.stock.sides...), pick(p.src, p.stock.sides...)}
			if len(p.live) > 0 && !p.chance(4) {
				s = pick(p.src, p.live...).t.Shape
			}
			if !yield(s) {
				return
			}
		}
	}
}

// proceed makes the next call of an open case.
func (p *program) proceed(i int) error {
	co := p.open[i]
	call := co.c.Calls[co.next]
	p.calls++
	co.next++
	arranged := plain
	if len(call.InPlace) > 0 && p.chance(2) {
		pair := pick(p.src, call.InPlace...)
		if y, x := co.members[pair[0]], co.members[pair[1]]; x.users == 1 && x.kind == y.kind && device.EqualShape(x.t.Shape, y.t.Shape) {
			arranged.inPlace = pair
			co.next = len(co.c.Calls) // they would want x as it was
		}
	}
	if err := p.call(co, call, arranged); err != nil {
		return err
	}
	if co.next < len(co.c.Calls) {
		return nil
	}
	p.open = append(p.open[:i], p.open[i+1:]...)
	return p.finish(co)
}

// call makes a call on the device, and on the reference with the same operands.
func (p *program) call(co *course, call Call, arranged arrangement) error {
	members := map[string]*member{}
	host, few, tensors := values{}, map[string]bool{}, Tensors{}
	for _, o := range co.c.Operands {
		m := co.members[o.Name]
		host[o.Name] = m.host
		if o.Name == arranged.inPlace[0] {
			m = co.members[arranged.inPlace[1]]
		}
		members[o.Name], few[o.Name], tensors[o.Name] = m, m.few, m.t
		if !device.EqualShape(m.t.Shape, o.Shape) {
			view, err := p.d.Reshape(m.t, o.Shape)
			if err != nil {
				return err
			}
			defer view.Release()
			tensors[o.Name] = view
		}
	}
	p.note(describe(co, call, arranged, members), members)
	t := trial{d: p.d, c: co.c, call: call, host: host, p: p.precision.of(co.row), few: few}
	want, err := trial{d: reference.New(), c: co.c, call: call, host: host}.run(plain)
	if err != nil {
		return fmt.Errorf("on the reference: %w", err)
	}
	before := p.d.Stats().LiveTensors
	if err := p.do(func() error { return call.Do(p.d, tensors) }); err != nil {
		return err
	}
	if after := p.d.Stats().LiveTensors; after != before {
		return fmt.Errorf("%d tensors are alive after the call that were not before", after-before)
	}
	got := values{}
	for name, m := range members {
		if got[name], err = download(m.t); err != nil {
			return err
		}
	}
	if err := t.compare(got, want, arranged); err != nil {
		t.slack = t.sensitivity(want)
		if t.compare(got, want, arranged) != nil {
			return err
		}
	}
	for _, name := range call.Writes {
		members[name].host = got[name]
	}
	return nil
}

// do has the device work, sometimes all at once where it offers that.
func (p *program) do(work func() error) error {
	if c, offered := p.d.(device.Capturer); offered && p.chance(4) {
		step := work
		work = func() error { return c.Capture(step) }
	}
	if err := work(); err != nil {
		return err
	}
	return p.d.Synchronize()
}

// sensitivity is how far, in norm, each result of the reference moves when every element of the operands is off by the tolerance, up or
// down. Operands that others made may be such that results are nothing but rounding errors: a normalisation of equal numbers, a sum of what
// has the mean 0. No device can be nearer than its float32 operands say.
func (t trial) sensitivity(want values) map[string]float64 {
	off := t.p.Relative
	if off == 0 {
		off = relative
	}
	src, host := philox.NewSource(philox.Stream{Seed: 1, ID: 1 << 46}), values{}
	for _, o := range t.c.Operands {
		host[o.Name] = append([]float64(nil), t.host[o.Name]...)
		for i := range host[o.Name] {
			if !o.Labels {
				host[o.Name][i] *= 1 + off*pick(src, -1.0, 1)
			}
		}
	}
	moved, err := trial{d: reference.New(), c: t.c, call: t.call, host: host}.run(plain)
	if err != nil {
		return nil
	}
	slack := map[string]float64{}
	for _, name := range t.call.Writes {
		slack[name] = 4 * distance(moved[name], want[name]) // another draw moves it farther, or not at all
	}
	return slack
}
