package onnx

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"fovea/nn/onnx/internal/onnxpb"
)

// folder is where a model lies. Weights in other files are read from it and nowhere else: names that lead out of it, by
// dots or by links, are refused (CVE-2022-25882, CVE-2024-27318). A model that did not come from a file has none.
type folder struct {
	path  string
	used  map[string]int64               // bytes that tensors claim of each file
	parts map[*onnxpb.TensorProto]*place // of the model's own file
}

// apart is where the bytes of a tensor are that stayed in the model's file; nil if they did not.
func (f *folder) apart(p *onnxpb.TensorProto) *place {
	if f == nil {
		return nil
	}
	return f.parts[p]
}

// external is a place in another file.
type external struct {
	folder *folder
	name   string
	extent
}

// locate checks where a tensor's data of that many bytes is said to be.
func (f *folder) locate(p *onnxpb.TensorProto, size int64) (*place, error) {
	e := &external{folder: f, extent: extent{size: size}}
	for _, entry := range p.ExternalData {
		var err error
		switch value := entry.GetValue(); entry.GetKey() {
		case "location":
			e.name = value
		case "offset":
			e.offset, err = strconv.ParseInt(value, 10, 64)
		case "length":
			var length int64
			if length, err = strconv.ParseInt(value, 10, 64); err == nil && length != size {
				err = fmt.Errorf("%d bytes, expected %d", length, size)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("external data: %s %q: %w", entry.GetKey(), entry.GetValue(), err)
		}
	}
	if f == nil || f.path == "" {
		return nil, errors.New("external data: the model is not in a folder")
	}
	file, err := e.open()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, cause(err)
	}
	if f.used[e.name] += size; f.used[e.name] > info.Size() { // the same bytes again and again would fill the memory
		return nil, fmt.Errorf("external data %q: tensors claim %d bytes of %d", e.name, f.used[e.name], info.Size())
	}
	return &place{e.name, func() (handle, error) { return e.open() }, e.extent}, nil
}

func (e *external) open() (file *os.File, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("external data %q: %w", e.name, cause(err))
		}
	}()
	if !filepath.IsLocal(e.name) {
		return nil, errors.New("expected a name inside of the model's folder")
	}
	root, err := os.OpenRoot(e.folder.path)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	info, err := root.Stat(e.name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	if e.offset < 0 || e.offset > info.Size() || e.size > info.Size()-e.offset {
		return nil, fmt.Errorf("bytes [%d, %d + %d) of %d", e.offset, e.offset, e.size, info.Size())
	}
	return root.Open(e.name)
}
