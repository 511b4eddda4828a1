package launch

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
)

// entryPoints finds the kernels' names in the preprocessed sources.
var entryPoints = regexp.MustCompile(`extern "C"\s+void\s+(\w+)\s*\(`)

// host is a program of testdata running, whose device addresses start at hostBase.
type host struct {
	memory  []byte
	used    int
	input   io.Writer
	output  *bufio.Reader
	regions [][2]int // allocated stretches

	readBytes, writtenBytes int // by the last call of run, where the process counts them
}

const (
	hostBase  = 0x100000000000
	hostBytes = 64 << 20
)

// sources is where the kernels are.
const sources = "../../../kernels/cuda"

// startHost compiles the kernels with g++ and starts the process that runs them.
func startHost(t *testing.T) *host {
	compiler, err := exec.LookPath("g++")
	if err != nil {
		t.Skip("g++ is not installed: the kernels' sources cannot be run on the CPU")
	}
	folder := t.TempDir()
	include := filepath.Join(folder, "entries.inc")
	require.NoError(t, os.WriteFile(include, nil, 0o644))
	expanded, err := exec.Command(compiler, "-std=c++17", "-E", "-P", "-I", folder, "-I", sources, "testdata/host.cpp").Output()
	require.NoError(t, err)
	var entries strings.Builder
	for _, found := range entryPoints.FindAllStringSubmatch(string(expanded), -1) {
		fmt.Fprintf(&entries, "{%q, entry(%s)},\n", found[1], found[1])
	}
	require.NoError(t, os.WriteFile(include, []byte(entries.String()), 0o644))
	program := filepath.Join(folder, "host")
	message, err := exec.Command(compiler, "-std=c++17", "-O1", "-ffp-contract=off", "-w", "-I", folder, "-I", sources, "-o", program, "testdata/host.cpp").CombinedOutput()
	require.NoError(t, err, string(message))

	return start(t, program)
}

// startEmulated starts the process that runs the kernels' PTX with the emulator's executor.
func startEmulated(t *testing.T) *host {
	const emulator = "../emulator"
	library := filepath.Join(emulator, "build/ptx/libptx.a")
	if _, err := os.Stat(library); err != nil {
		t.Skip("the emulated GPU is not built: make -C device/cuda/emulator")
	}
	image, err := os.ReadFile(filepath.Join(sources, "kernels.fatbin"))
	if err != nil {
		t.Skip("the kernels are not compiled: kernels/cuda/build.sh")
	}
	at := bytes.Index(image, []byte(".version "))
	require.GreaterOrEqual(t, at, 0, "kernels.fatbin has no PTX, or compressed")
	folder := t.TempDir()
	text, program := filepath.Join(folder, "kernels.ptx"), filepath.Join(folder, "emulated")
	require.NoError(t, os.WriteFile(text, image[at:at+bytes.IndexByte(image[at:], 0)], 0o644))
	message, err := exec.Command("g++", "-std=c++17", "-O1", "-pthread", "-I", filepath.Join(emulator, "ptx"), "-o", program, "testdata/emulated.cpp", library).CombinedOutput()
	require.NoError(t, err, string(message))
	return start(t, program, text)
}

// start runs a program of testdata on a memory of its own.
func start(t *testing.T, program string, more ...string) *host {
	file, err := os.Create(filepath.Join(t.TempDir(), "memory"))
	require.NoError(t, err)
	require.NoError(t, file.Truncate(hostBytes))
	memory, err := syscall.Mmap(int(file.Fd()), 0, hostBytes, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	require.NoError(t, err)
	run := exec.Command(program, append([]string{file.Name(), fmt.Sprint(hostBytes)}, more...)...)
	run.Stderr = os.Stderr
	input, err := run.StdinPipe()
	require.NoError(t, err)
	output, err := run.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, run.Start())
	t.Cleanup(func() {
		input.Close()
		require.NoError(t, run.Wait())
		require.NoError(t, syscall.Munmap(memory))
		file.Close()
	})
	return &host{memory: memory, input: input, output: bufio.NewReader(output)}
}

// reset frees everything and fills memory with NaN, whatever the type.
func (h *host) reset() {
	for i := range h.memory[:h.used] {
		h.memory[i] = 0xff
	}
	if h.used == 0 {
		for i := range h.memory {
			h.memory[i] = 0xff
		}
	}
	h.used, h.regions = 0, nil
	fmt.Fprintln(h.input, "reset")
}

// alloc gives memory of undefined contents, with a gap behind it.
func (h *host) alloc(size int) uint64 {
	at := h.used
	h.regions = append(h.regions, [2]int{at, at + size})
	h.used = roundUp(at+size, 256) + 256
	fmt.Fprintln(h.input, "alloc", hostBase+at, size)
	return hostBase + uint64(at)
}

func (h *host) bytes(at uint64, n int) []byte { return h.memory[at-hostBase:][:n] }

// place is the order of a tensor's elements in memory: element i of the logical order lies at place(shape)[i].
func places(shape tensor.Shape) []int {
	step, at := strides(shape), make([]int, device.Size(shape))
	for i := range at {
		rest := i
		for axis := len(shape) - 1; axis >= 0; axis-- {
			at[i] += rest % shape[axis] * step[axis]
			rest /= shape[axis]
		}
	}
	return at
}

func (h *host) write(at uint64, shape tensor.Shape, values []float64, t Type) {
	raw := h.bytes(at, len(values)*t.Bytes())
	for i, to := range places(shape) {
		bits := math.Float32bits(float32(values[i]))
		if t == F32 {
			binary.LittleEndian.PutUint32(raw[4*to:], bits)
		} else {
			binary.LittleEndian.PutUint16(raw[2*to:], uint16(bits>>16)) // values were rounded
		}
	}
}

func (h *host) read(at uint64, shape tensor.Shape, t Type) []float64 {
	values := make([]float64, device.Size(shape))
	raw := h.bytes(at, len(values)*t.Bytes())
	for i, from := range places(shape) {
		if t == F32 {
			values[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[4*from:])))
		} else {
			values[i] = float64(math.Float32frombits(uint32(binary.LittleEndian.Uint16(raw[2*from:])) << 16))
		}
	}
	return values
}

// run makes the launches and checks that nothing outside of the allocated memory was written.
func (h *host) run(launches ...Launch) error {
	h.readBytes, h.writtenBytes = 0, 0
	for _, l := range launches {
		if l.Empty() {
			continue
		}
		fmt.Fprintf(h.input, "%s %d %d %d %d %d %d %d %s\n", l.Kernel, l.Grid[0], l.Grid[1], l.Grid[2], l.Block[0], l.Block[1], l.Block[2], l.Shared, hex.EncodeToString(l.Args))
		answer, err := h.output.ReadString('\n')
		if err != nil {
			return fmt.Errorf("%s: the process ended: %w", l.Kernel, err)
		}
		if !strings.HasPrefix(answer, "ok") {
			return fmt.Errorf("%s", strings.TrimSpace(answer))
		}
		var read, written int
		fmt.Sscanf(answer, "ok %d %d", &read, &written)
		h.readBytes += read
		h.writtenBytes += written
		for i, r := range h.regions {
			end := h.used
			if i+1 < len(h.regions) {
				end = h.regions[i+1][0]
			}
			for at := r[1]; at < end; at++ {
				if h.memory[at] != 0xff {
					return fmt.Errorf("%s wrote %d bytes behind allocation %d of %d bytes", l.Kernel, at-r[1], i, r[1]-r[0])
				}
			}
		}
	}
	return nil
}
