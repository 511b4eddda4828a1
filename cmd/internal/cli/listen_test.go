package cli

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestListen(t *testing.T) {
	for _, row := range []struct{ address, want string }{
		{"0", `^Serving on http://127\.0\.0\.1:[1-9]\d*, for this machine only$`},
		{":0", `^Serving on http://127\.0\.0\.1:[1-9]\d*, for this machine only$`},
		{"localhost:0", `^Serving on http://(127\.0\.0\.1|\[::1\]):[1-9]\d*, for this machine only$`},
		{"0.0.0.0:0", `^Serving on http://(0\.0\.0\.0|\[::\]):[1-9]\d*, for anyone who reaches this address$`},
	} {
		l, line, err := Listen(t.Context(), "serve", row.address)
		require.NoError(t, err, row.address)
		require.Regexp(t, row.want, line, row.address)
		_, _, again := Listen(t.Context(), "serve", l.Addr().String())
		require.ErrorContains(t, again, "--serve: listen tcp", "an address that is taken")
		require.NoError(t, l.Close())
	}
	for _, address := range []string{"", ":", "http", "65536", "-1", "1.2.3.4", "::1:80", "host:port", "[::1", "localhost:"} {
		_, _, err := Listen(t.Context(), "serve", address)
		var wrong *UsageError
		require.True(t, errors.As(err, &wrong), "%q: %v", address, err)
		require.ErrorContains(t, err, "expected PORT or HOST:PORT", address)
	}
}
