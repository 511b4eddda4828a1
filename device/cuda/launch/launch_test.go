package launch

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
)

func TestArgumentsLieAsInC(t *testing.T) {
	type pair struct {
		small int32
		large int64
	}
	l := launch("k", [2]int{1, 1}, integer(1), pointer(0x0807060504030201), float(1), arg(pair{2, 3}), integer(4))
	require.Equal(t, []byte{
		1, 0, 0, 0, 0, 0, 0, 0, // padded to the pointer
		1, 2, 3, 4, 5, 6, 7, 8,
		0, 0, 0x80, 0x3f, 0, 0, 0, 0, // padded to the struct
		2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0,
		4, 0, 0, 0,
	}, l.Args)
}

func TestNothingToDo(t *testing.T) {
	empty := tensor.Shape{0, 8, 3, 3}
	bias := AddBias(0, 0, 0, empty, device.ActivationSpec{}, F32)
	pooled := Pool(0, 0, empty, empty, device.PoolSpec{Window: [2]int{1, 1}}.Normal(), BF16)
	lrn := LRN(0, 0, empty, device.LRNSpec{Size: 5}, F32)
	softmax := Softmax(0, 0, empty, false, F32)
	copied, err := CopyRegion(0, empty, make([]int, 4), 0, empty, make([]int, 4), empty, 4)
	require.NoError(t, err)
	for _, l := range []Launch{Fill(0, 0, 1, F32), bias, pooled, lrn, softmax, copied, SGD(0, 0, 0, 0, 0, device.SGDSpec{})} {
		require.True(t, l.Empty(), "%s has grid %v", l.Kernel, l.Grid)
	}
	require.False(t, Fill(0, 1, 1, F32).Empty())
}

// Blocks must cover a matrix exactly, in a grid that every GPU takes.
func TestColumnsCover(t *testing.T) {
	for _, rows := range []int{1, 7, 64, 1000, 1 << 20, 1 << 33} {
		for _, channels := range []int{1, 3, 8, 12, 64, 100, 1000, 4096, 100000} {
			for _, kind := range []Type{F32, BF16} {
				for name, plan := range map[string]func(int, int, Type) (columns, [2]int, string){"map": mapColumns, "sum": sumColumns} {
					g, grid, pack := plan(rows, channels, kind)
					what := []any{"%s of %d x %d %v: %+v, grid %v", name, rows, channels, kind, g, grid}
					width := 1
					if pack != "" {
						width = kind.pack()
						require.Zero(t, channels%width, what...)
					}
					require.Equal(t, 1, powerOfTwo(int(g.lanes))/int(g.lanes), what...)
					require.LessOrEqual(t, int(g.lanes), 32, what...)
					require.Zero(t, int(g.perBlock)%(threads/int(g.lanes)), what...)
					require.GreaterOrEqual(t, int(g.perBlock)*grid[0], rows, what...)
					require.Less(t, int(g.perBlock)*(grid[0]-1), rows, what...)
					require.GreaterOrEqual(t, int(g.lanes)*width*grid[1], channels, what...)
					require.Less(t, int(g.lanes)*width*(grid[1]-1), channels, what...)
					require.LessOrEqual(t, grid[0], math.MaxInt32, what...)
					require.LessOrEqual(t, grid[1], 65535, what...)
					if name == "sum" { // the partial sums must not be what costs
						require.LessOrEqual(t, 16*grid[0]*(threads/int(g.lanes)), max(rows, 16*threads)+16*threads, what...)
						require.LessOrEqual(t, grid[0]*grid[1], 2*enough+grid[1], what...)
					}
				}
			}
		}
	}
}

func TestAxesCollapse(t *testing.T) {
	for _, c := range []struct{ in, want []axis }{
		{[]axis{{2, 12, 12}, {3, 4, 4}, {4, 1, 1}}, []axis{{24, 1, 1}}},
		{[]axis{{2, 12, 0}, {3, 4, 0}, {4, 1, 1}}, []axis{{6, 4, 0}, {4, 1, 1}}},
		{[]axis{{2, 12, 4}, {1, 99, 77}, {3, 4, 0}, {4, 1, 1}}, []axis{{2, 12, 4}, {3, 4, 0}, {4, 1, 1}}},
		{[]axis{{1, 5, 5}}, nil},
	} {
		require.Equal(t, c.want, collapse(c.in), "%v", c.in)
	}
	_, err := Broadcast(0, 0, tensor.Shape{2, 2, 2, 2, 2, 2, 2}, tensor.Shape{1, 2, 1, 2, 1, 2, 1}, 1, F32)
	require.ErrorIs(t, err, device.ErrShape)
	require.ErrorContains(t, err, "7 axes")
}

func TestFastPaths(t *testing.T) {
	kernel := func(l Launch, err error) string {
		require.NoError(t, err)
		return l.Kernel
	}
	s := tensor.Shape{2, 16, 5, 5}
	require.Equal(t, "binary_f32", kernel(Binary(0, 0, 0, s, s, s, device.Add, F32)))
	require.Equal(t, "binary_columns_pack_bf16", kernel(Binary(0, 0, 0, s, s, tensor.Shape{1, 16, 1, 1}, device.Add, BF16)))
	require.Equal(t, "binary_strided_f32", kernel(Binary(0, 0, 0, s, s, tensor.Shape{2, 16, 1, 1}, device.Add, F32)))
	zero := make([]int, 4)
	require.Equal(t, "copy_region_16", kernel(CopyRegion(0, s, zero, 0, s, zero, tensor.Shape{2, 8, 3, 3}, 4)))
	require.Equal(t, "copy_region_4", kernel(CopyRegion(0, s, zero, 0, s, zero, tensor.Shape{2, 7, 3, 3}, 4)))
	require.Equal(t, "copy_region_2", kernel(CopyRegion(0, s, []int{0, 4, 0, 0}, 0, s, zero, tensor.Shape{2, 8, 3, 3}, 2)))
	require.Equal(t, "transpose_few_f32_bf16", ToChannelsLast(0, 0, tensor.Shape{2, 3, 224, 224}, BF16, F32).Kernel)
	require.Equal(t, "transpose_bf16", FromChannelsLast(0, 0, tensor.Shape{2, 64, 56, 56}, BF16, BF16).Kernel)
}

func TestTableNamesBlocks(t *testing.T) {
	table, owners := Table([]Parameter{{Value: 1, Count: chunk + 1}, {Value: 2, Count: 0}, {Value: 3, Count: chunk}})
	require.Len(t, table, 3*56)
	require.Equal(t, []int32{0, 0, 2}, owners)
	require.Equal(t, byte(2), table[2*56+48], "the third parameter's first block")
}
