package devicetest

import (
	"fmt"
	"math"
	"slices"

	"gorgonia.org/tensor"

	"fovea/device"
)

// member is a tensor of a program.
type member struct {
	id    int
	t     *device.Tensor
	host  []float64 // what the device has, exactly
	kind  string
	draw  Draw // other elements of its kind
	few   bool // made as activations are
	users int  // operands of open cases that it is
	owned bool // one of those is to be written, by one case alone
}

func (m *member) String() string {
	if m.few {
		return fmt.Sprintf("#%d %v as activation", m.id, m.t.Shape)
	}
	return fmt.Sprintf("#%d %v", m.id, m.t.Shape)
}

// bind finds or makes a course's operands: those that it has already, where they still fit.
func (p *program) bind(co *course) error {
	wished := co.members
	co.members = map[string]*member{}
	for _, o := range co.c.Operands {
		written := co.c.writes(o.Name) || o.Labels // which have to suit the classes
		m, err := p.operand(o, wished[o.Name], written, co.row.Single)
		if err != nil {
			return fmt.Errorf("operand %s of %s, case %q: %w", o.Name, co.row.Op, co.c.Name, err)
		}
		m.users, m.owned = m.users+1, written
		co.members[o.Name] = m
	}
	return nil
}

// operand is a tensor for an operand: mostly one that is there.
func (p *program) operand(o Operand, wished *member, written, single bool) (*member, error) {
	some := p.fitting(o, written, !single && (wished != nil && wished.few || p.chance(10)))
	if len(some) == 0 || p.chance(10) {
		return p.make(o, single)
	}
	m := pick(p.src, some...)
	switch {
	case slices.Contains(some, wished):
		m = wished
	case o.Kept && !p.chance(4):
		m = some[0] // the more often it is used the more is kept of it
	}
	if o.Labels {
		return m, p.upload(m, o.elements(p), "other labels")
	}
	return m, nil
}

// fitting are the members that an operand can be. With mixed set parameters may have been made as activations are.
func (p *program) fitting(o Operand, written, mixed bool) (some []*member) {
	for _, m := range p.live {
		alike := device.EqualShape(m.t.Shape, o.Shape) || !written && !o.Labels && m.t.Size() == device.Size(o.Shape)
		if !alike || m.owned || written && m.users > 0 || o.Kept && m.few && !mixed || m.kind != o.Kind || o.Labels != (m.t.DType == tensor.Int32) {
			continue
		}
		some = append(some, m)
	}
	return some
}

// meets says that all parameters of a case are there.
func (p *program) meets(c Case) bool {
	for _, o := range c.Operands {
		if o.Kept && o.Draw != nil && len(p.fitting(o, false, false)) == 0 {
			return false
		}
	}
	return true
}

// elements are drawn as the operand's case says, or as usual where some would not be finite.
func (o Operand) elements(p *program) []float64 {
	draw := o.Draw
	if draw == nil {
		draw = usual
	}
	x := singles(draw(p.src, device.Size(o.Shape)))
	if slices.ContainsFunc(x, func(v float64) bool { return !finite(v) }) {
		return singles(usual(p.src, len(x)))
	}
	return x
}

// make adds a member. What it holds before it is written is the memory's last contents, or NaN.
func (p *program) make(o Operand, single bool) (*member, error) {
	p.made++
	m := &member{id: p.made, kind: o.Kind, draw: usual}
	if o.Kind != "" && o.Draw != nil {
		m.draw = o.Draw
	}
	compact, offered := p.d.(device.Compact)
	m.few = offered && !o.Labels && !single && p.chance(4) == o.Kept
	var err error
	switch {
	case o.Labels:
		m.t, err = p.d.New(o.Shape, tensor.Int32)
	case m.few:
		m.t, err = compact.NewActivation(o.Shape)
	default:
		m.t, err = p.d.New(o.Shape, p.d.Float())
	}
	if err != nil {
		return nil, err
	}
	p.live = append(p.live, m)
	if o.Draw == nil && p.chance(2) {
		p.note("new, not written: "+m.String(), map[string]*member{"": m})
		m.host, err = download(m.t)
		return m, err
	}
	elements := constant(nan)(nil, m.t.Size())
	if o.Draw != nil {
		elements = o.elements(p)
	}
	return m, p.upload(m, elements, "new")
}

