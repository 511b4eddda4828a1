// Package programtest is what the tests of the programs share: small data, and ways to run a program.
package programtest

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/cli"
	"fovea/device/philox"
)

// Array is an array of an npz: Values is []float32, []float64 or []int64.
type Array struct {
	Name   string
	Shape  []int
	Values any
}

// Npy is the array as a NumPy file.
func (a Array) Npy() []byte {
	kind := map[string]string{"[]float32": "<f4", "[]float64": "<f8", "[]int64": "<i8"}[fmt.Sprintf("%T", a.Values)]
	var shape strings.Builder
	for _, d := range a.Shape {
		fmt.Fprintf(&shape, "%d,", d)
	}
	header := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", kind, shape.String())
	header += strings.Repeat(" ", 63-(10+len(header))%64) + "\n"
	var b bytes.Buffer
	b.WriteString("\x93NUMPY\x01\x00")
	binary.Write(&b, binary.LittleEndian, uint16(len(header)))
	b.WriteString(header)
	binary.Write(&b, binary.LittleEndian, a.Values)
	return b.Bytes()
}

// NPZ writes arrays to a new file and returns its path.
func NPZ(t testing.TB, arrays ...Array) string {
	t.Helper()
	var b bytes.Buffer
	archive := zip.NewWriter(&b)
	for _, a := range arrays {
		w, err := archive.Create(a.Name + ".npy")
		require.NoError(t, err)
		_, err = w.Write(a.Npy())
		require.NoError(t, err)
	}
	require.NoError(t, archive.Close())
	path := filepath.Join(t.TempDir(), "data.npz")
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o666))
	return path
}

// Bars are n samples [1, side, side] of noise with one bright column out of four, which is the class. They can be told
// apart by any network.
func Bars(n, side int, seed uint64) (x []float32, y []int64) {
	random := philox.NewSource(philox.Stream{Seed: seed})
	x, y = make([]float32, n*side*side), make([]int64, n)
	for i := range y {
		y[i] = int64(i % 4)
		for at := range side * side {
			v := random.Normal(0, 0.1)
			if at%side == int(y[i])*side/4 {
				v++
			}
			x[i*side*side+at] = float32(v)
		}
	}
	return x, y
}

// BarsNPZ is a file of n Bars to train on and n/2 to test.
func BarsNPZ(t testing.TB, n, side int) string {
	x, y := Bars(n, side, 1)
	xTest, yTest := Bars(n/2, side, 2)
	return NPZ(t, Array{"x", []int{n, 1, side, side}, x}, Array{"y", []int{n}, y},
		Array{"x_test", []int{n / 2, 1, side, side}, xTest}, Array{"y_test", []int{n / 2}, yTest})
}

// Result is what a program left behind.
type Result struct {
	Code           int
	Stdout, Stderr string
}

// Program is a program's function.
type Program func(ctx context.Context, args []string, stdout, stderr io.Writer) error

// Run runs a program in this process, as cli.Main would.
func Run(program Program, args ...string) Result {
	var stdout, stderr bytes.Buffer
	code := cli.Exit("program", program(context.Background(), args, &stdout, &stderr), &stderr)
	return Result{code, stdout.String(), stderr.String()}
}

// Succeed runs a program that must exit 0.
func Succeed(t testing.TB, program Program, args ...string) Result {
	t.Helper()
	r := Run(program, args...)
	require.Zero(t, r.Code, "%v: %s", args, r.Stderr)
	return r
}

var (
	build  sync.Once
	folder string // of the program that Build made
	failed error
)

// Build compiles the program that is being tested, once, and returns its path.
func Build(t testing.TB) string {
	t.Helper()
	build.Do(func() {
		if folder, failed = os.MkdirTemp("", "program"); failed != nil {
			return
		}
		out, err := exec.Command("go", "build", "-tags", tags, "-o", filepath.Join(folder, "program"), ".").CombinedOutput()
		if err != nil {
			failed = fmt.Errorf("go build: %w: %s", err, out)
		}
	})
	require.NoError(t, failed)
	return filepath.Join(folder, "program")
}

// Main is the TestMain of a package that uses Build: it removes what that made.
func Main(m *testing.M) {
	code := m.Run()
	if folder != "" {
		os.RemoveAll(folder)
	}
	os.Exit(code)
}
