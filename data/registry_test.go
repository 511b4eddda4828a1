package data

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOpenRefusesNames(t *testing.T) {
	const all = "cifar10 or cifar100[:coarse] or fashion-mnist or folder:PATH or imagenet:PATH or mnist or npz:FILE or places:PATH"
	require.Equal(t, all, strings.Join(Names(), " or "))
	for spec, want := range map[string]string{
		"":           `unknown data set "", expected ` + all,
		"nmist":      `unknown data set "nmist", expected ` + all,
		"MNIST":      `unknown data set "MNIST", expected ` + all,
		"mnist:":     `unknown data set "mnist:", expected mnist`,
		"mnist:test": `unknown data set "mnist:test", expected mnist`,
		"npz":        `unknown data set "npz", expected npz:FILE`,
		"npz:":       `unknown data set "npz:", expected npz:FILE`,
		"cifar100:":  `unknown data set "cifar100:", expected cifar100[:coarse]`,
		"cifar100:x": `unknown data set "cifar100:x", expected cifar100 or cifar100:coarse`,
		"cifar10:x":  `unknown data set "cifar10:x", expected cifar10`,
		"folder":     `unknown data set "folder", expected folder:PATH`,
		":file":      `unknown data set ":file", expected ` + all,
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
	require.Contains(t, Names(), "here:PLACE")
	_, err := Open(t.Context(), "here:a:b", Options{Dir: "dir"})
	require.Equal(t, broken, err)
	require.PanicsWithValue(t, "data: here registered twice", func() { Register("here", nil) })
}
