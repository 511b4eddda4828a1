package checkpoint_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/data"
	"fovea/device"
	_ "fovea/device/all"
	"fovea/device/devicetest"
	"fovea/device/philox"
	"fovea/nn"
	"fovea/nn/checkpoint"
	"fovea/nn/fit"
	"fovea/nn/optim"
	"fovea/nn/weights"
)

// noise are samples that cannot be learnt, but by heart.
func noise(t testing.TB, n int) data.Set {
	random := philox.NewSource(philox.Stream{Seed: 3})
	x, labels := make([]float32, 4*n), make([]int32, n)
	for i := range x {
		x[i] = float32(random.Normal(0, 1))
		labels[i/4] = int32(i / 4 % 3)
	}
	set, err := data.NewMemory(data.Info{Name: "noise", Sample: tensor.Shape{1, 2, 2}, Classes: 3}, x, labels, nil)
	require.NoError(t, err)
	return set
}

// newTrainer makes one whose states have every part: 3 epochs of 3 updates.
func newTrainer(t testing.TB, dev string) *fit.Trainer {
	t.Helper()
	d, err := device.Open(dev, device.Options{Deterministic: true, Threads: 1})
	require.NoError(t, err)
	net, err := nn.Build(d, nn.Sequential(nn.Conv(2, 1), nn.BatchNorm(), nn.ReLU(), nn.Flatten(), nn.Linear(3)), tensor.Shape{1, 2, 2}, 1)
	require.NoError(t, err)
	config, err := optim.Defaults("adam")
	require.NoError(t, err)
	optimizer, err := optim.New(d, config, net.Parameters)
	require.NoError(t, err)
	t.Cleanup(func() {
		optimizer.Release()
		net.Release()
		require.NoError(t, d.Close())
	})
	return &fit.Trainer{Network: net, Optimizer: optimizer, Train: &data.Loader{Set: noise(t, 12), Batch: 4, Shuffle: true, Seed: 1}, Validation: noise(t, 5),
		Epochs: 3, Seed: 1, Average: 0.5, Patience: 9, CheckpointSteps: 1}
}

func values(t testing.TB, net *nn.Network) map[string][]float64 {
	t.Helper()
	all := map[string][]float64{}
	for _, s := range net.State() {
		v, err := s.Tensor.Floats()
		require.NoError(t, err)
		all[s.Name] = v
	}
	return all
}

// train trains, and keeps checkpoints in dir.
func train(t testing.TB, tr *fit.Trainer, dir string) map[string][]float64 {
	t.Helper()
	folder := &checkpoint.Folder{Dir: dir, Settings: []byte("lr: 0.001\n"), Card: &weights.Card{Model: "test", Outputs: 3, Sample: tensor.Shape{1, 2, 2}}}
	tr.OnCheckpoint = folder.Write
	require.NoError(t, tr.Run(t.Context()))
	return values(t, tr.Network)
}

// names lists a folder, hidden entries too.
func names(t testing.TB, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// What comes out of the files goes on to the same bits as a training that never stopped.
func TestResume(t *testing.T) {
	stop := errors.New("stop")
	for _, dev := range devicetest.Names() {
		want := train(t, newTrainer(t, dev), filepath.Join(t.TempDir(), "checkpoints"))
		for _, at := range []int{0, 1, 3, 6, 9} {
			t.Run(fmt.Sprintf("%s %d", dev, at), func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "deep", "checkpoints")
				first := newTrainer(t, dev)
				folder, made := &checkpoint.Folder{Dir: dir, Settings: []byte("lr: 0.001\n")}, 0
				first.OnCheckpoint = func(s *fit.State) error {
					if made++; made > at {
						return stop
					}
					return folder.Write(s)
				}
				if err := first.Run(t.Context()); err != nil { // 9 states are all
					require.Equal(t, stop, err)
				}
				c, err := checkpoint.Latest(dir)
				if at == 0 {
					require.ErrorIs(t, err, checkpoint.ErrNone)
					return
				}
				require.NoError(t, err)
				defer c.Close()
				require.Equal(t, "lr: 0.001\n", string(c.Settings))
				require.Equal(t, first.Network.Device.Name(), c.State.Device)
				second := newTrainer(t, dev)
				second.Resume = c.State
				require.Equal(t, want, train(t, second, dir))
				require.Equal(t, []string{"epoch-0002-step-00000008", "epoch-0003-step-00000009"}, names(t, dir)[max(0, len(names(t, dir))-2):])
			})
		}
	}
}

// Two checkpoints stay, and nothing of writers that were killed.
func TestKept(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{".epoch-0001-step-00000002.77-1-1.tmp", "epoch-0099-step-00000099", "notes"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, name, "something"), 0o777))
	}
	train(t, newTrainer(t, "cpu"), dir)
	require.Equal(t, []string{"epoch-0002-step-00000008", "epoch-0003-step-00000009", "notes"}, names(t, dir))
	require.Equal(t, []string{"SHA256SUMS", "average.safetensors", "best.safetensors", "config.yaml", "optimizer.safetensors", "state.json", "weights.safetensors"},
		names(t, filepath.Join(dir, "epoch-0003-step-00000009")))
	card, err := weights.ReadCard(filepath.Join(dir, "epoch-0003-step-00000009", checkpoint.WeightsFile))
	require.NoError(t, err)
	require.Equal(t, "test", card.Model)
}

// A folder that cannot be made is named. (Permissions and full disks: cmd/train, as processes.)
func TestWriteFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "checkpoints")
	require.NoError(t, os.WriteFile(dir, nil, 0o666))
	tr := newTrainer(t, "cpu")
	tr.OnCheckpoint = (&checkpoint.Folder{Dir: dir}).Write
	require.EqualError(t, tr.Run(t.Context()), "checkpoint "+filepath.Join(dir, "epoch-0000-step-00000001")+": not a directory")
	_, err := checkpoint.Latest(dir)
	require.ErrorContains(t, err, "not a directory")
}

// A tensor that cannot be read leaves no checkpoint, and nothing temporary.
func TestUnreadableTensor(t *testing.T) {
	lost := errors.New("device lost")
	dir := filepath.Join(t.TempDir(), "checkpoints")
	tr := newTrainer(t, "cpu")
	folder := &checkpoint.Folder{Dir: dir}
	tr.OnCheckpoint = func(s *fit.State) error {
		s.Optimizer[0].Read = func() (any, error) { return nil, lost }
		return folder.Write(s)
	}
	err := tr.Run(t.Context())
	require.ErrorIs(t, err, lost)
	require.Regexp(t, `^checkpoint .*epoch-0000-step-00000001: tensor 0.weight.exp_avg: device lost$`, err.Error())
	require.Empty(t, names(t, dir))
}
