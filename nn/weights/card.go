package weights

import (
	"encoding/json"
	"fmt"
	"math"

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

	// What becomes of a picture's values of 0 to 1, channel by channel: (value - Mean) / Deviation; none: they stay.
	Mean      []float32 `json:"mean,omitempty"`
	Deviation []float32 `json:"deviation,omitempty"`
	// Resize is the shorter side of a picture before its middle is taken; 0: it is stretched to the sample's size.
	Resize int `json:"resize,omitempty"`
}

// maxResize bounds what a file can make a picture grow to.
const maxResize = 1 << 16

// Check says what makes a card useless; a card that is written can be read.
func (c *Card) Check() error {
	if len(c.Sample) != 3 {
		return fmt.Errorf("card says samples of %d dimensions, expected 3: [C, H, W]", len(c.Sample))
	}
	if min(c.Sample[0], c.Sample[1], c.Sample[2], c.Outputs) < 1 {
		return fmt.Errorf("card says samples %v and %d outputs, expected none below 1", []int(c.Sample), c.Outputs)
	}
	if len(c.ClassNames) > c.Outputs {
		return fmt.Errorf("card has %d class names for %d outputs", len(c.ClassNames), c.Outputs)
	}
	if s := float64(c.Scale); !(s >= 0) || math.IsInf(s, 1) {
		return fmt.Errorf("card says scale %v, expected a finite number of at least 0", c.Scale)
	}
	return c.checkPreparation()
}

func (c *Card) checkPreparation() error {
	if n := len(c.Mean); n != len(c.Deviation) || n != 0 && n != c.Sample[0] {
		return fmt.Errorf("card says %d means and %d deviations, expected none or %d, one for each channel", n, len(c.Deviation), c.Sample[0])
	}
	for i, d := range c.Deviation {
		if mean, d := float64(c.Mean[i]), float64(d); math.IsNaN(mean) || math.IsInf(mean, 0) || !(d > 0) || math.IsInf(d, 1) {
			return fmt.Errorf("card says mean %v and deviation %v for channel %d, expected finite numbers and a deviation above 0", mean, d, i)
		}
	}
	if least := min(c.Sample[1], c.Sample[2]); c.Resize != 0 && (c.Resize < least || c.Resize > maxResize) {
		return fmt.Errorf("card says pictures are resized to %d, expected 0 or %d to %d", c.Resize, least, maxResize)
	}
	return nil
}

// cardKey is where the card stands in the file's metadata, which holds texts only.
const cardKey = "fovea"

// encode makes the metadata of a file; "format" is what Hugging Face's loaders look for.
func (c *Card) encode() (map[string]string, error) {
	metadata := map[string]string{"format": "pt"}
	if c == nil {
		return metadata, nil
	}
	if err := c.Check(); err != nil {
		return nil, err
	}
	text, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("card: %w", err)
	}
	metadata[cardKey] = string(text)
	return metadata, nil
}

// ReadCard returns what a file says of itself, nil if it says nothing (as a file from elsewhere). It reads no weights.
func ReadCard(path string) (*Card, error) {
	card, err := readCard(path)
	if err != nil {
		return nil, fmt.Errorf("weights %s: %w", path, err)
	}
	return card, nil
}

func readCard(path string) (*Card, error) {
	file, h, err := open(path)
	if err != nil {
		return nil, err
	}
	file.Close()
	text, there := h.metadata[cardKey]
	if !there {
		return nil, nil
	}
	card := &Card{}
	if err := json.Unmarshal([]byte(text), card); err != nil {
		return nil, fmt.Errorf("card is damaged: %.200v", err)
	}
	if err := card.Check(); err != nil {
		return nil, err
	}
	return card, nil
}
