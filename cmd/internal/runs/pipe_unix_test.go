//go:build unix

package runs

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Opening a pipe would wait for a writer.
func TestReadPipes(t *testing.T) {
	for _, name := range []string{ConfigFile, LinesFile, MatrixFile, MistakesFile, SummaryFile} {
		dir := saved(t, map[string]string{ConfigFile: "model: mlp\n"})
		os.Remove(filepath.Join(dir, name))
		require.NoError(t, syscall.Mkfifo(filepath.Join(dir, name), 0o666))
		require.EqualError(t, WriteReport(dir, filepath.Join(dir, ReportFile)), filepath.Join(dir, name)+": not a regular file")
	}
}
