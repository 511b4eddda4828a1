package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// rule says how commands of the documentation are run by TestCommands.
type rule struct {
	words string   // regular expression of what the command begins with; of several rules the first that fits
	add   []string // flags that make it shorter, or lead it to other data
	// instead is "FILE: TEXT": what runs the command where it cannot be run here, and a line of it.
	instead string
	serves  bool   // it goes on until it is interrupted, which happens at the end of the page, or before the next server
	needs   string // a program that a machine with Go alone may lack: without it the command is not run
	why     string
}

// The data sets of the documentation are large or have to be fetched: small ones take their place, see newWorld.
const (
	digits   = "folder:digits"
	pictures = "folder:pictures"
)

var rules = []rule{
	// Our programs.
	{words: `train --(help|model list|augment list)$`},
	{words: `train --resume \S+$`},
	{words: `train --resume \S+ --epochs `, add: []string{"--epochs", "2"}, why: "shorter"},
	{words: `train .*--data npz:`, add: []string{"--epochs", "1"}, why: "shorter"},
	{words: `train --model mine.onnx`, add: []string{"--data", digits, "--epochs", "1"}, why: "the network reads digits"},
	{words: `train .*--data (imagenet:|places:)`, add: []string{"--model", "resnet20-cifar", "--max-steps", "1", "--batch", "2"},
		why: "shorter, and a small network"},
	{words: `train .*--weights `, add: []string{"--data", pictures, "--max-steps", "1", "--batch", "2", "--input", "3x64x64"},
		why: "shorter, and on small pictures"},
	{words: `train .*--data (cifar|folder:)`,
		add: []string{"--data", pictures, "--model", "resnet20-cifar", "--max-steps", "1", "--batch", "2", "--input", "3x32x32"},
		why: "shorter, on small pictures, and a small network"},
	{words: `train .*--find-lr\b`, add: []string{"--data", digits, "--find-lr-steps", "20"}, why: "shorter, and on a small set"},
	{words: `train .*--folds\b`, add: []string{"--data", digits, "--epochs", "1"}, why: "shorter, and on a small set"},
	{words: `train .*--serve `, add: []string{"--data", digits, "--epochs", "1", "--val-fraction", "0.2", "--serve", "0"},
		why: "shorter, on a small set, and a free port"},
	{words: `train\b`, add: []string{"--data", digits, "--epochs", "1", "--val-fraction", "0.2"}, why: "shorter, and on a small set"},
	{words: `predict .*--serve\b`, serves: true},
	{words: `predict\b`},
	{words: `inspect serve\b`, serves: true},
	{words: `inspect augment .*--data mnist .*-o docs/`, add: []string{"--data", digits, "--input", "1x28x28"}, why: "a small set"},
	{words: `inspect augment (.*--data mnist\b|--augment \S+ -o )`,
		add: []string{"--data", digits, "--input", "1x28x28", "--samples", "2", "--epochs", "2"},
		why: "a small set, and fewer pictures"},
	{words: `inspect augment --image cat.jpg `, add: []string{"--input", "3x32x32", "--epochs", "2"}, why: "small pictures, and fewer"},
	{words: `inspect augment .*--data (cifar10\b|folder:)`, add: []string{"--data", pictures, "--input", "3x32x32", "--samples", "2", "--epochs", "2"},
		why: "a small set, and fewer pictures"},
	{words: `inspect\b`},
	{words: `bench .*--peer\b`, instead: "cmd/bench/peer_test.go: func TestPeer",
		why: "needs Python with PyTorch or ONNX Runtime, and an idle machine"},
	{words: `bench\b`, add: []string{"--steps", "1", "--models", "mlp", "--batch", "4"}, why: "shorter, and a small network"},
	{words: `go run ./examples/digits$`, instead: "examples/digits/main_test.go: func TestMNIST", why: "reads 60,000 pictures"},

	// Go and the shell.
	{words: `go list -m `},
	{words: `go test ./cmd/internal/live/livetest `, instead: "cmd/inspect/serve_test.go: page.Screenshot(", why: "needs a page that is served"},
	{words: `go build -o bin ./cmd/`, instead: "docs/world_test.go: ./cmd/...", why: "these tests begin with it"},
	{words: `go test ./nn/zoo `, instead: "nn/zoo/torchvision_test.go: every-network", why: "takes hours"},
	{words: `make test$`, instead: ".ci/run: make test", why: "runs this test"},
	{words: `(mkdir|ls|paste|cp) `},

	{words: `curl `, needs: "curl", why: "asks the page's server"},

	// Python, for what one does once.
	{words: `python3 scripts/bench_loader.py`, instead: "docs/benchmarks/README.md: scripts/bench_loader.py --turns 3",
		why: "needs Python with PyTorch, and an idle machine"},

	// The CUDA build.
	{words: `make cuda$`, instead: ".ci/run: make kernels build/cuda/lib/libcuda.a", why: "needs a C++ compiler and 1.2 GB"},
	{words: `make kernels build/cuda/lib/libcuda.a`, instead: ".ci/run: make kernels build/cuda/lib/libcuda.a", why: "the same"},
	{words: `scripts/cuda_toolkit.sh libraries`, instead: ".ci/run: scripts/cuda_toolkit.sh", why: "the same"},
	{words: `python3 -m venv \S+/fovea-cuda`, instead: "scripts/cuda_toolkit.sh: pip download", why: "the same"},
	{words: `\S+/fovea-cuda/bin/pip install nvidia-cublas==13.1.0.3 `, instead: "scripts/cuda_toolkit.sh: nvidia_cublas-13.1.0.3-", why: "the same"},
	{words: `go build -tags cuda`, instead: ".ci/run: go vet -tags cuda ./...", why: "needs the CUDA build's environment"},
	{words: `bin/train --device cuda`, instead: ".ci/run: make test-cuda", why: "needs the CUDA build, and a GPU or the emulated one"},
	{words: `./bench --devices cuda:0 .*--peer`, instead: "scripts/gpu_check.py: --peer", why: "needs a GPU"},
	{words: `make test-cuda`, instead: ".ci/run: make test-cuda", why: "needs the CUDA build"},
	{words: `make gpu-check`, instead: "Makefile: gpu-check-emulated: gpu-check-build emulator", why: "needs a GPU, or the emulated one"},

	// Containers.
	{words: `docker build -f docker/Dockerfile `, instead: "docker/build_test.sh: docker/Dockerfile", why: "needs root on Debian"},
	{words: `(docker|podman) run `, instead: "docker/build_test.sh: podman", why: "the same"},
	{words: `docker compose -f docker/compose.yaml `, instead: "docker/build_test.sh: docker/compose.yaml", why: "the same"},
}

