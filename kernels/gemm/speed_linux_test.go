package gemm

import (
	"fmt"
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"fovea/kernels/isa"
)

// seconds is how long this thread had a processor for the work: other programs may run meanwhile.
func seconds(b *testing.B, work func()) float64 {
	var before, after unix.Timespec
	require.NoError(b, unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &before))
	work()
	require.NoError(b, unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &after))
	return float64(after.Nano()-before.Nano()) / 1e9
}

// huge is memory as package cpu provides it.
func huge(b *testing.B) func(n int) []float32 {
	return func(n int) []float32 {
		const page = 2 << 20
		memory, err := unix.Mmap(-1, 0, (4*n+2*page)/page*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
		require.NoError(b, err)
		b.Cleanup(func() { require.NoError(b, unix.Munmap(memory)) })
		_ = unix.Madvise(memory, unix.MADV_HUGEPAGE)
		at := memory[-uintptr(unsafe.Pointer(&memory[0]))%page:]
		x := unsafe.Slice((*float32)(unsafe.Pointer(&at[0])), n)
		copy(x, filled(n, 0.01))
		return x
	}
}

// fast are the kernels worth measuring.
func fast(b *testing.B, do func(b *testing.B, k *Kernel)) {
	for _, set := range isa.Available() {
		if set != isa.Generic {
			b.Run(set.String(), func(b *testing.B) { do(b, For(set)) })
		}
	}
}

// BenchmarkMultiply is a large product and a small network's layer, one goroutine, packed from rows and from columns. Beside
// its speed it reports which share that is of the micro-kernel's, taken in turns, since a processor's frequency changes.
func BenchmarkMultiply(b *testing.B) {
	fast(b, func(b *testing.B, k *Kernel) {
		multiply(b, k, func(ws *Workspace, c []float32, m, n, depth int, left, right Strided) {
			k.Multiply(ws, c, n, Block(0, m, 0, n), depth, left, right, false)
		})
	})
}

// BenchmarkMultiplySplit is the same by parts; the share is still of the micro-kernel of float32s.
func BenchmarkMultiplySplit(b *testing.B) {
	fast(b, func(b *testing.B, k *Kernel) {
		if k.split == nil {
			b.Skip("no parts")
		}
		multiply(b, k, func(ws *Workspace, c []float32, m, n, depth int, left, right Strided) {
			require.True(b, k.MultiplySplit(ws, c, n, 0, m, 0, n, depth, left, right))
		})
	})
}

func multiply(b *testing.B, k *Kernel, do func(ws *Workspace, c []float32, m, n, depth int, left, right Strided)) {
	for _, size := range [][3]int{{2048, 2048, 2048}, {200, 784, 784}} {
		for _, forms := range [][2]int{{0, 0}, {0, 2}, {2, 2}} {
			m, n, depth := size[0], size[1], size[2]
			room := huge(b)
			draw := func(rows int, l layout) Strided {
				s := Strided{Data: room(rows * depth)}
				s.Row, s.Depth = l.strides(rows, depth)
				for i := range s.Data {
					s.Data[i] = float32(i%977)/977 - 0.5 // zeros, or one number again and again, need less power
				}
				return s
			}
			c, left, right, ws := room(m*n), draw(m, layouts[forms[0]]), draw(n, layouts[forms[1]]), k.NewWorkspace(room)
			b.Run(fmt.Sprintf("%dx%dx%d/A %s B %s", m, depth, n, layouts[forms[0]].name, layouts[forms[1]].name), func(b *testing.B) {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				tiles, tileFlops := k.thousandTiles(room)
				flops, whole, best := 2*float64(m)*float64(n)*float64(depth), 0.0, 0.0
				for b.Loop() {
					whole += seconds(b, func() { do(ws, c, m, n, depth, left, right) })
					best += seconds(b, tiles)
				}
				b.ReportMetric(flops*float64(b.N)/whole/1e9, "GFLOP/s")
				b.ReportMetric(100*flops/whole/(tileFlops/best), "%-of-tiles")
			})
		}
	}
}

// BenchmarkTile is the micro-kernel alone, its panels and its tile in the first-level cache: what Multiply may come near.
func BenchmarkTile(b *testing.B) {
	fast(b, func(b *testing.B, k *Kernel) {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		tiles, flops := k.thousandTiles(huge(b))
		whole := 0.0
		for b.Loop() {
			whole += seconds(b, tiles)
		}
		b.ReportMetric(flops*float64(b.N)/whole/1e9, "GFLOP/s")
	})
}

// thousandTiles are a thousand calls of the micro-kernel whose panels stay in the first-level cache, and their flops.
func (k *Kernel) thousandTiles(room func(n int) []float32) (do func(), flops float64) {
	ws := k.NewWorkspace(room)
	x, y, c := room(k.MR*blockDepth), panels{room(k.NR * blockDepth), k.NR, 0, nil}, room(k.MR*k.NR)
	return func() {
		for range 1000 {
			k.tiles[len(k.tiles)-1].do(ws, blockDepth, 1, rows{x, 0}, y, c, k.NR, true, soon{})
		}
	}, 1000 * 2 * float64(k.MR*k.NR*blockDepth)
}
