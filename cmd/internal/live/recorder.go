package live

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"fovea/cmd/internal/cli"
	"fovea/cmd/internal/runs"
	"fovea/data"
	"fovea/nn"
	"fovea/nn/fit"
)

const (
	// A look at the network, and the file, may take this share of the time since the one before: epochs that are too short
	// are passed over, but for the first and the last.
	largestCost = 0.02
	// writeEvery is for epochs that take long.
	writeEvery = 30 * time.Second
)

// Recorder notes how a training goes. Its methods are called on the goroutine that drives the network's device, between two
// steps; they read the network and change nothing of it.
type Recorder struct {
	run     *Run
	start   *Start
	path    string
	net     *nn.Network
	samples *samples
	tell    func(parameters []string, d Detail) error

	last    fit.Progress
	began   time.Time // of the first step that was told
	beganAt int       // updates before that
	looked  budget
	written budget
	failed  error // of a file, until Epoch can tell it
}

// Subject is what a Recorder watches.
type Subject struct {
	Dir        string // the run folder
	Model      string
	Facts      []string // lines for people: the device, the data
	Network    *nn.Network
	Samples    data.Set // a few of these are predicted after each epoch
	Epochs     int
	EpochSteps int // updates of a whole epoch
	MaxSteps   int // 0: no limit
	// Looked is told each Detail, and the parameters that it has histograms of; nil: nobody is.
	Looked func(parameters []string, d Detail) error
}

// NewRecorder begins a training on a board. In a folder with a file of a training that is resumed, what that says of the
// updates before stays.
func NewRecorder(ctx context.Context, b *Board, s Subject) (*Recorder, error) {
	few, err := newSamples(ctx, s.Samples)
	if err != nil {
		return nil, err
	}
	start := &Start{Event: "start", Format: format, Time: time.Now().Round(time.Second), Model: s.Model, Facts: s.Facts, Epochs: s.Epochs,
		EpochSteps: s.EpochSteps, Steps: s.Epochs * s.EpochSteps, Samples: few.shown}
	if s.MaxSteps > 0 {
		start.Steps = min(start.Steps, s.MaxSteps)
	}
	for _, r := range s.Network.Rows {
		start.Layers = append(start.Layers, Layer{r.Name, r.Kind, r.Shape[1:], r.Parameters, r.MultiplyAdds, r.Auxiliary})
	}
	for _, p := range shown(s.Network) {
		start.Parameters = append(start.Parameters, p.Name)
	}
	r := &Recorder{run: b.add(filepath.Base(s.Dir)), start: start, path: filepath.Join(s.Dir, File), net: s.Network, samples: few, tell: s.Looked}
	before, err := readFolder(s.Dir)
	if err != nil { // what cannot be read is replaced
		before = &saved{run: &runs.Run{}, history: &History{}}
	}
	before.history.Start, before.history.End = start, nil
	if before.history.check() != nil {
		before.history.Details = nil
	}
	r.run.change(func() {
		r.run.history, r.run.epochs = *before.history, before.run.Epochs
		r.run.told.Rewritten++
		r.run.told.Details++
	})
	return r, nil
}

// Step is for fit.Trainer.OnStep.
func (r *Recorder) Step(p fit.Progress) {
	done := (p.Epoch-1)*r.start.EpochSteps + p.Step
	if p.Epoch != r.last.Epoch {
		r.last = r.told(p.Epoch, done)
	}
	if p.Train.Samples <= r.last.Train.Samples {
		r.last = fit.Progress{Epoch: p.Epoch}
	}
	now := time.Now()
	if r.began.IsZero() {
		r.began, r.beganAt = now.Add(-p.Elapsed), done-p.Step
	}
	samples, elapsed := p.Train.Samples-r.last.Train.Samples, p.Elapsed-r.last.Elapsed
	// What is told is the mean of the epoch so far: of these samples it is the difference of the sums.
	mean := func(all, before float64) float64 {
		return (all*float64(p.Train.Samples) - before*float64(p.Train.Samples-samples)) / float64(samples)
	}
	s := Step{Step: done, Epoch: float64(done) / float64(r.start.EpochSteps), Samples: samples, Rate: p.Rate,
		ImagesPerS: runs.PerSecond(samples, elapsed),
		Loss:       mean(p.Train.Loss, r.last.Train.Loss), DeviceBytes: r.net.Device.Stats().SystemBytes, Resident: residentBytes()}
	if all := runs.Known(p.Train.Accuracy); all != nil {
		s.Accuracy = runs.Known(mean(*all, r.last.Train.Accuracy))
	}
	left := now.Sub(r.began).Seconds() / float64(done-r.beganAt) * float64(r.start.Steps-done)
	r.run.addStep(s, Progress{Epoch: p.Epoch, Step: p.Step, Steps: p.Steps, Done: float64(done) / float64(r.start.Steps), Loss: p.Train.Loss,
		Accuracy: runs.Known(p.Train.Accuracy), Rate: p.Rate, ImagesPerS: runs.PerSecond(p.Train.Samples, p.Elapsed), Left: left})
	r.last = p
	if r.written.allows(now) && now.Sub(r.written.ended) >= writeEvery {
		r.failed = errors.Join(r.failed, r.write())
	}
}