var compiled = func() []*regexp.Regexp {
	all := make([]*regexp.Regexp, len(rules))
	for i, r := range rules {
		all[i] = regexp.MustCompile(`(?s)^` + r.words)
	}
	return all
}()

// find is the number of the rule for a command, -1 without one.
func find(words string) int {
	for i, r := range compiled {
		if r.MatchString(words) {
			return i
		}
	}
	return -1
}

// Every command fits a rule, and every rule a command. A rule that sends commands elsewhere says the truth: the file is there, and
// has that line.
func TestRules(t *testing.T) {
	used := make([]bool, len(rules))
	for _, p := range pages(t) {
		newShell(t, nil, p.path, used).runAll(p)
	}
	for i, r := range rules {
		require.True(t, used[i], "no command fits rule %q", r.words)
		require.False(t, r.why == "" && (r.instead != "" || r.needs != "" || len(r.add) > 0), "rule %q: no reason", r.words)
		if r.instead == "" {
			continue
		}
		file, text, _ := strings.Cut(r.instead, ": ")
		content, err := os.ReadFile(filepath.Join(root, file))
		require.NoError(t, err, "rule %q", r.words)
		require.Contains(t, string(content), text, "rule %q", r.words)
	}
}

// What no rule speaks of is found out, and so is output that is not what the page shows.
func TestFindings(t *testing.T) {
	for _, words := range []string{"rm -rf runs", "trainer --help", "make tests", "go run ./examples/digits --fast", "sudo train"} {
		require.Negative(t, find(words), words)
	}
	for _, row := range []struct {
		shown, out string
		fits       bool
	}{
		{"a b\nc\n", "a b\nc", true},
		{"a ... c\n", "a b\nb c", true},
		{"loss 0.5 (3 steps)\n", "loss 0.5 (3 steps)", true},
		{"loss 0.5\n", "loss 0x5", false},
		{"a\n", "a\nb", false},
		{"a ... c\n", "a b", false},
	} {
		require.Equal(t, row.fits, pattern(row.shown).MatchString(row.out), "%q, %q", row.shown, row.out)
	}
}
