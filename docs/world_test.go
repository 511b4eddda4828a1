package docs

import (
	"archive/zip"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/data"
	"fovea/device"
	_ "fovea/device/cpu"
	"fovea/device/philox"
	"fovea/nn"
	"fovea/nn/weights"
	"fovea/nn/zoo"
)

// world is what the documentation's commands find: the programs, and small files of the names that it uses.
type world struct {
	dir      string // where they start
	programs string
	env      []string
	goCaches []string // of modules and of builds, for the command go
	runs     int      // run folders given names of their own
}

// trained are run folders that pages speak of, and their networks.
var trained = map[string]string{
	"runs/large": "cnn-large", "runs/lecture": "cnn-large", "runs/cnn-large": "cnn-large", "runs/mine": "cnn-small",
	"runs/cnn-small-20260131-120000": "cnn-small", "runs/adam-cosine": "mlp", "runs/nesterov-step": "mlp",
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func newWorld(t *testing.T) *world {
	t.Helper()
	top := t.TempDir()
	w := &world{dir: filepath.Join(top, "work"), programs: filepath.Join(top, "programs")}
	build := exec.Command("go", "build", "-o", w.programs+string(filepath.Separator), "./cmd/...")
	build.Dir = root
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	home := filepath.Join(top, "home")
	require.NoError(t, os.MkdirAll(home, 0o777))
	caches, err := exec.Command("go", "env", "GOMODCACHE", "GOCACHE").Output()
	require.NoError(t, err)
	w.goCaches = strings.Fields(string(caches))
	w.env = append(os.Environ(), "HOME="+home, "XDG_CACHE_HOME="+filepath.Join(home, ".cache"),
		"PATH="+w.programs+string(filepath.ListSeparator)+os.Getenv("PATH"),
		"GOMODCACHE=", "GOPROXY=off", "HTTPS_PROXY=http://127.0.0.1:9") // nothing may be fetched
	w.copyOf(t, "docs/digit.png", "docs/digit.png", "digit.png", "picture.png")
	require.NoError(t, os.MkdirAll(filepath.Join(w.dir, "docs", "tutorial"), 0o777))
	w.copyOf(t, "go.mod", "go.mod")
	w.copyOf(t, "go.sum", "go.sum")
	w.texts(t)
	w.digits(t)
	w.pictures(t)
	w.arrays(t)
	w.networks(t)
	for name, model := range trained {
		w.make(t, "train", "--data", digits, "--model", model, "--epochs", "1", "--out", name)
	}
	w.make(t, "inspect", "export-onnx", "--weights", "runs/large/model.safetensors", "-o", "theirs.onnx")
	return w
}

// program is the path of one.
func (w *world) program(name string) string {
	if path := filepath.Join(w.programs, name); exists(path) {
		return path
	}
	return name
}

// path is a new file's, whose folder is made.
func (w *world) path(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(w.dir, filepath.FromSlash(name))
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
	return path
}

func (w *world) copyOf(t *testing.T, file string, names ...string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
	require.NoError(t, err)
	for _, name := range names {
		require.NoError(t, os.WriteFile(w.path(t, name), content, 0o666))
	}
}

// make runs a program that must succeed.
func (w *world) make(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(w.program(name), args...)
	cmd.Dir, cmd.Env = w.dir, w.env
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s %v: %s", name, args, out)
}

func (w *world) picture(t *testing.T, name string, width, height int, at func(x, y int) color.Color) {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			m.Set(x, y, at(x, y))
		}
	}
	f, err := os.Create(w.path(t, name))
	require.NoError(t, err)
	require.NoError(t, png.Encode(f, m))
	require.NoError(t, f.Close())
}

// digits are 28 x 28: a bright bar, whose place is the class, in noise.
func (w *world) digits(t *testing.T) {
	t.Helper()
	random := philox.NewSource(philox.Stream{Seed: 1})
	for part, count := range map[string]int{"train": 12, "test": 4} {
		for class := range 10 {
			for i := range count {
				w.picture(t, fmt.Sprintf("digits/%s/%d/%d.png", part, class, i), 28, 28, func(x, _ int) color.Color {
					v := random.Intn(60)
					if x/2 == class+2 {
						v += 190
					}
					return color.Gray{Y: uint8(v)}
				})
			}
		}
	}
}

