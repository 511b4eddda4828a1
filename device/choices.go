package device

// Measurer is a device that measures which of its algorithms is fastest and remembers that, on disk from Close on.
type Measurer interface {
	// SaveChoices is for processes that may not come to Close: algorithms differ in their rounding, so one that goes on with
	// this one's work must find what was chosen.
	SaveChoices() error
}
