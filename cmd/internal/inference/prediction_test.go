package inference

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBest(t *testing.T) {
	require.Equal(t, []Choice{{2, "c", 0.5}, {0, "a", 0.25}, {3, "d", 0.25}}, best([]float64{0.25, 0, 0.5, 0.25}, 3, []string{"a", "b", "c", "d"}))
	require.Equal(t, []Choice{{1, "", 1}}, best([]float64{0, 1}, 1, nil))
	require.Equal(t, []Choice{{1, "", 0.75}, {0, "a", 0.25}}, best([]float64{0.25, 0.75}, 9, []string{"a"}), "names may end early")
}
