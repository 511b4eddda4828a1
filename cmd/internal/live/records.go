package live

import "time"

// File is the file of a run folder that a Recorder writes: JSON lines, which are a Start, Steps, Details and an End.
const File = "live.jsonl"

// format is the version of the file; another one is refused.
const format = 1

// Start says what is trained, before the first step.
type Start struct {
	Event      string    `json:"event"` // "start"
	Format     int       `json:"format"`
	Time       time.Time `json:"time"`
	Model      string    `json:"model"`
	Facts      []string  `json:"facts"` // lines for people: the device, the data
	Epochs     int       `json:"epochs"`
	EpochSteps int       `json:"epoch_steps"` // updates of a whole epoch
	Steps      int       `json:"steps"`       // updates of the whole training, unless it ends early
	Layers     []Layer   `json:"layers"`
	Parameters []string  `json:"parameters"` // those that Details have histograms of
	Samples    []Sample  `json:"samples"`    // those that Details have predictions of
}

// Layer is a line of the network's table.
type Layer struct {
	Name         string `json:"name"`
	Kind         string `json:"kind"`
	Output       []int  `json:"output"` // of one sample
	Parameters   int    `json:"parameters"`
	MultiplyAdds int    `json:"multiply_adds"`
	Auxiliary    bool   `json:"auxiliary,omitempty"`
}

// Sample is one that the network is asked about after each epoch.
type Sample struct {
	Picture []byte    `json:"picture"`           // PNG
	Label   string    `json:"label,omitempty"`   // of a class
	Targets []float64 `json:"targets,omitempty"` // of a regression
}

// Step is some steps in a row.
type Step struct {
	Event       string   `json:"event"` // "step"
	Step        int      `json:"step"`  // updates since the start, after the last of them
	Epoch       float64  `json:"epoch"` // epochs since the start: 2.5 in the middle of the third
	Samples     int      `json:"samples"`
	Loss        float64  `json:"loss"` // mean over the samples
	Accuracy    *float64 `json:"accuracy,omitempty"`
	Rate        float64  `json:"lr"` // of the last of them
	ImagesPerS  float64  `json:"images_per_second"`
	DeviceBytes int64    `json:"device_bytes"`             // held from the system by the device's pool
	Resident    int64    `json:"resident_bytes,omitempty"` // of the process, where the system says
}

// Detail is a look at the network after an epoch.
type Detail struct {
	Event       string       `json:"event"` // "detail"
	Epoch       int          `json:"epoch"`
	Step        int          `json:"step"`
	Weights     []*Histogram `json:"weights"`     // of Start.Parameters
	Gradients   []*Histogram `json:"gradients"`   // those of the last step; nil for what has none
	Filters     *Filters     `json:"filters"`     // nil: no convolution
	Predictions []Prediction `json:"predictions"` // of Start.Samples
}

// Prediction is what the network says of a sample.
type Prediction struct {
	Guesses []Guess   `json:"guesses,omitempty"` // the likeliest classes, in order
	Outputs []float64 `json:"outputs,omitempty"` // of a regression
}

// Guess is a class and its probability.
type Guess struct {
	Class string  `json:"class"`
	Share float64 `json:"share"`
}

// End says how a training ended.
type End struct {
	Event   string    `json:"event"` // "end"
	Time    time.Time `json:"time"`
	State   string    `json:"state"` // Done, Interrupted, Diverged or Failed
	Message string    `json:"message,omitempty"`
}

// States of an End.
const (
	Done        = "done"
	Interrupted = "interrupted"
	Diverged    = "diverged"
	Failed      = "failed"
)

// Progress is where a training stands now. It is shown and not kept.
type Progress struct {
	Epoch      int      `json:"epoch"`
	Step       int      `json:"step"` // of this epoch
	Steps      int      `json:"steps"`
	Done       float64  `json:"done"` // share of the whole training
	Loss       float64  `json:"loss"` // mean of this epoch so far
	Accuracy   *float64 `json:"accuracy,omitempty"`
	Rate       float64  `json:"lr"`
	ImagesPerS float64  `json:"images_per_second"`
	Left       float64  `json:"seconds_left"` // of the whole training
}
