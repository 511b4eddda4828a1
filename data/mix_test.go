package data_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/data"
	"fovea/data/augment"
)

// squares are n samples [3, 8, 8] of which each has its own grey, with the classes 0, 1, 2...
func squares(t *testing.T, n int) *data.Memory {
	x, labels := make([]float32, n*192), make([]int32, n)
	for i := range x {
		x[i] = (float32(i/192) + float32(i%192)/192) / float32(n)
	}
	for i := range labels {
		labels[i] = int32(i)
	}
	set, err := data.NewMemory(data.Info{Name: "squares", Sample: tensor.Shape{3, 8, 8}, Classes: n}, x, labels, nil)
	require.NoError(t, err)
	return set
}

func epochOf(t *testing.T, l data.Loader, epoch, skip int) (batches []*data.Batch) {
	t.Helper()
	for b, err := range l.EpochFrom(t.Context(), epoch, skip) {
		require.NoError(t, err)
		batches = append(batches, b.Clone())
	}
	return batches
}

// What transforms and mixers do depends on seed, epoch, sample and batch: not on the number of workers, and not on whether
// the epoch was begun at its beginning.
func TestAugmentedEpochs(t *testing.T) {
	transforms, err := augment.Parse("crop:2,flip,rotate:20,affine,elastic,jitter,blur,noise,perspective,erase")
	require.NoError(t, err)
	for _, mixer := range []data.Mixer{nil, augment.Mixup{Alpha: 1}, augment.CutMix{Alpha: 1}, augment.Either{augment.Mixup{Alpha: 0.2}, augment.CutMix{Alpha: 1}}} {
		t.Run(fmt.Sprint(mixer), func(t *testing.T) {
			l := data.Loader{Set: squares(t, 22), Batch: 4, Shuffle: true, Seed: 3, Transforms: transforms, Mixer: mixer, Workers: 1}
			first := epochOf(t, l, 2, 0)
			require.Len(t, first, 6)
			require.Equal(t, mixer != nil, first[0].Mix != nil)
			for _, workers := range []int{2, 3, 8} {
				l.Workers = workers
				require.Equal(t, first, epochOf(t, l, 2, 0), "%d workers", workers)
				require.Equal(t, first[4:], epochOf(t, l, 2, 4), "%d workers, resumed", workers)
			}
			if mixer != nil {
				shares := map[float64]bool{}
				for _, b := range first {
					shares[b.Mix.Share] = true
				}
				require.Greater(t, len(shares), 2, "each batch is mixed by a number of its own")
			}
			l.Shuffle = false // or that is what makes the difference
			first = epochOf(t, l, 2, 0)
			require.NotEqual(t, first, epochOf(t, l, 3, 0), "another epoch")
			l.Seed = 4
			require.NotEqual(t, first, epochOf(t, l, 2, 0), "another seed")
			l.Seed, l.Transforms = 3, nil
			plain := epochOf(t, data.Loader{Set: l.Set, Batch: 4}, 0, 0)
			if mixer == nil {
				require.Equal(t, plain, epochOf(t, l, 1, 0))
			} else {
				require.NotEqual(t, plain, epochOf(t, l, 1, 0), "mixed")
			}
		})
	}
}

// A sample's transforms do not depend on the batch it is in.
func TestTransformsBelongToTheSample(t *testing.T) {
	transforms, err := augment.Parse("crop:2,noise")
	require.NoError(t, err)
	set := squares(t, 12)
	by := func(batch int, shuffle bool) map[int][]float32 {
		samples := map[int][]float32{}
		for _, b := range epochOf(t, data.Loader{Set: set, Batch: batch, Shuffle: shuffle, Seed: 1, Transforms: transforms}, 1, 0) {
			for k, i := range b.Indices {
				samples[i] = b.X.Data().([]float32)[k*192 : (k+1)*192]
			}
		}
		return samples
	}
	require.Equal(t, by(12, true), by(5, true), "in batches of another size")
	require.Equal(t, by(12, true), by(5, false), "in another order")
	half, err := data.NewSubset(set, []int{7, 3})
	require.NoError(t, err)
	whole := by(12, false)
	for _, b := range epochOf(t, data.Loader{Set: half, Batch: 2, Seed: 1, Transforms: transforms}, 1, 0) {
		require.Equal(t, append(append([]float32{}, whole[7]...), whole[3]...), b.X.Data(), "as a part of a set")
	}
}

// A copied batch has a memory of its own.
func TestCloneMix(t *testing.T) {
	for b, err := range (&data.Loader{Set: squares(t, 4), Batch: 4, Mixer: augment.Mixup{Alpha: 1}}).Epoch(t.Context(), 0) {
		require.NoError(t, err)
		c := b.Clone()
		require.Equal(t, b, c)
		b.Mix.Labels[0] += 9
		b.Mix.Share = 7
		require.NotEqual(t, b.Mix.Labels, c.Mix.Labels)
		require.NotEqual(t, b.Mix.Share, c.Mix.Share)
	}
}
