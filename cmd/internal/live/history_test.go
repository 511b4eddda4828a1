package live

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func step(n int) Step {
	accuracy := float64(n%10) / 10
	return Step{Step: n, Epoch: float64(n) / 100, Samples: 1 + n%3, Loss: 1 / float64(n), Accuracy: &accuracy, Rate: 0.1, ImagesPerS: 100 + float64(n%7),
		DeviceBytes: int64(n), Resident: int64(2 * n)}
}

// However long a training, the records are few, and what they say of all samples together is what was told.
func TestHistoryOfStepsIsBounded(t *testing.T) {
	for _, n := range []int{1, mostSteps - 1, mostSteps, mostSteps + 1, 3*mostSteps + 5, 10_000} {
		h := &History{}
		samples, loss, right, seconds := 0, 0.0, 0.0, 0.0
		for i := 1; i <= n; i++ {
			s := step(i)
			h.addStep(s)
			samples += s.Samples
			loss += s.Loss * float64(s.Samples)
			right += *s.Accuracy * float64(s.Samples)
			seconds += float64(s.Samples) / s.ImagesPerS
			require.Less(t, len(h.Steps), mostSteps)
		}
		h.flush()
		last := 0
		for _, s := range h.Steps {
			require.Greater(t, s.Step, last)
			last = s.Step
			samples -= s.Samples
			loss -= s.Loss * float64(s.Samples)
			right -= *s.Accuracy * float64(s.Samples)
			seconds -= float64(s.Samples) / s.ImagesPerS
		}
		require.Equal(t, n, last)
		require.Zero(t, samples)
		require.InDelta(t, 0, loss, 1e-9)
		require.InDelta(t, 0, right, 1e-8)
		require.InDelta(t, 0, seconds, 1e-9)
		require.GreaterOrEqual(t, len(h.Steps), min(n, mostSteps/2-1))
	}
}

func TestHistoryOfDetailsIsBounded(t *testing.T) {
	h := &History{}
	for epoch := 1; epoch <= 1000; epoch++ {
		h.addDetail(Detail{Epoch: epoch, Step: 10 * epoch})
		require.Less(t, len(h.Details), mostDetails)
		require.Equal(t, 1, h.Details[0].Epoch)
		require.Equal(t, epoch, h.Details[len(h.Details)-1].Epoch)
	}
	require.GreaterOrEqual(t, len(h.Details), mostDetails/2)
}

// A training that is resumed makes some updates again: they are there once.
func TestHistoryForgetsWhatIsMadeAgain(t *testing.T) {
	h := &History{}
	for i := 1; i <= 25; i++ {
		h.addStep(step(i))
		if i%10 == 0 {
			h.addDetail(Detail{Epoch: i / 10, Step: i})
		}
	}
	h.addDetail(Detail{Epoch: 3, Step: 25}) // the epoch was cut
	h.End = &End{State: Interrupted}
	require.True(t, h.addStep(step(18)))
	require.False(t, h.addStep(step(19)))
	var steps, epochs []int
	for _, s := range h.Steps {
		steps = append(steps, s.Step)
	}
	for _, d := range h.Details {
		epochs = append(epochs, d.Epoch)
	}
	require.Equal(t, []int{15, 16, 17, 18, 19}, steps[14:])
	require.Equal(t, []int{1}, epochs)
	require.Nil(t, h.End)
	h.addDetail(Detail{Epoch: 2, Step: 20})
	h.addDetail(Detail{Epoch: 2, Step: 22})
	require.Len(t, h.Details, 2)
	require.Equal(t, 22, h.Details[1].Step)
}

func example() *History {
	h := &History{Start: &Start{Event: "start", Format: format, Model: "m", Facts: []string{"a"}, Epochs: 2, EpochSteps: 10, Steps: 20, Layers: []Layer{{"0", "Conv2D", []int{1, 2, 2}, 9, 36, false}},
		Parameters: []string{"0.weight"}, Samples: []Sample{{Picture: []byte{1}, Label: "<b>"}}},
		End: &End{Event: "end", State: Done}}
	h.addStep(step(1))
	h.addStep(step(2))
	h.End = &End{Event: "end", State: Done}
	h.Details = []Detail{{Event: "detail", Epoch: 1, Step: 10, Weights: []*Histogram{newHistogram([]float32{1, 2, 3})}, Gradients: []*Histogram{nil},
		Filters: &Filters{Layer: "0", Of: 1, Width: 3, Height: 3, Channels: 1, Pixels: make([]byte, 9)}, Predictions: []Prediction{{Guesses: []Guess{{"a", 1}}}}}}
	return h
}

func TestHistoryRoundTrip(t *testing.T) {
	h := example()
	var text bytes.Buffer
	require.NoError(t, h.write(&text))
	got, err := readHistory(&text)
	require.NoError(t, err)
	require.Equal(t, h, got)
}

