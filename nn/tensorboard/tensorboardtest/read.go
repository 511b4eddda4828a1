// Package tensorboardtest asks TensorBoard itself what it reads of event files.
package tensorboardtest

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// Series is what TensorBoard has of a tag: points of [step, value], by a plugin of its.
type Series struct {
	Plugin string
	Points [][2]any
}

// Steps are those of the points.
func (s Series) Steps() []int {
	var steps []int
	for _, p := range s.Points {
		steps = append(steps, int(p[0].(float64)))
	}
	return steps
}

// Values are those of the points.
func (s Series) Values() []any {
	var values []any
	for _, p := range s.Points {
		values = append(values, p[1])
	}
	return values
}

// Read returns what each of TensorBoard's readers has of a folder: series by run and tag. It skips the test where there
// is no Python with the package tensorboard: FOVEA_TENSORBOARD_PYTHON names one, else python3 may have it.
func Read(t testing.TB, folder string) map[string]map[string]map[string]Series {
	t.Helper()
	python := os.Getenv("FOVEA_TENSORBOARD_PYTHON")
	if python == "" {
		python = "python3"
		if err := exec.Command(python, "-c", "import tensorboard").Run(); err != nil {
			t.Skipf("%s has no package tensorboard (%v), and FOVEA_TENSORBOARD_PYTHON names no Python", python, err)
		}
	}
	_, here, _, _ := runtime.Caller(0)
	script := filepath.Join(filepath.Dir(here), "..", "..", "..", "scripts", "check_tensorboard.py")
	var stderr bytes.Buffer
	command := exec.Command(python, script, folder)
	command.Stderr = &stderr
	out, err := command.Output()
	require.NoError(t, err, "%s", stderr.String())
	var all map[string]map[string]map[string]Series
	require.NoError(t, json.Unmarshal(out, &all))
	require.Contains(t, all, "python")
	return all
}
