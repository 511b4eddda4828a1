package launch

import "fmt"

// columns is struct Columns of columns.cuh.
type columns struct {
	rows, perBlock  int64
	channels, lanes int32
}

// rowsOf is struct Rows of columns.cuh.
type rowsOf struct {
	elements, inner, perBlock int64
	channels                  int32
}

// channelsOf is struct Channels of columns.cuh.
type channelsOf struct {
	elements, inner int64
	channels        int32
}

// Enough blocks that the largest GPU has several for each of its multiprocessors.
const enough = 512

// byColumns lays blocks over a matrix of rows x channels whose elements are of type t; atMost is how many rows a thread takes
// where there are rows enough, atLeast how many even if that leaves multiprocessors idle.
func byColumns(rows, channels, atLeast, atMost int, t Type) (g columns, grid [2]int, pack string) {
	width := 1
	if channels%t.pack() == 0 {
		width, pack = t.pack(), "pack_"
	}
	lanes := min(powerOfTwo(channels/width), 32)
	slots := threads / lanes
	chunks := ceil(channels, width*lanes)
	each := max(atLeast, min(atMost, rows*chunks/(slots*enough)))
	perBlock := slots * each
	return columns{int64(rows), int64(perBlock), int32(channels), int32(lanes)}, [2]int{ceil(rows, perBlock), chunks}, pack
}

// mapColumns is for kernels that write as much as they read.
func mapColumns(rows, channels int, t Type) (g columns, grid [2]int, pack string) {
	return byColumns(rows, channels, 1, 8, t)
}

// sumColumns is for sums over the rows. A thread takes many, so that the partial sums are few.
func sumColumns(rows, channels int, t Type) (g columns, grid [2]int, pack string) {
	return byColumns(rows, channels, 16, rows, t)
}

// sumRows is for sums over outer*inner of [outer, channels, inner].
func sumRows(outer, channels, inner int) (g rowsOf, grid [2]int) {
	elements := outer * inner
	each := max(16, ceil(elements*channels, threads*enough))
	perBlock := threads * each
	return rowsOf{int64(elements), int64(inner), int64(perBlock), int32(channels)}, [2]int{ceil(elements, perBlock), channels}
}

func name(kernel, pack string, t Type) string { return fmt.Sprintf("%s_%s%s", kernel, pack, t) }
