package fit

import (
	"fmt"
	"slices"

	"fovea/data"
)

// targets are what the outputs for a batch are weighed with in its loss, as autograd.SoftCrossEntropy takes them, row after
// row; nil where the labels say it all. With smoothing s (Szegedy et al., "Rethinking the Inception Architecture", 2016,
// section 7), weights w of the K classes and labels y of N samples they are, as in PyTorch's CrossEntropyLoss,
//
//	N / (sum_j w_y_j) * ((1-s) w_y_i [k = y_i] + s/K w_k)
//
// and of a mixed batch, whose loss is by shares that for one and the other labels, the same shares of both.
func (t *Trainer) targets(batch *data.Batch) ([]float64, error) {
	if batch.Targets != nil || t.Smoothing == 0 && t.ClassWeights == nil && batch.Mix == nil {
		return nil, nil
	}
	size := len(batch.Labels) * t.Network.Output[1]
	t.soft = slices.Grow(t.soft[:0], size)[:size] // an upload has read it when it returns
	clear(t.soft)
	if m := batch.Mix; m != nil {
		if err := t.addTargets(m.Labels, 1-m.Share); err != nil {
			return nil, err
		}
		return t.soft, t.addTargets(batch.Labels, m.Share)
	}
	return t.soft, t.addTargets(batch.Labels, 1)
}

// addTargets adds a share of the targets of some labels.
func (t *Trainer) addTargets(labels []int32, share float64) error {
	classes := t.Network.Output[1]
	total := 0.0
	for _, label := range labels {
		if label < 0 || int(label) >= classes {
			return fmt.Errorf("fit: label %d of %q, expected 0 to %d", label, t.Train.Set.Info().Name, classes-1)
		}
		total += t.classWeight(int(label))
	}
	scale := share * float64(len(labels)) / total
	for i, label := range labels {
		row := t.soft[i*classes : (i+1)*classes]
		row[label] += scale * (1 - t.Smoothing) * t.classWeight(int(label))
		if t.Smoothing == 0 {
			continue
		}
		for k := range row {
			row[k] += scale * t.Smoothing / float64(classes) * t.classWeight(k)
		}
	}
	return nil
}

func (t *Trainer) classWeight(class int) float64 {
	if t.ClassWeights == nil {
		return 1
	}
	return t.ClassWeights[class]
}

// Weights of classes lie between these: only their ratios matter, and those must not leave what float32 holds.
const (
	MinClassWeight = 1e-15
	MaxClassWeight = 1e15
)

// checkClassWeights refuses weights that cannot be meant.
func (t *Trainer) checkClassWeights() error {
	if t.ClassWeights == nil {
		return nil
	}
	info := t.Train.Set.Info()
	if info.Targets > 0 {
		return fmt.Errorf("fit: class weights, but data %q has targets, not labels", info.Name)
	}
	if outputs := t.Network.Output[1]; len(t.ClassWeights) != outputs {
		return fmt.Errorf("fit: %d class weights for a network of %d classes", len(t.ClassWeights), outputs)
	}
	for class, w := range t.ClassWeights {
		if !(w >= MinClassWeight && w <= MaxClassWeight) {
			return fmt.Errorf("fit: weight %v of class %d, expected %v to %v", w, class, MinClassWeight, MaxClassWeight)
		}
	}
	return nil
}

// BalancedWeights are weights with which each class has the same part in the loss, whatever its share of the samples: N samples
// of K classes that occur give N/(K N_c) for one with N_c samples, as scikit-learn's "balanced" does, and 1 for one without.
func BalancedWeights(set data.Set, classes int) ([]float64, error) {
	if err := data.CheckLabels(set, classes); err != nil {
		return nil, err
	}
	counts, occur := make([]int, classes), 0
	for i := range set.Len() {
		label := set.Label(i)
		if counts[label] == 0 {
			occur++
		}
		counts[label]++
	}
	weights := make([]float64, classes)
	for class, n := range counts {
		if weights[class] = 1; n > 0 {
			weights[class] = float64(set.Len()) / (float64(occur) * float64(n))
		}
	}
	return weights, nil
}
