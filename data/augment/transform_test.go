package augment

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/data"
	"fovea/device/philox"
)

// specs are the transforms as they are by default, and at their extremes.
func specs(t testing.TB) (all []data.Transform) {
	for _, spec := range []string{"cifar,mnist,imagenet", "flip:1,flip:0,vflip:1,gray:1,perspective:1/1,perspective:0/1", "crop:0,crop:4096,translate:1,rotate:180",
		"affine:180/1/0.95/80,affine:0/0/0/0,elastic:10000/0.1,elastic:0/32,elastic:40/12", "noise:0,noise:10,blur:0.01/0.01/1,blur:32/32/1",
		"jitter:10/10/10/0.5,jitter:0/0/0/0,jitter:0/0/0/0.5", "erase:1/0/1/0.01/random,erase:1/0/0.9/1/mean,erase:1/0/0/1,erase:1/1/1/0.01"} {
		made, err := Parse(spec)
		require.NoError(t, err)
		all = append(all, made...)
	}
	for _, k := range Kinds() {
		made, err := Parse(k.Name)
		require.NoError(t, err)
		all = append(all, made...)
	}
	return all
}

var shapes = [][3]int{{1, 1, 1}, {3, 1, 7}, {3, 9, 1}, {1, 28, 28}, {2, 5, 4}, {3, 6, 11}, {4, 2, 2}, {3, 32, 32}}

// A transform writes nothing but its picture, whose values stay within 0 and 1, and does the same with the same random
// numbers, however many pictures other workers change at that time.
func TestTransforms(t *testing.T) {
	const guard = 64
	type job struct {
		transform data.Transform
		p         data.Picture
		stream    philox.Stream
		want      []float32
	}
	var jobs []job
	for i, transform := range specs(t) {
		for _, s := range shapes {
			for seed := range uint64(3) {
				name := fmt.Sprintf("%v on %v, seed %d", transform, s, seed)
				p := pictureOf(s[0], s[1], s[2], seed)
				before := slices.Clone(p.Values)
				memory := slices.Concat(slices.Repeat([]float32{-7}, guard), p.Values, slices.Repeat([]float32{-7}, guard))
				p.Values = memory[guard : guard+len(p.Values)]
				stream := philox.Stream{Seed: seed, ID: uint64(i)}
				transform.Apply(p, philox.NewSource(stream))
				for k, v := range p.Values {
					if !(v >= 0 && v <= 1+1e-6) {
						t.Fatalf("%s: value %d is %v, expected 0 to 1", name, k, v)
					}
				}
				for k := range guard {
					require.Equal(t, float32(-7), memory[k], "%s: before the picture", name)
					require.Equal(t, float32(-7), memory[len(memory)-1-k], "%s: after the picture", name)
				}
				want := slices.Clone(p.Values)
				jobs = append(jobs, job{transform, data.Picture{C: s[0], H: s[1], W: s[2], Values: before}, stream, want})
			}
		}
	}
	const count = 8
	var workers sync.WaitGroup
	for w := range count {
		workers.Go(func() {
			for k := w; k < len(jobs); k += count {
				j := jobs[k]
				j.transform.Apply(j.p, philox.NewSource(j.stream))
				if !slices.Equal(j.want, j.p.Values) {
					t.Errorf("%v on %d x %d x %d, stream %v: another result beside other workers", j.transform, j.p.C, j.p.H, j.p.W, j.stream)
					return
				}
			}
		})
	}
	workers.Wait()
}

// Recorded: a change of what a seed makes of a picture would change every training run.
func TestSeedsStay(t *testing.T) {
	want := map[string]float64{"affine": -1.18983, "blur": 0.39621, "crop": -1.53788, "elastic": -1.71017, "erase": 4.29101, "flip": 7.78624, "gray": -0.16653,
		"jitter": 0.14709, "noise": 1.23738, "perspective": -4.75166, "rotate": 1.32688, "translate": -1.21401, "vflip": -7.80756}
	for _, k := range Kinds() {
		p := pictureOf(3, 16, 12, 1)
		always := make([]float64, len(k.Parameters))
		for i, parameter := range k.Parameters {
			if always[i] = parameter.Default; parameter.Name == "P" {
				always[i] = 1
			}
		}
		made, err := Parse(text(k.Name, always...))
		require.NoError(t, err)
		made[0].Apply(p, philox.NewSource(philox.Stream{Seed: 5}))
		sum := 0.0
		for i, v := range p.Values {
			sum += float64(v) * math.Cos(float64(i))
		}
		recorded, is := want[k.Name]
		require.True(t, is, "no recording of %q: %.5f", k.Name, sum)
		require.InDelta(t, recorded, sum, 1e-3, k.Name)
	}
}
