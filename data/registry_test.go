package data

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOpenRefusesNames(t *testing.T) {
	require.Equal(t, []string{"mnist", "npz:FILE"}, Names())
	for spec, want := range map[string]string{
		"":           `unknown data set "", expected mnist or npz:FILE`,
		"nmist":      `unknown data set "nmist", expected mnist or npz:FILE`,
		"MNIST":      `unknown data set "MNIST", expected mnist or npz:FILE`,
		"mnist:":     `unknown data set "mnist:", expected mnist`,
		"mnist:test": `unknown data set "mnist:test", expected mnist`,
		"npz":        `unknown data set "npz", expected npz:FILE`,
		"npz:":       `unknown data set "npz:", expected npz:FILE`,
		":file":      `unknown data set ":file", expected mnist or npz:FILE`,
	} {
		sets, err := Open(t.Context(), spec, Options{})
		require.ErrorIs(t, err, ErrUsage, spec)
		require.EqualError(t, err, want)
		require.Nil(t, sets)
	}
	_, err := Open(t.Context(), "npz:none", Options{})
	require.Error(t, err)
	require.NotErrorIs(t, err, ErrUsage, "a file that is missing is no wrong name")
}

func TestRegister(t *testing.T) {
	t.Cleanup(func() { delete(formats, "here") })
	broken := errors.New("broken")
	Register("here:PLACE", func(_ context.Context, argument string, opts Options) (*Sets, error) {
		require.Equal(t, "a:b", argument, "what follows the first colon")
		require.Equal(t, "dir", opts.Dir)
		return nil, broken
	})
	require.Equal(t, []string{"here:PLACE", "mnist", "npz:FILE"}, Names())
	_, err := Open(t.Context(), "here:a:b", Options{Dir: "dir"})
	require.Equal(t, broken, err)
	require.PanicsWithValue(t, "data: here registered twice", func() { Register("here", nil) })
}
