package weights

import (
	"encoding/json"
	"fmt"

	"github.com/nlpodyssey/safetensors"
	"gorgonia.org/tensor"
)

// Card says what a file's tensors are the weights of, so that the file alone is enough to use them.
type Card struct {
	Model      string       `json:"model"`
	Outputs    int          `json:"outputs"` // classes, or targets of a regression
	Regression bool         `json:"regression,omitempty"`
	Sample     tensor.Shape `json:"sample"`          // [C, H, W]
	Scale      float32      `json:"scale,omitempty"` // what pixels 0..255 are multiplied with; 0: samples are no pictures
	ClassNames []string     `json:"class_names,omitempty"`
}

// cardKey is where the card stands in the file's metadata, which holds texts only.
const cardKey = "fovea"

// encode makes the metadata of a file; "format" is what Hugging Face's loaders look for.
func (c *Card) encode() map[string]string {
	metadata := map[string]string{"format": "pt"}
	if c != nil {
		text, err := json.Marshal(c)
		if err != nil {
			panic("weights: a card that JSON cannot hold: " + err.Error()) // no such field
		}
		metadata[cardKey] = string(text)
	}
	return metadata
}

// ReadCard returns what a file says of itself, nil if it says nothing (as a file from elsewhere).
func ReadCard(path string) (*Card, error) {
	content, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("weights %s: %w", path, err)
	}
	_, metadata, err := safetensors.ReadMetadata(content)
	if err != nil {
		return nil, fmt.Errorf("weights %s: not a whole safetensors file: %w", path, err)
	}
	text, there := metadata.Metadata()[cardKey]
	if !there {
		return nil, nil
	}
	card := &Card{}
	if err := json.Unmarshal([]byte(text), card); err != nil {
		return nil, fmt.Errorf("weights %s: its card is damaged: %w", path, err)
	}
	if len(card.Sample) != 3 || card.Outputs < 1 {
		return nil, fmt.Errorf("weights %s: its card says samples %v and %d outputs, expected [C, H, W] and at least 1", path, card.Sample, card.Outputs)
	}
	return card, nil
}
