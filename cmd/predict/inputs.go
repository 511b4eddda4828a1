package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"gorgonia.org/tensor"

	"fovea/cmd/internal/cli"
	"fovea/cmd/internal/network"
	"fovea/data"
	"fovea/device/philox"
	"fovea/nn/weights"
)

// standardInput is how it is named on the command line.
const standardInput = "-"

// maxStandardInput bounds what is kept of it: it is read whole.
const maxStandardInput = 1 << 30

func isArray(name string) bool { return strings.EqualFold(filepath.Ext(name), ".npy") }

// inputs are the samples to predict, in order: a set, so that a loader reads them ahead.
type inputs struct {
	card        *weights.Card
	preparation *network.Preparation // once there is a picture
	tolerant    bool                 // damaged pictures are passed over
	notice      func(line string)
	items       []item

	mu  sync.Mutex
	bad map[int]error // pictures that could not be read and were not asked for yet, by item
}

// item is one sample.
type item struct {
	file    string
	row     int       // of an array, whose values these are
	values  []float32 // nil: a picture
	content []byte    // of a picture that is in no file
}

var _ data.Cropper = (*inputs)(nil)

// open finds the samples of all arguments. Pictures that are named are checked as far as their headers go, so that a mistake
// is known before anything is computed; those found in folders are not.
func (in *inputs) open(ctx context.Context, arguments []string) error {
	for _, name := range arguments {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		info, err := os.Stat(name)
		switch {
		case name == standardInput:
			err = in.addStandardInput(ctx)
		case isArray(name):
			err = in.addArray(name, func() (*tensor.Dense, error) { return data.ReadNpy(name) })
		case err == nil && info.IsDir():
			err = in.addFolder(ctx, name)
		case in.tolerant:
			err = in.addPicture(item{file: name})
		default:
			if err = in.addPicture(item{file: name}); err == nil {
				err = data.CheckPicture(name)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (in *inputs) addPicture(i item) (err error) {
	if in.preparation == nil {
		if in.preparation, err = network.NewPreparation(in.card); err != nil {
			return fmt.Errorf("%s: %w", i.file, err)
		}
	}
	in.items = append(in.items, i)
	return nil
}

func (in *inputs) addArray(name string, read func() (*tensor.Dense, error)) error {
	array, err := read()
	if err != nil {
		return err
	}
	values, err := network.Rows(array, in.card.Sample)
	if err != nil {
		return fmt.Errorf("npy %q: %w", name, err)
	}
	size := in.card.Sample.TotalSize()
	for row := range len(values) / size {
		in.items = append(in.items, item{file: name, row: row, values: values[row*size : (row+1)*size]})
	}
	return nil
}

// addStandardInput takes one picture or one array from there.
func (in *inputs) addStandardInput(ctx context.Context) error {
	content, err := readAll(ctx, os.Stdin, maxStandardInput)
	if err != nil {
		return err
	}
	if data.IsNpy(content) {
		return in.addArray(standardInput, func() (*tensor.Dense, error) { return data.DecodeNpy(standardInput, content) })
	}
	return in.addPicture(item{file: standardInput, content: content})
}

// readAll gives up when ctx ends: nobody may be at the other end.
func readAll(ctx context.Context, r io.Reader, most int64) ([]byte, error) {
	type result struct {
		content []byte
		err     error
	}
	read := make(chan result, 1)
	go func() {
		content, err := io.ReadAll(io.LimitReader(r, most+1))
		if err == nil && int64(len(content)) > most {
			err = fmt.Errorf("more than %d bytes", most)
		}
		read <- result{content, err}
	}()
	select {
	case r := <-read:
		if r.err != nil {
			return nil, fmt.Errorf("standard input: %w", r.err)
		}
		return r.content, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// addFolder adds all pictures below a folder, by name. Links to folders are not followed: they may lead in a circle.
func (in *inputs) addFolder(ctx context.Context, root string) error {
	before, others := len(in.items), 0
	err := filepath.WalkDir(root+string(filepath.Separator), func(path string, entry fs.DirEntry, err error) error {
		hidden := entry != nil && strings.HasPrefix(entry.Name(), ".") && filepath.Clean(path) != filepath.Clean(root)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil && in.tolerant:
			in.notice(fmt.Sprintf("passed over: %s: %v", path, cli.Cause(err)))
			return nil
		case err != nil:
			return fmt.Errorf("%s: %w", path, cli.Cause(err))
		case hidden && entry.IsDir():
			return fs.SkipDir
		case hidden || entry.IsDir():
			return nil
		case !data.IsPicture(path) || !isFile(path, entry):
			others++
			return nil
		}
		return in.addPicture(item{file: path})
	})
	if others > 0 {
		in.notice(fmt.Sprintf("%s: %d files passed over that are not called .jpg, .jpeg, .png or .gif", root, others))
	}
	if err == nil && len(in.items) == before {
		err = fmt.Errorf("%s: no pictures in it, expected PNG, JPEG or GIF files", root)
	}
	return err
}

// isFile says whether an entry is a file, or a link to one. A link to nothing is taken for one: reading it says what is wrong.
func isFile(path string, entry fs.DirEntry) bool {
	if entry.Type()&fs.ModeSymlink == 0 {
		return entry.Type().IsRegular()
	}
	info, err := os.Stat(path)
	return err != nil || info.Mode().IsRegular()
}

// Info implements data.Set. Read gives samples as the network takes them: a loader has nothing to normalise.
func (in *inputs) Info() data.Info { return data.Info{Name: "inputs", Sample: in.card.Sample} }

// Len implements data.Set.
func (in *inputs) Len() int { return len(in.items) }

// Label implements data.Set: all have one, since nobody looks at it.
func (in *inputs) Label(int) int { return 0 }

// Target implements data.Set.
func (in *inputs) Target(int, []float32) {}

// ReadCrop implements data.Cropper, by which a loader knows that reading is work for many workers. There is one way to crop
// that suits the network.
func (in *inputs) ReadCrop(i int, x []float32, _ data.Crop, _ *philox.Source) error {
	return in.Read(i, x)
}

// Read implements data.Set.
func (in *inputs) Read(i int, x []float32) error {
	err := in.read(in.items[i], x)
	var damaged *data.PictureError
	if !in.tolerant || !errors.As(err, &damaged) {
		return err
	}
	clear(x)
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.bad == nil {
		in.bad = map[int]error{}
	}
	in.bad[i] = err
	return nil
}

func (in *inputs) read(it item, x []float32) error {
	switch {
	case it.values != nil:
		copy(x, it.values)
		return nil
	case it.content != nil:
		return in.preparation.Decode("standard input", it.content, math.MaxInt, x)
	}
	return in.preparation.Read(it.file, x)
}

// name is the file of sample i and, if that is an array, the row in it.
func (in *inputs) name(i int) (file string, row *int) {
	it := &in.items[i]
	if it.values == nil {
		return it.file, nil
	}
	return it.file, &it.row
}

// damage is why sample i, which has been read, is none; it is told once.
func (in *inputs) damage(i int) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	err := in.bad[i]
	delete(in.bad, i)
	return err
}
