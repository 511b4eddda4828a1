package inference

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"

	"gorgonia.org/tensor"

	"fovea/cmd/internal/network"
	"fovea/data"
)

// input is one picture, or one sample as the network takes it.
type input struct {
	name    string
	row     *int      // of an array
	picture []byte    // or
	values  []float32 // finite
}

// bodyTypes are what a body may be, for messages.
const bodyTypes = "image/png, image/jpeg, image/gif, application/x-npy, application/octet-stream, multipart/form-data or application/json"

// parser makes inputs of a body.
type parser struct {
	sample tensor.Shape
	most   int // inputs
	found  []input
}

// parse reads a body of a Content-Type. The inputs may share its memory. Pictures are not looked into.
func parse(contentType string, body []byte, sample tensor.Shape, most int) ([]input, error) {
	kind, parameters, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil, failf(http.StatusUnsupportedMediaType, "Content-Type %.100q, expected %s", contentType, bodyTypes)
	}
	p := &parser{sample: sample, most: most}
	switch kind {
	case "image/png", "image/jpeg", "image/gif", "application/x-npy", "application/octet-stream":
		err = p.file("", body)
	case "multipart/form-data":
		err = p.form(body, parameters["boundary"])
	case "application/json":
		err = p.json(body)
	default:
		return nil, failf(http.StatusUnsupportedMediaType, "Content-Type %.100q, expected %s", kind, bodyTypes)
	}
	if err != nil {
		return nil, err
	}
	if len(p.found) == 0 {
		return nil, failf(http.StatusBadRequest, "no inputs in the body, expected 1 to %d", most)
	}
	return p.found, nil
}

func (p *parser) add(in input) error {
	if len(p.found) == p.most {
		return failf(http.StatusRequestEntityTooLarge, "more than %d inputs, expected at most that", p.most)
	}
	p.found = append(p.found, in)
	return nil
}

// file takes a picture or an array: how it begins tells which.
func (p *parser) file(name string, content []byte) error {
	if !data.IsNpy(content) {
		return p.add(input{name: name, picture: content})
	}
	array, err := data.DecodeNpy(name, content)
	if err != nil {
		return &failure{http.StatusUnprocessableEntity, err}
	}
	values, err := network.Rows(array, p.sample)
	if err != nil {
		return failf(http.StatusUnprocessableEntity, "npy %q: %w", name, err)
	}
	size := p.sample.TotalSize()
	for row := range len(values) / size {
		own := values[row*size : (row+1)*size]
		if at := notFinite(own); at >= 0 {
			return failf(http.StatusUnprocessableEntity, "npy %q: value %d of row %d is %v, expected finite numbers", name, at, row, own[at])
		}
		if err := p.add(input{name: name, row: &row, values: own}); err != nil {
			return err
		}
	}
	return nil
}

// notFinite is where the first value is that is no finite number; -1: nowhere.
func notFinite(values []float32) int {
	for i, v := range values {
		if v-v != 0 {
			return i
		}
	}
	return -1
}

// form takes the files of a form.
func (p *parser) form(body []byte, boundary string) error {
	if boundary == "" {
		return failf(http.StatusBadRequest, "multipart/form-data without a boundary")
	}
	if !bytes.Contains(body, []byte("--"+boundary+"--")) { // the reader takes a form that is cut in a part's header for a whole one
		return failf(http.StatusBadRequest, "malformed form: its end is missing")
	}
	form := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := form.NextRawPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return failf(http.StatusBadRequest, "malformed form: %w", err)
		}
		if part.FileName() == "" {
			return failf(http.StatusBadRequest, "field %.100q of the form is no file, expected files only", part.FormName())
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return failf(http.StatusBadRequest, "malformed form: file %.100q: %w", part.FileName(), err)
		}
		if err := p.file(part.FileName(), content); err != nil {
			return err
		}
	}
}

// json takes an object of pictures in base64, or of samples as nested lists.
func (p *parser) json(body []byte) error {
	var object struct {
		Images []string        `json:"images"`
		Inputs json.RawMessage `json:"inputs"`
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err := d.Decode(&object)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("more follows after the object")
		}
	}
	if string(object.Inputs) == "null" {
		object.Inputs = nil
	}
	switch {
	case err != nil:
		return failf(http.StatusBadRequest, "malformed JSON: %.300v", err)
	case object.Images != nil && object.Inputs != nil:
		return failf(http.StatusBadRequest, `"images" and "inputs", expected one or the other`)
	}
	for i, text := range object.Images {
		name := fmt.Sprintf("images[%d]", i)
		picture, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return failf(http.StatusBadRequest, "%s: %w, expected a picture in base64 and nothing before it", name, err)
		}
		if err := p.add(input{name: name, picture: picture}); err != nil {
			return err
		}
	}
	if object.Inputs == nil {
		return nil
	}
	return p.lists(object.Inputs)
}
