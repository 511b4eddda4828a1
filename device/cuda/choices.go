//go:build cuda

package cuda

// choice is an algorithm that was measured to be fastest. They are kept in a file per GPU model and version of cuDNN, see
// package measured.
type choice struct {
	Number       int     `json:"algorithm"`
	Math         int     `json:"math"` // whether on tensor cores
	Milliseconds float64 `json:"milliseconds"`
}
