package cli

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/nn"
	"fovea/nn/onnx"
	"fovea/nn/weights"
	"fovea/nn/zoo"
)

// ModelName is a --model as a part of file names.
func ModelName(name string) string {
	if IsONNX(name) {
		return strings.TrimSuffix(filepath.Base(name), filepath.Ext(name))
	}
	return name
}

// IsONNX says whether a --model is the name of a file.
func IsONNX(name string) bool { return strings.EqualFold(filepath.Ext(name), ".onnx") }

// FindModel is the network of a --model: one of the zoo, or an ONNX file's, whose weights the network begins with.
func FindModel(name string) (zoo.Model, error) {
	if !IsONNX(name) {
		return zoo.Find(name)
	}
	model, card, err := readONNX(name)
	if err != nil {
		return zoo.Model{}, err
	}
	unused := model // the first network is what was read here; further ones read the file again, since each is built once
	return zoo.Model{Name: name, Sample: card.Sample, Classes: card.Outputs, New: func(outputs int) nn.Layer {
		m := unused
		if unused = nil; m == nil {
			if m, _, err = readONNX(name); err != nil {
				return unreadable{err}
			}
		}
		if outputs != card.Outputs {
			if err := m.SetOutputs(outputs); err != nil {
				return unreadable{fmt.Errorf("%d outputs instead of %d: %w", outputs, card.Outputs, err)}
			}
		}
		return m
	}}, nil
}

// ONNXCard says what an ONNX file's network is of, as weights.ReadCard does: nil for a file from elsewhere.
func ONNXCard(path string) (*weights.Card, error) {
	model, card, err := readONNX(path)
	if err != nil {
		return nil, err
	}
	if _, ours := model.Metadata[onnx.CardKey]; !ours {
		return nil, nil
	}
	return card, nil
}

func readONNX(path string) (*onnx.Model, *weights.Card, error) {
	model, err := onnx.Load(path)
	if err != nil {
		return nil, nil, err
	}
	model.Logits()
	card := &weights.Card{}
	if text, ours := model.Metadata[onnx.CardKey]; ours {
		if err := json.Unmarshal([]byte(text), card); err != nil {
			return nil, nil, fmt.Errorf("onnx %s: card is damaged: %.200v", path, err)
		}
	}
	if len(model.Sample) != 3 {
		return nil, nil, fmt.Errorf("onnx %s: samples %v, expected [C, H, W] without open dimensions", path, []int(model.Sample))
	}
	out, err := model.Shape(model.Sample)
	if err != nil {
		return nil, nil, fmt.Errorf("onnx %s: %w", path, err)
	}
	if len(out) != 2 || out[0] != 1 || out[1] < 1 || out[1] > MaxClasses {
		return nil, nil, fmt.Errorf("onnx %s: the output of a sample is %v, expected [1, outputs] with 1 to %d outputs", path, []int(out), MaxClasses)
	}
	card.Model, card.Sample, card.Outputs = path, model.Sample, out[1]
	if err := card.Check(); err != nil {
		return nil, nil, fmt.Errorf("onnx %s: %w", path, err)
	}
	return model, card, nil
}

// unreadable is the layer of a network that could not be made: building it says why.
type unreadable struct{ err error }

func (l unreadable) Build(*nn.Builder, tensor.Shape) (tensor.Shape, error) { return nil, l.err }
func (l unreadable) Forward(x *autograd.Value) *autograd.Value             { return x.Tape().Fail(l.err) }
func (l unreadable) String() string                                        { return "ONNX" }
