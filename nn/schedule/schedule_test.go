package schedule_test

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/nn/schedule"
)

func parse(t *testing.T, text, warmup string) schedule.Schedule {
	t.Helper()
	s, err := schedule.Parse(text)
	require.NoError(t, err)
	if warmup != "" {
		s.Warmup, err = schedule.ParseWarmup(warmup)
		require.NoError(t, err)
	}
	return s
}

// Every rate is PyTorch's (scripts/record_schedules.py).
func TestRecorded(t *testing.T) {
	content, err := os.ReadFile("testdata/torch.json")
	require.NoError(t, err)
	var rows []struct {
		Schedule, Warmup string
		Rate             float64
		PerEpoch         int `json:"per_epoch"`
		Total            int
		Losses, Rates    []float64
	}
	require.NoError(t, json.Unmarshal(content, &rows))
	require.Len(t, rows, 25)
	for _, row := range rows {
		t.Run(row.Schedule+" after "+row.Warmup, func(t *testing.T) {
			s := parse(t, row.Schedule, row.Warmup)
			require.Len(t, row.Rates, row.Total)
			for step, want := range row.Rates {
				at := schedule.Place{Step: step, PerEpoch: row.PerEpoch, Total: row.Total}
				if len(row.Losses) > 0 {
					at.Losses = row.Losses[:step/row.PerEpoch]
				}
				require.InEpsilon(t, want, s.Rate(row.Rate, at), 1e-12, "step %d of %d", step, row.Total)
			}
		})
	}
}

func TestRate(t *testing.T) {
	for _, row := range []struct {
		schedule, warmup string
		at               schedule.Place
		want             float64
	}{
		{"", "", schedule.Place{Step: 1000}, 0.1},
		{"constant", "3steps", schedule.Place{Step: 0}, 0.025},
		{"constant", "3steps", schedule.Place{Step: 2}, 0.075},
		{"constant", "3steps", schedule.Place{Step: 3}, 0.1},
		{"constant", "0.5", schedule.Place{Step: 4, PerEpoch: 10, Total: 20}, 0.1 * 5 / 6},
		{"cosine", "", schedule.Place{Step: 50, PerEpoch: 10, Total: 100}, 0.05},
		{"cosine:0.5", "", schedule.Place{Step: 200, PerEpoch: 10, Total: 100}, 0.05}, // past the end it stays
		{"cosine", "5", schedule.Place{Step: 9, PerEpoch: 10, Total: 10}, 0},          // all of the training is warm-up
		{"one-cycle", "", schedule.Place{Step: 500, PerEpoch: 10, Total: 100}, 0.1 / 25 / 1e4},
		{"one-cycle", "10steps", schedule.Place{Step: 10, PerEpoch: 10, Total: 110}, 0.1 / 25},
		{"plateau:0,0.5", "", schedule.Place{Losses: []float64{1, 1, 1}}, 0.025},
		{"plateau:0,0.5", "", schedule.Place{Losses: []float64{1, math.NaN()}}, 0.05},
	} {
		got := parse(t, row.schedule, row.warmup).Rate(0.1, row.at)
		require.InDelta(t, row.want, got, 1e-15, "%s after %s: %+v", row.schedule, row.warmup, row.at)
	}
}

// What has another rate somewhere in a training of another length needs to know it, and nothing else does.
func TestNeedsLength(t *testing.T) {
	for _, text := range []string{"constant", "step:3", "exponential", "cosine", "one-cycle", "plateau"} {
		s := parse(t, text, "2steps")
		differs := false
		for step := range 20 {
			at := schedule.Place{Step: step, PerEpoch: 2, Total: 20}
			longer := at
			longer.Total = 30
			differs = differs || s.Rate(0.1, at) != s.Rate(0.1, longer)
		}
		require.Equal(t, differs, s.NeedsLength(), text)
	}
}

func TestParseRefusals(t *testing.T) {
	for text, shown := range map[string]string{
		"cyclic":           `schedule "cyclic": expected constant or one of step:EPOCHS,GAMMA, exponential:GAMMA, cosine:LAST, one-cycle:PEAK, plateau:EPOCHS,GAMMA`,
		"step:":            `EPOCHS is "", expected a number`,
		"step:0":           `EPOCHS is 0, expected a whole number of at least 1`,
		"step:1.5":         `EPOCHS is 1.5, expected a whole number of at least 1`,
		"step:1e300":       `EPOCHS is 1e+300, expected`,
		"step:3,0.1,5":     `3 parameters, expected step:EPOCHS,GAMMA`,
		"step:3,ten":       `GAMMA is "ten", expected a number`,
		"exponential:1.1":  `GAMMA is 1.1, expected above 0 and at most 1`,
		"exponential:NaN":  `GAMMA is NaN`,
		"plateau:-1":       `EPOCHS is -1, expected a whole number of at least 0`,
		"plateau:1,1":      `GAMMA is 1, expected above 0`,
		"cosine:2":         `LAST is 2, expected 0 to 1, a share of the first rate`,
		"one-cycle:0":      `PEAK is 0, expected a finite number above 0`,
		"one-cycle:1e1000": `PEAK is "1e1000", expected a number`,
	} {
		_, err := schedule.Parse(text)
		require.ErrorContains(t, err, shown, text)
		require.ErrorContains(t, err, text)
	}
	for _, text := range []string{"", "five", "-1", "NaN", "1e300", "steps", "-3steps", "1.5steps", "99999999999steps"} {
		_, err := schedule.ParseWarmup(text)
		require.ErrorContains(t, err, "expected epochs such as 5 or 0.5, or updates such as 500steps", text)
	}
}
