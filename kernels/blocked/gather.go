package blocked

// Gather copies rows of 16 numbers whose places in src differ by the same offsets in every row:
//
//	dst[r*step+i] = src[places[r]+offsets[i]],  i < 16
//
// It brings weights into the order of the kernels, and gradients back.
func (k *Kernel) Gather(dst []float32, step int, src []float32, offsets *[Lanes]int32, places []int) {
	if len(places) == 0 {
		return
	}
	low, high := offsets[0], offsets[0]
	for _, o := range offsets {
		low, high = min(low, o), max(high, o)
	}
	first, last := places[0], places[0]
	for _, p := range places {
		first, last = min(first, p), max(last, p)
	}
	_, _, _ = src[first+int(low)], src[last+int(high)], dst[(len(places)-1)*step+Lanes-1]
	for len(places) > 0 {
		n := min(len(places), rowsAtOnce)
		k.gather(dst, step, src, offsets, places[:n])
		places, dst = places[n:], dst[min(n*step, len(dst)):]
	}
}

// rowsAtOnce keeps a call short.
const rowsAtOnce = 1 << 12

func genericGather(dst []float32, step int, src []float32, offsets *[Lanes]int32, places []int) {
	for r, p := range places {
		to := dst[r*step:][:Lanes]
		for i, o := range offsets {
			to[i] = src[p+int(o)]
		}
	}
}
