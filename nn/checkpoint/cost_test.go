package checkpoint_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/data"
	"fovea/device"
	"fovea/nn"
	"fovea/nn/checkpoint"
	"fovea/nn/fit"
	"fovea/nn/optim"
	"fovea/nn/zoo"
)

// BenchmarkCost is what a checkpoint of a training with Adam takes: docs/checkpoints.md says how to run it.
func BenchmarkCost(b *testing.B) {
	for _, name := range []string{"cnn-small", "resnet18", "vgg16"} {
		b.Run(name, func(b *testing.B) {
			state := firstState(b, name)
			folder := &checkpoint.Folder{Dir: filepath.Join(b.TempDir(), "run")}
			require.NoError(b, os.Mkdir(folder.Dir, 0o777))
			var opening []float64
			for b.Loop() {
				require.NoError(b, folder.Write(state))
				b.StopTimer()
				begin := time.Now()
				c, err := checkpoint.Latest(folder.Dir)
				require.NoError(b, err)
				opening = append(opening, time.Since(begin).Seconds())
				require.NoError(b, c.Close())
				b.StartTimer()
			}
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/write")
			b.ReportMetric(sum(opening)/float64(b.N), "s/open")
			b.ReportMetric(float64(size(b, folder.Dir))/1e6, "MB") // of one: each takes the place of the one before, which had as many updates
		})
	}
}

// firstState is what a training of one sample asks to be kept after its first update.
func firstState(b *testing.B, model string) *fit.State {
	m, err := zoo.Find(model)
	require.NoError(b, err)
	d, err := device.Open("cpu", device.Options{Deterministic: true})
	require.NoError(b, err)
	net, err := nn.Build(d, m.New(m.Classes), m.Sample, 1)
	require.NoError(b, err)
	config, err := optim.Defaults("adam")
	require.NoError(b, err)
	optimizer, err := optim.New(d, config, net.Parameters)
	require.NoError(b, err)
	b.Cleanup(func() {
		optimizer.Release()
		net.Release()
		require.NoError(b, d.Close())
	})
	one, err := data.NewMemory(data.Info{Name: "one", Sample: m.Sample, Classes: m.Classes}, make([]float32, tensor.Shape(m.Sample).TotalSize()), []int32{0}, nil)
	require.NoError(b, err)
	var state *fit.State
	trainer := &fit.Trainer{Network: net, Optimizer: optimizer, Train: &data.Loader{Set: one, Batch: 1}, Epochs: 1, OnCheckpoint: func(s *fit.State) error {
		state = s
		return nil
	}}
	require.NoError(b, trainer.Run(b.Context()))
	return state
}

func sum(values []float64) (total float64) {
	for _, v := range values {
		total += v
	}
	return total
}

func size(b *testing.B, dir string) (bytes int64) {
	files, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	require.NoError(b, err)
	require.NotEmpty(b, files, fmt.Sprint(names(b, dir)))
	for _, f := range files {
		info, err := os.Stat(f)
		require.NoError(b, err)
		bytes += info.Size()
	}
	return bytes
}
