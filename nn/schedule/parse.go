package schedule

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// kinds are the schedules with their parameters as Parse takes them, by default.
var kinds = []struct {
	name     string
	params   []string
	defaults []float64
}{
	{"step", []string{"EPOCHS", "GAMMA"}, []float64{30, 0.1}},
	{"exponential", []string{"GAMMA"}, []float64{0.95}},
	{"cosine", []string{"LAST"}, []float64{0}},
	{"one-cycle", []string{"PEAK"}, []float64{0}},
	{"plateau", []string{"EPOCHS", "GAMMA"}, []float64{10, 0.1}},
}

// Kinds lists what Parse takes, with the names of the parameters.
func Kinds() []string {
	var all []string
	for _, k := range kinds {
		all = append(all, k.name+":"+strings.Join(k.params, ","))
	}
	return all
}

// Parse reads a schedule: "" or "constant", "cosine", "step:30,0.1". Parameters left out at the end are as by default.
func Parse(text string) (Schedule, error) {
	if text == "" || text == "constant" {
		return Schedule{}, nil
	}
	name, list, given := strings.Cut(text, ":")
	for _, k := range kinds {
		if k.name != name {
			continue
		}
		values := append([]float64(nil), k.defaults...)
		if given {
			parts := strings.Split(list, ",")
			if len(parts) > len(values) {
				return Schedule{}, fmt.Errorf("schedule %q: %d parameters, expected %s:%s", text, len(parts), name, strings.Join(k.params, ","))
			}
			for i, part := range parts {
				v, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
				if err != nil {
					return Schedule{}, fmt.Errorf("schedule %q: %s is %q, expected a number", text, k.params[i], part)
				}
				if err := checkParam(name, k.params[i], v); err != nil {
					return Schedule{}, fmt.Errorf("schedule %q: %w", text, err)
				}
				values[i] = v
			}
		}
		s := Schedule{Kind: name}
		for i, param := range k.params {
			switch param {
			case "EPOCHS":
				s.Every = int(values[i])
			case "PEAK":
				s.Peak = values[i]
			default:
				s.Gamma = values[i]
			}
		}
		return s, nil
	}
	return Schedule{}, fmt.Errorf("schedule %q: expected constant or one of %s", text, strings.Join(Kinds(), ", "))
}

// maxEpochs bounds what is counted in epochs.
const maxEpochs = 1_000_000

func checkParam(name, param string, v float64) error {
	least := 1.0
	switch param {
	case "EPOCHS":
		if name == "plateau" {
			least = 0
		}
		if !(v >= least && v <= maxEpochs) || v != math.Trunc(v) {
			return fmt.Errorf("%s is %v, expected a whole number of at least %v", param, v, least)
		}
	case "PEAK":
		if !(v > 0) || math.IsInf(v, 0) {
			return fmt.Errorf("%s is %v, expected a finite number above 0", param, v)
		}
	case "LAST":
		if !(v >= 0 && v <= 1) {
			return fmt.Errorf("%s is %v, expected 0 to 1, a share of the first rate", param, v)
		}
	default:
		if !(v > 0 && v <= 1) || name == "plateau" && v == 1 {
			return fmt.Errorf("%s is %v, expected above 0 and at most 1 (below 1 for plateau)", param, v)
		}
	}
	return nil
}

// ParseWarmup reads the length of a warm-up: "5" or "0.5" in epochs, "500steps" in updates.
func ParseWarmup(text string) (Warmup, error) {
	const want = "expected epochs such as 5 or 0.5, or updates such as 500steps"
	if number, steps := strings.CutSuffix(text, "steps"); steps {
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 32)
		if err != nil || n < 0 {
			return Warmup{}, fmt.Errorf("warm-up %q: %s", text, want)
		}
		return Warmup{Steps: int(n)}, nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v >= 0 && v <= maxEpochs) {
		return Warmup{}, fmt.Errorf("warm-up %q: %s", text, want)
	}
	return Warmup{Epochs: v}, nil
}
