//go:build unix

package data

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// Of two programs that want the same file, one fetches it and the other waits for that.
func TestFetchesInTurns(t *testing.T) {
	f, dir := fileOf("f", known), t.TempDir()
	begun, proceed := make(chan struct{}), make(chan struct{})
	slow := newFetcher(dir, false)
	slow.sources = []source{{name: "slow", open: func(context.Context, string) (io.ReadCloser, error) {
		close(begun)
		<-proceed
		return io.NopCloser(bytes.NewReader(known)), nil
	}}}
	done := make(chan error, 2)
	go func() {
		_, err := slow.get(t.Context(), f)
		done <- err
	}()
	<-begun

	impatient, leave := context.WithCancelCause(t.Context())
	left := newFetcher(dir, false, fake{"web", known, nil})
	left.log = func(string, ...any) { leave(errors.New("left")) }
	_, err := left.get(impatient, f)
	require.EqualError(t, err, "fetching f: left")

	waiting := make(chan struct{})
	patient := newFetcher(dir, false, fake{"web", known, nil})
	patient.log = func(format string, args ...any) { close(waiting) } // once, or this panics
	go func() {
		content, err := patient.get(t.Context(), f)
		if err == nil && !bytes.Equal(content, known) {
			err = errors.New("other content")
		}
		done <- err
	}()
	<-waiting
	close(proceed)
	require.NoError(t, <-done)
	require.NoError(t, <-done)
	require.Empty(t, patient.asked, "it is there already")
	require.Equal(t, map[string]string{"f": string(known)}, files(t, dir))
}