// told is how far an epoch was before an update: nowhere, unless it was cut and is resumed.
func (r *Recorder) told(epoch, step int) fit.Progress {
	var sum Step
	for _, s := range r.run.history.Steps {
		if s.Epoch > float64(epoch-1) && s.Step < step {
			sum = join(sum, s)
		}
	}
	p := fit.Progress{Epoch: epoch, Train: fit.Metrics{Samples: sum.Samples, Loss: sum.Loss}}
	if sum.Accuracy != nil {
		p.Train.Accuracy = *sum.Accuracy
	}
	if sum.ImagesPerS > 0 {
		p.Elapsed = time.Duration(float64(sum.Samples) / sum.ImagesPerS * float64(time.Second))
	}
	return p
}

// Epoch is for fit.Trainer.OnEpoch: line is what metrics.jsonl says of the epoch.
func (r *Recorder) Epoch(line runs.Epoch) error {
	r.run.addEpoch(line)
	if r.failed != nil {
		return r.failed
	}
	now, last := time.Now(), line.Epoch == r.start.Epochs || line.Step >= r.start.Steps
	if last || r.looked.allows(now) {
		if err := r.look(line); err != nil {
			return err
		}
	}
	if last || r.written.allows(now) {
		return r.write()
	}
	return nil
}

// look adds a Detail.
func (r *Recorder) look(line runs.Epoch) error {
	defer r.looked.spend()()
	d := Detail{Epoch: line.Epoch, Step: line.Step}
	var err error
	for _, p := range shown(r.net) {
		weights, failed := histogramOf(p.Tensor())
		gradients, failedToo := histogramOf(p.Grad())
		if err = errors.Join(failed, failedToo); err != nil {
			return err
		}
		d.Weights, d.Gradients = append(d.Weights, weights), append(d.Gradients, gradients)
	}
	if d.Filters, err = firstFilters(r.net); err != nil {
		return err
	}
	if d.Predictions, err = r.samples.predictions(r.net); err != nil {
		return err
	}
	r.run.change(func() {
		if r.run.history.addDetail(d) {
			r.run.told.Rewritten++
		}
		r.run.told.Details++
	})
	if r.tell == nil {
		return nil
	}
	return r.tell(r.start.Parameters, d)
}

// Done notes the last line of metrics.jsonl.
func (r *Recorder) Done(line runs.Done) {
	r.run.change(func() {
		r.run.done = &line
		r.run.told.Endings++
	})
}

// End notes how the training ended: err is what it fails with, which is returned, or nil. On a disk that is full, what could
// not be written before says so.
func (r *Recorder) End(err error) error {
	end := &End{Event: "end", Time: time.Now().Round(time.Second), State: Done}
	var diverged *fit.DivergedError
	switch {
	case errors.Is(err, cli.ErrInterrupted):
		end.State = Interrupted
	case errors.As(err, &diverged):
		end.State = Diverged
	case err != nil:
		end.State = Failed
	}
	if err != nil {
		end.Message = err.Error()
	}
	r.run.change(func() {
		if r.run.history.flush() {
			r.run.told.Rewritten++
		}
		r.run.history.End = end
		r.run.told.Endings++
	})
	if failed := r.write(); err == nil {
		return failed
	}
	return err
}

// write replaces the file. The history is this goroutine's to change, so reading it needs no lock.
func (r *Recorder) write() error {
	defer r.written.spend()()
	return cli.WriteFile(r.path, r.run.history.write)
}

// budget keeps what is done now and then from taking more than its share of the time.
type budget struct {
	ended time.Time
	cost  time.Duration // of the last time
}

func (b *budget) allows(now time.Time) bool {
	return float64(now.Sub(b.ended))*largestCost >= float64(b.cost)
}

// spend measures until the function that it returns is called.
func (b *budget) spend() func() {
	begin := time.Now()
	return func() { b.ended, b.cost = time.Now(), time.Since(begin) }
}
