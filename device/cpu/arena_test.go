package cpu

import (
	"math/rand/v2"
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
)

// event is a request for elements (n > 0), or a buffer's return: the one that event number -n-1 asked for.
type event = int

// perform makes a step: requests and returns, everything returned at the end. It returns the most elements that lived at once.
func perform(t *testing.T, p *pool[float32], stats *device.Stats, step []event) (most int) {
	held, living := map[int]*buffer[float32]{}, 0
	for i, e := range step {
		if e > 0 {
			b := p.get(e, stats)
			require.Len(t, b.data, e)
			require.Zero(t, uintptr(unsafe.Pointer(&b.data[0]))%cacheLine, "event %d: %d elements are not aligned", i, e)
			b.data[0], b.data[e-1] = float32(i), float32(i) // the marks of who holds this piece
			held[i] = b
			living += e
			most = max(most, living)
			continue
		}
		number := -e - 1
		b := held[number]
		require.EqualValues(t, []int{number, number}, []int{int(b.data[0]), int(b.data[len(b.data)-1])}, "what event %d got was given to another too", number)
		living -= len(b.data)
		p.put(b)
		delete(held, number)
	}
	for i, b := range held {
		require.EqualValues(t, i, b.data[0], "what event %d got was given to another too", i)
		p.put(b)
	}
	return most
}

// trainingStep is how a training step lives: feature maps that stay until backward, in reverse, and scratch in between.
func trainingStep(sizes []int) (step []event) {
	ask := func(n int) int { step = append(step, n); return len(step) - 1 }
	give := func(i int) { step = append(step, -i-1) }
	var kept []int
	for _, n := range sizes {
		scratch := ask(n / 2)
		kept = append(kept, ask(n))
		give(scratch)
	}
	gradient := ask(sizes[len(sizes)-1])
	for i := len(kept) - 1; i >= 0; i-- {
		next := ask(sizes[i])
		give(gradient)
		give(kept[i])
		gradient = next
	}
	give(gradient)
	return step
}

func TestStepsRepeatInTheSameMemory(t *testing.T) {
	src := rand.New(rand.NewPCG(1, 2))
	random := func() (step []event) {
		var held []int
		for range 300 {
			if len(held) == 0 || src.IntN(5) < 3 {
				held = append(held, len(step))
				step = append(step, 1+src.IntN(1<<uint(4+src.IntN(17))))
				continue
			}
			i := src.IntN(len(held))
			step = append(step, -held[i]-1)
			held[i] = held[len(held)-1]
			held = held[:len(held)-1]
		}
		return step
	}
	rows := []struct {
		name  string
		step  []event
		waste float64 // memory held, as a multiple of what lives at once
	}{
		// A request that takes a much larger buffer because nothing else is free makes a later one ask the system.
		{"1, 5, give 1, 10", []event{1 << 18, 5 << 18, -1, 10 << 18}, 1.1},
		{"10, give 10, 1, 5, give 1, 10", []event{10 << 18, -1, 1 << 18, 5 << 18, -3, 10 << 18}, 1.5},
		{"layers", trainingStep([]int{3 << 18, 16 << 16, 16 << 16, 8 << 16, 8 << 16, 4 << 16, 512, 10}), 1.25},
		{"random", random(), 3}, {"random", random(), 3}, {"random", random(), 3}, {"random", random(), 3},
	}
	for _, row := range rows {
		for _, kept := range []bool{false, true} {
			p, stats := newPool[float32](), device.Stats{}
			var parameters []*buffer[float32]
			for _, n := range []int{1000, 64, 300_000, 1} {
				parameters = append(parameters, p.get(n, &stats))
			}
			before := stats.SystemBytes
			most := perform(t, &p, &stats, row.step)
			first := stats
			require.LessOrEqual(t, float64(first.SystemBytes-before), row.waste*float64(4*most)+8*page, "%s: bytes of the system for %d that lived at once", row.name, 4*most)
			var loss *buffer[float32]
			for range 3 {
				if kept { // somebody holds a number from one step to the next
					if loss != nil {
						p.put(loss)
					}
					loss = p.get(1, &stats)
				}
				perform(t, &p, &stats, row.step)
				require.Equal(t, first, stats, "%s: the same step again asked the system for memory", row.name)
			}
			if kept {
				p.put(loss)
			}
			for _, b := range parameters {
				p.put(b)
			}
			for _, a := range []*arena{&p.numbers, &p.arrays} {
				for i, s := range a.free {
					require.Equal(t, a.place(i), s, "%s: when all is given back, the free pieces are the segments", row.name)
				}
				require.Len(t, a.free, len(a.segments))
			}
			require.NoError(t, p.close(&stats))
			require.Zero(t, stats.SystemBytes, "bytes held after closing")
		}
	}
}

