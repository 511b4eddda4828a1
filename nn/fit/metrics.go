package fit

import (
	"encoding/json"
	"math"
)

// Metrics are what a network achieved on some samples.
type Metrics struct {
	Samples  int
	Loss     float64 // mean over the samples
	Accuracy float64 // share of samples whose class was found; NaN for regression
}

// metricsJSON is Metrics in a language without NaN.
type metricsJSON struct {
	Samples  int      `json:"samples"`
	Loss     float64  `json:"loss"`
	Accuracy *float64 `json:"accuracy"` // null: NaN
}

// MarshalJSON implements json.Marshaler.
func (m Metrics) MarshalJSON() ([]byte, error) {
	plain := metricsJSON{m.Samples, m.Loss, &m.Accuracy}
	if math.IsNaN(m.Accuracy) {
		plain.Accuracy = nil
	}
	return json.Marshal(plain)
}

// UnmarshalJSON implements json.Unmarshaler.
func (m *Metrics) UnmarshalJSON(text []byte) error {
	plain := metricsJSON{}
	if err := json.Unmarshal(text, &plain); err != nil {
		return err
	}
	*m = Metrics{plain.Samples, plain.Loss, math.NaN()}
	if plain.Accuracy != nil {
		m.Accuracy = *plain.Accuracy
	}
	return nil
}
