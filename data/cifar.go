package data

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"gorgonia.org/tensor"
)

func init() {
	Register("cifar10", func(ctx context.Context, _ string, opts Options) (*Sets, error) { return openCIFAR(ctx, cifar10, opts) })
	Register("cifar100[:coarse]", func(ctx context.Context, argument string, opts Options) (*Sets, error) {
		switch argument {
		case "", "fine":
			return openCIFAR(ctx, cifar100, opts)
		case "coarse":
			return openCIFAR(ctx, cifar100Coarse, opts)
		}
		return nil, fmt.Errorf("%w %q, expected cifar100 or cifar100:coarse", ErrUsage, "cifar100:"+argument)
	})
}

// cifar is one of the data sets of Krizhevsky, "Learning Multiple Layers of Features from Tiny Images" (2009): its archive
// in the binary form, and what lies in it.
type cifar struct {
	name            string
	folder          string // it shares with others
	archive         file
	classes         int
	train, test     []string // files of records
	names           string   // file of the classes' names
	labels, label   int      // bytes before the pixels of a record, and which of them is the class
	mean, deviation []float32
}

var (
	cifar10 = cifar{name: "cifar10", folder: "cifar10", classes: 10,
		archive: file{"cifar-10-binary.tar.gz", 170052171, "c32a1d4ab5d03f1284b67883e8d87530", "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"},
		train:   []string{"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"},
		test:    []string{"test_batch.bin"}, names: "batches.meta.txt", labels: 1,
		mean: []float32{0.4914, 0.4822, 0.4465}, deviation: []float32{0.2470, 0.2435, 0.2616}}
	cifar100 = cifar{name: "cifar100", folder: "cifar100", classes: 100,
		archive: file{"cifar-100-binary.tar.gz", 168513733, "03b5dce01913d631647c71ecec9e9cb8", "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"},
		train:   []string{"train.bin"}, test: []string{"test.bin"}, names: "fine_label_names.txt", labels: 2, label: 1,
		mean: []float32{0.5071, 0.4865, 0.4409}, deviation: []float32{0.2673, 0.2564, 0.2762}}
	cifar100Coarse = func() cifar {
		c := cifar100
		c.name, c.classes, c.names, c.label = "cifar100:coarse", 20, "coarse_label_names.txt", 0
		return c
	}()
)

func openCIFAR(ctx context.Context, c cifar, opts Options) (*Sets, error) {
	s, err := newStore(c.folder, opts, mirror(newClient(), "https://www.cs.toronto.edu/~kriz/"))
	if err == nil {
		var content []byte
		if content, err = s.get(ctx, c.archive); err == nil {
			var sets *Sets
			if sets, err = c.read(ctx, bytes.NewReader(content)); err == nil {
				return sets, nil
			}
			err = fmt.Errorf("%s: %w", c.archive.name, err)
		}
	}
	return nil, fmt.Errorf("%s: %w", c.name, err)
}

const (
	cifarSide  = 32
	cifarSize  = 3 * cifarSide * cifarSide
	maxCIFAR   = 60_000  // pictures in a file
	maxNames   = 1 << 16 // bytes of the file of names
	maxEntries = 1000    // files in the archive
)

// read takes the archive apart.
func (c cifar) read(ctx context.Context, r io.Reader) (*Sets, error) {
	unpacked, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	parts := map[string]*colours{}
	var names []string
	archive := tar.NewReader(unpacked)
	for n := 0; ; n++ {
		head, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if n == maxEntries {
			return nil, fmt.Errorf("more than %d files", maxEntries)
		}
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		name := path.Base(head.Name)
		switch {
		case head.Typeflag != tar.TypeReg:
		case parts[name] != nil || name == c.names && names != nil:
			return nil, fmt.Errorf("%s is there twice", name)
		case name == c.names:
			text, err := io.ReadAll(io.LimitReader(archive, maxNames))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			names = strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' || r == '\r' })
		case slices.Contains(c.train, name) || slices.Contains(c.test, name):
			part, err := c.records(archive, head.Size)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			parts[name] = part
		}
	}
	// The end is where the checksum of all is.
	if _, err := io.Copy(io.Discard, io.LimitReader(unpacked, 1<<20)); err != nil {
		return nil, err
	}
	if len(names) != c.classes {
		return nil, fmt.Errorf("%s has %d names, expected %d", c.names, len(names), c.classes)
	}
	join := func(name string, files []string) (*colours, error) {
		all := &colours{info: Info{Name: name, Sample: tensor.Shape{3, cifarSide, cifarSide}, Classes: c.classes, ClassNames: names,
			Scale: 1.0 / 255, Mean: c.mean, Deviation: c.deviation}}
		for _, file := range files {
			if parts[file] == nil {
				return nil, fmt.Errorf("no file %s in it", file)
			}
			if len(files) == 1 {
				all.pixels, all.labels = parts[file].pixels, parts[file].labels
				break
			}
			all.pixels, all.labels = append(all.pixels, parts[file].pixels...), append(all.labels, parts[file].labels...)
			delete(parts, file)
		}
		return all, CheckLabels(all, c.classes)
	}
	train, err := join(c.name, c.train)
	if err != nil {
		return nil, err
	}
	test, err := join(c.name+" (test)", c.test)
	if err != nil {
		return nil, err
	}
	return &Sets{Train: train, Test: test}, nil
}

// records reads pictures: labels, then 32 x 32 bytes of red, of green and of blue.
func (c cifar) records(r io.Reader, size int64) (*colours, error) {
	each := int64(c.labels + cifarSize)
	if size == 0 || size%each != 0 || size/each > maxCIFAR {
		return nil, fmt.Errorf("%d bytes, expected records of %d, at least one and at most %d", size, each, maxCIFAR)
	}
	set := &colours{}
	record := make([]byte, each)
	for n := range size / each {
		if _, err := io.ReadFull(r, record); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = fmt.Errorf("cut short in record %d of %d", n, size/each)
			}
			return nil, err
		}
		set.labels = append(set.labels, record[c.label])
		set.pixels = append(set.pixels, record[c.labels:]...)
	}
	return set, nil
}

// colours is a part of CIFAR, as bytes.
type colours struct {
	info   Info
	pixels []byte
	labels []byte
}

func (s *colours) Info() Info { return s.info }
func (s *colours) Len() int   { return len(s.labels) }

func (s *colours) Read(i int, x []float32) error {
	if err := checkRead(s.info, len(s.labels), cifarSize, i, x); err != nil {
		return err
	}
	for j, p := range s.pixels[i*cifarSize : (i+1)*cifarSize] {
		x[j] = brightness[p]
	}
	return nil
}

func (s *colours) Label(i int) int {
	if i < 0 || i >= len(s.labels) {
		return -1
	}
	return int(s.labels[i])
}

func (s *colours) Target(int, []float32) {}
