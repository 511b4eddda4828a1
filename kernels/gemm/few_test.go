package gemm

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Weights that are larger than the caches are read where they lie for a few samples, and no longer for many; for a kernel of vectors,
// those that stay in the caches are packed for fewer already.
func TestFew(t *testing.T) {
	eachKernel(t, func(t *testing.T, k *Kernel) {
		const large, small = 4096, 784
		for _, size := range []int{large, small} {
			require.True(t, k.FewSamples(1, size, size), "one sample meets each weight once")
			require.True(t, k.FewRows(1, size, size))
			require.True(t, k.FewProducts(size, size, 1))
			require.False(t, k.FewSamples(200, size, size))
			require.False(t, k.FewRows(200, size, size))
			require.False(t, k.FewProducts(size, size, 200))
		}
		require.Equal(t, k.FewSamples(8, large, large), k.FewSamples(large, 8, large), "either operand may be the one of few rows")
		require.True(t, k.FewRows(16, large, large))
		if k.MR > 4 {
			require.False(t, k.FewRows(16, small, small))
		}
	})
}
