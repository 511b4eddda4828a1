package zoo_test

import (
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/nn/zoo"
)

func TestNames(t *testing.T) {
	names := zoo.Names()
	require.True(t, sort.StringsAreSorted(names), "%v", names)
	require.Subset(t, names, []string{"cnn-large", "cnn-small", "mlp"})
	for _, n := range names {
		m, err := zoo.Find(n)
		require.NoError(t, err)
		require.Equal(t, n, m.Name)
		require.Equal(t, strings.ToLower(n), n, "names are lower case")
		require.NotNil(t, m.New(m.Classes))
	}
}

func TestFindUnknown(t *testing.T) {
	_, err := zoo.Find("vgg")
	require.ErrorIs(t, err, zoo.ErrUnknown)
	require.EqualError(t, err, `unknown model "vgg", expected one of `+strings.Join(zoo.Names(), ", "))
}