// upload writes a member from outside.
func (p *program) upload(m *member, elements []float64, why string) error {
	p.note(fmt.Sprintf("%s, uploaded: %v", why, m), map[string]*member{"": m})
	var host any = elements
	if m.t.DType == tensor.Int32 {
		labels := make([]int32, len(elements))
		for i, v := range elements {
			labels[i] = int32(v)
		}
		host = labels
	}
	if err := p.d.Upload(m.t, host); err != nil {
		return err
	}
	var err error
	m.host, err = download(m.t)
	return err
}

// finish lets go of a case's operands. What it wrote and is of no use to others is given back, or other elements.
func (p *program) finish(co *course) error {
	for _, o := range co.c.Operands {
		m := co.members[o.Name]
		m.users--
		if m.users > 0 {
			continue
		}
		m.owned = false
		if m.useful() {
			continue
		}
		if p.chance(2) {
			p.release(m)
		} else if err := p.renew(m); err != nil {
			return err
		}
	}
	if p.past = append(p.past, co); len(p.past) > 8 {
		p.past = p.past[1:]
	}
	return p.shrink()
}

// useful says that its numbers are finite, and of a size that calls can go on with.
func (m *member) useful() bool {
	sum := 0.0
	for _, v := range m.host {
		sum += v * v
	}
	size := math.Sqrt(sum / float64(max(1, len(m.host))))
	return finite(size) && (m.kind != "" || len(m.host) == 0 || size > 1e-2 && size < 1e2)
}

// renew gives a member other elements: new ones, or its own times a factor.
func (p *program) renew(m *member) error {
	elements := singles(m.draw(p.src, m.t.Size()))
	if m.kind == "" && p.chance(2) {
		largest := 0.0
		for _, v := range m.host {
			largest = max(largest, math.Abs(v))
		}
		if finite(largest) && largest > 0 {
			for i, v := range m.host {
				elements[i] = float64(float32(v / largest))
			}
		}
	}
	return p.upload(m, elements, "written from outside")
}

// shrink gives members back while there are many.
func (p *program) shrink() error {
	for {
		elements := 0
		for _, m := range p.live {
			elements += m.t.Size()
		}
		idle := p.idle()
		if len(idle) == 0 || len(p.live) < 60 && elements < p.stock.elements {
			return nil
		}
		p.release(pick(p.src, idle...))
	}
}

// idle are the members that no open case has.
func (p *program) idle() (some []*member) {
	for _, m := range p.live {
		if m.users == 0 {
			some = append(some, m)
		}
	}
	return some
}

// release gives a member back, for its memory to be handed out again.
func (p *program) release(m *member) {
	p.note("given back: "+m.String(), map[string]*member{"": m})
	m.t.Release()
	p.live = slices.DeleteFunc(p.live, func(other *member) bool { return other == m })
}

// disturb writes a member from outside, gives one back, or looks whether all are as they should be.
func (p *program) disturb() error {
	idle := p.idle()
	if len(idle) == 0 {
		return p.checkAll()
	}
	m := pick(p.src, idle...)
	switch p.src.Intn(3) {
	case 0:
		if m.t.DType == tensor.Int32 {
			return nil
		}
		return p.renew(m)
	case 1:
		p.release(m)
		return nil
	}
	return p.checkAll()
}

// checkAll looks whether members hold what was last written to them.
func (p *program) checkAll() error {
	for _, m := range p.live {
		x, err := download(m.t)
		if err == nil {
			err = unchanged(x, m.host, m.t.Shape)
		}
		if err != nil {
			p.note("found changed: "+m.String(), map[string]*member{"": m})
			return fmt.Errorf("%v is nobody's result and was changed: %w", m, err)
		}
	}
	return nil
}