func TestReadHistoryRefusals(t *testing.T) {
	const start = `{"event":"start","format":1,"parameters":["w"],"samples":[]}` + "\n"
	detail := func(filters string) string {
		return start + `{"event":"detail","weights":[null],"gradients":[null],"predictions":[],"filters":` + filters + "}\n"
	}
	for _, row := range []struct{ name, text, want string }{
		{"nothing", "", "no line of event start"},
		{"no JSON", "start\n", "line 1: invalid character 's'"},
		{"cut", start + `{"event":"st`, "line 2: unexpected end of JSON input"},
		{"a number", "3\n", "line 1: json: cannot unmarshal number"},
		{"a later format", `{"event":"start","format":2}`, "line 1: format 2, expected 1"},
		{"steps alone", `{"event":"step","step":1}`, "no line of event start"},
		{"another type", start + `{"event":"step","step":"x"}`, "line 2: json: cannot unmarshal string"},
		{"too many steps", start + strings.Repeat(`{"event":"step"}`+"\n", mostSteps+1), fmt.Sprintf("line %d: more than %d lines of this event", mostSteps+2, mostSteps)},
		{"too long", start + strings.Repeat(" ", mostBytes) + "\n", fmt.Sprintf("more than %d bytes", mostBytes)},
		{"histograms of nothing", start + `{"event":"detail","epoch":7}`, "detail of epoch 7: 0 and 0 histograms and 0 predictions, expected those of 1 parameters and 0 samples"},
		{"a histogram of nothing", start + `{"event":"detail","weights":[{"low":1}],"gradients":[null],"predictions":[]}`, "a histogram of 0 bins, expected 1 to 40"},
		{"filters without pixels", detail(`{"width":3,"height":3,"channels":1}`), "filters of 3 x 3"},
		{"filters of a negative size", detail(`{"width":-3,"height":-3,"channels":1,"pixels":"AAAAAAAAAAAA"}`), "filters of -3 x -3"},
		{"huge filters", detail(`{"width":4294967296,"height":4294967296,"channels":1,"pixels":"AAAAAAAAAAAA"}`), "filters of 4294967296 x 4294967296"},
		{"part of a filter", detail(`{"width":2,"height":2,"channels":1,"pixels":"AAAAAAAAAAAA"}`), "9 pixels of filters of 2 x 2 in 1 channels"},
		{"filters of two channels", detail(`{"width":3,"height":1,"channels":2,"pixels":"AAAAAAAAAAAA"}`), "9 pixels of filters of 3 x 1 in 2 channels"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := readHistory(strings.NewReader(row.text))
			require.ErrorContains(t, err, row.want)
		})
	}
	h, err := readHistory(strings.NewReader(start + `{"event":"of a later version"}`))
	require.NoError(t, err)
	require.NotNil(t, h.Start)
}

// Whatever can be read can be written, and says the same again.
func FuzzReadHistory(f *testing.F) {
	var text bytes.Buffer
	require.NoError(f, example().write(&text))
	f.Add(text.Bytes())
	f.Add([]byte(`{"event":"start","format":1}` + "\n" + `{"event":"detail","filters":{}}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		h, err := readHistory(bytes.NewReader(content))
		if err != nil {
			return
		}
		var text bytes.Buffer
		require.NoError(t, h.write(&text))
		_, err = readHistory(&text)
		require.NoError(t, err)
	})
}

func TestHistogram(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, row := range []struct {
		name   string
		values []float32
		want   *Histogram
	}{
		{"nothing", nil, nil},
		{"no numbers", []float32{nan, inf, -inf}, nil},
		{"all alike", []float32{2, 2, nan, 2}, &Histogram{Low: 2, High: 2, Mean: 2, Counts: []int{3}}},
		{"two ends", []float32{-1, inf, 1, 1}, &Histogram{Low: -1, High: 1, Mean: 1.0 / 3, Deviation: math.Sqrt(8) / 3, Counts: counts(map[int]int{0: 1, bins - 1: 2})}},
		{"largest", []float32{-math.MaxFloat32, math.MaxFloat32}, &Histogram{Low: -math.MaxFloat32, High: math.MaxFloat32, Deviation: math.MaxFloat32, Counts: counts(map[int]int{0: 1, bins - 1: 1})}},
		{"smallest", []float32{0, math.SmallestNonzeroFloat32}, &Histogram{High: math.SmallestNonzeroFloat32, Mean: math.SmallestNonzeroFloat32 / 2,
			Deviation: math.SmallestNonzeroFloat32 / 2, Counts: counts(map[int]int{0: 1, bins - 1: 1})}},
		{"even", even(10 * bins), &Histogram{Low: 0, High: 10*bins - 1, Mean: (10*bins - 1) / 2.0, Deviation: math.Sqrt((100*bins*bins - 1) / 12.0), Counts: counts(nil)}},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := newHistogram(row.values)
			if row.want != nil && row.name == "even" {
				for i := range row.want.Counts {
					row.want.Counts[i] = 10
				}
			}
			require.Equal(t, row.want == nil, h == nil)
			if h != nil {
				require.InEpsilon(t, 1+row.want.Deviation, 1+h.Deviation, 1e-12)
				require.InEpsilon(t, 1+row.want.Mean, 1+h.Mean, 1e-12)
				h.Deviation, h.Mean = row.want.Deviation, row.want.Mean
				require.Equal(t, row.want, h)
			}
		})
	}
}

func counts(filled map[int]int) []int {
	all := make([]int, bins)
	for i, n := range filled {
		all[i] = n
	}
	return all
}

func even(n int) []float32 {
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(i)
	}
	return values
}