// pictures are in colour: cats are mostly red, dogs mostly blue.
func (w *world) pictures(t *testing.T) {
	t.Helper()
	random := philox.NewSource(philox.Stream{Seed: 2})
	draw := func(name string, dog bool) {
		w.picture(t, name, 40, 48, func(x, y int) color.Color {
			c := color.NRGBA{R: uint8(150 + random.Intn(100)), G: uint8(2*x + y), B: uint8(random.Intn(80)), A: 255}
			if dog {
				c.R, c.B = c.B, c.R
			}
			return c
		})
	}
	for _, folder := range []string{"pictures", "flowers", "imagenet/train", "imagenet/val", "places/train", "places/val"} {
		for i := range 6 {
			draw(fmt.Sprintf("%s/n01/%d.png", folder, i), false)
			draw(fmt.Sprintf("%s/n02/%d.png", folder, i), true)
		}
	}
	draw("cat.jpg", false) // a PNG by its content, which is what counts
	draw("dog.jpg", true)
}

// texts are small files.
func (w *world) texts(t *testing.T) {
	t.Helper()
	require.NoError(t, os.WriteFile(w.path(t, "scripts/cuda_env.sh"), []byte("# of the CUDA build, which is made elsewhere\n"), 0o666))
}

func (w *world) arrays(t *testing.T) {
	t.Helper()
	x := make([]float32, 4*28*28)
	for _, file := range []string{"mine.npz", "arrays.npz"} {
		w.npz(t, file)
	}
	require.NoError(t, data.WriteNpy(w.path(t, "batch.npy"), tensor.New(tensor.WithShape(4, 1, 28, 28), tensor.WithBacking(x))))
}

// npz is an archive of NumPy arrays: 20 samples of two classes.
func (w *world) npz(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(w.path(t, name))
	require.NoError(t, err)
	archive := zip.NewWriter(f)
	x, y := make([]float32, 20*64), make([]byte, 20)
	for i := range y {
		x[i*64+i%2] = 1
		y[i] = byte(i % 2)
	}
	part := w.path(t, "x.npy")
	require.NoError(t, data.WriteNpy(part, tensor.New(tensor.WithShape(20, 1, 8, 8), tensor.WithBacking(x))))
	samples, err := os.ReadFile(part)
	require.NoError(t, err)
	require.NoError(t, os.Remove(part))
	header := fmt.Sprintf("\x93NUMPY\x01\x00v\x00%-117s\n", "{'descr': '|u1', 'fortran_order': False, 'shape': (20,), }") // v is its length
	for array, content := range map[string][]byte{"x": samples, "y": append([]byte(header), y...)} {
		to, err := archive.Create(array + ".npy")
		require.NoError(t, err)
		_, err = to.Write(content)
		require.NoError(t, err)
	}
	require.NoError(t, archive.Close())
	require.NoError(t, f.Close())
}

// networks are files of weights that nobody has trained.
func (w *world) networks(t *testing.T) {
	t.Helper()
	dev, err := device.Open("cpu", device.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, dev.Close()) }()
	for model, files := range map[string][]string{
		"resnet18": {"resnet18.pth", "resnet18-f37072fd.pth", "before.safetensors", "after.safetensors"},
		"resnet50": {"resnet50-11ad3fa6.pth"}} {
		found, err := zoo.Find(model)
		require.NoError(t, err)
		net, err := nn.Build(dev, found.New(found.Classes), found.Sample, 1)
		require.NoError(t, err)
		require.NoError(t, weights.Save(w.path(t, files[0]), net.State(), nil))
		for _, file := range files[1:] {
			require.NoError(t, os.Link(w.path(t, files[0]), w.path(t, file)))
		}
		net.Release()
	}
}

// elsewhere are paths of the documentation that are not below the folder in which its commands start.
var elsewhere = strings.NewReplacer("/data/imagenet", "imagenet", "imagenet:pictures", "imagenet:imagenet", "/data/places365", "places")

// adapt leads a command to what this world has, and its run to a folder that is not there yet.
func (w *world) adapt(words []string) (adapted []string, changed bool) {
	for _, word := range words {
		adapted = append(adapted, elsewhere.Replace(word))
	}
	if words[0] == "train" && !slices.Contains(words, "--resume") {
		if i := slices.Index(words, "--out"); i < 0 || exists(filepath.Join(w.dir, words[i+1])) {
			w.runs++
			adapted = append(adapted, "--out", fmt.Sprintf("runs/of-the-page-%d", w.runs))
		}
	}
	return adapted, !slices.Equal(adapted, words)
}