// Pieces meet at the ends of segments, and are not merged there.
func TestPiecesStayInTheirSegments(t *testing.T) {
	a, stats := arena{first: page}, device.Stats{}
	src := rand.New(rand.NewPCG(3, 4))
	var held []extent
	for range 2000 {
		if src.IntN(2) == 0 || len(held) == 0 {
			piece, _, err := a.take(cacheLine*(1+src.IntN(page/cacheLine)), &stats)
			require.NoError(t, err)
			require.Equal(t, a.segmentAt(piece.from), a.segmentAt(piece.to-1), "piece %v lies in two segments", piece)
			held = append(held, piece)
			continue
		}
		i := src.IntN(len(held))
		a.give(held[i])
		held[i] = held[len(held)-1]
		held = held[:len(held)-1]
	}
	require.Greater(t, len(a.segments), 4)
	for _, piece := range held {
		a.give(piece)
	}
	for i, s := range a.free {
		require.Equal(t, a.place(i), s, "when all is given back, the free pieces are the segments")
	}
	require.NoError(t, a.close(&stats))
}

// What was given back is taken again by what it is just large enough for.
func TestExactFit(t *testing.T) {
	p, stats := newPool[float32](), device.Stats{}
	first, _ := p.get(5000, &stats), p.get(300, &stats)
	at := &first.data[0]
	p.put(first)
	require.Same(t, at, &p.get(5000, &stats).data[0])
	require.NoError(t, p.close(&stats))
}

// Buffers do not all start at the same place of a page.
func TestLargeBuffersAreStaggered(t *testing.T) {
	p, stats := newPool[float32](), device.Stats{}
	starts := map[uintptr]bool{}
	for range 8 {
		starts[uintptr(unsafe.Pointer(&p.get(1<<16, &stats).data[0]))%page] = true
	}
	require.Len(t, starts, 8)
	require.NoError(t, p.close(&stats))
}

func TestMemoryIsRefused(t *testing.T) {
	d, err := New(1)
	require.NoError(t, err)
	_, err = d.New(tensor.Shape{1 << 24, 1 << 24}, tensor.Float32)
	require.ErrorContains(t, err, "tensor of 1125899906843072 bytes")
	require.NoError(t, d.Close(), "a refused tensor is none")
}

// A tensor that outlives its device can still be read and released; the error of Close says that there is one.
func TestLeakedTensorsStayReadable(t *testing.T) {
	d, err := New(2)
	require.NoError(t, err)
	x, err := d.New(tensor.Shape{300, 300}, tensor.Float32)
	require.NoError(t, err)
	require.NoError(t, d.Fill(x, 3))
	require.ErrorContains(t, d.Close(), "1 tensors")
	runtime.GC()
	dense, err := x.Dense()
	require.NoError(t, err)
	require.EqualValues(t, 3, dense.Data().([]float32)[89_999])
	x.Release()
}

// What is copied out does not point into memory that Close gives back.
func TestDenseOutlivesItsDevice(t *testing.T) {
	d, err := New(1)
	require.NoError(t, err)
	x, err := device.FromSlice(d, tensor.Shape{50_000}, make([]float32, 50_000))
	require.NoError(t, err)
	dense, err := x.Dense()
	require.NoError(t, err)
	x.Release()
	require.NoError(t, d.Close())
	require.Zero(t, d.Stats().SystemBytes)
	dense.Data().([]float32)[49_999] = 1
}
