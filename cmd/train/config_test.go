package main

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/cli"
	"fovea/cmd/internal/programtest"
	"fovea/cmd/internal/runs"
	"fovea/device"
	"fovea/device/philox"
)

func TestConfig(t *testing.T) {
	for _, row := range []struct {
		name, file, content string
		args                []string
		want                func(*testing.T, *settings)
	}{
		{"yaml", "c.yaml", "model: mlp\nepochs: 3\nlr: 1e-2\nno-shuffle: true\nseed: 18446744073709551615\n", nil, func(t *testing.T, s *settings) {
			require.Equal(t, "mlp", s.model)
			require.Equal(t, 3, s.epochs)
			require.Equal(t, 0.01, s.rate.Value)
			require.True(t, s.noShuffle)
			require.Equal(t, uint64(1<<64-1), s.seed)
			require.Equal(t, 200, s.batch, "what the file leaves out keeps its default")
		}},
		{"toml", "c.TOML", "model = 'mlp'\nepochs = 3\nlr = 0.01\nno-shuffle = true\n", nil, func(t *testing.T, s *settings) {
			require.Equal(t, "mlp", s.model)
			require.Equal(t, 3, s.epochs)
			require.Equal(t, 0.01, s.rate.Value)
			require.True(t, s.noShuffle)
		}},
		{"flags win", "c.yml", "model: mlp\nepochs: 3\nno-shuffle: true\nlr: 5\n", []string{"--epochs", "4", "--no-shuffle=false", "--lr=6"}, func(t *testing.T, s *settings) {
			require.Equal(t, "mlp", s.model)
			require.Equal(t, 4, s.epochs)
			require.False(t, s.noShuffle)
			require.Equal(t, 6.0, s.rate.Value)
		}},
		{"empty", "c.yaml", "# nothing\n", nil, func(t *testing.T, s *settings) { require.Equal(t, "cnn-small", s.model) }},
		{"numbers as text", "c.yaml", "data-dir: 123\nepochs: '2'\n", nil, func(t *testing.T, s *settings) {
			require.Equal(t, "123", s.dataDir)
			require.Equal(t, 2, s.epochs)
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), row.file)
			require.NoError(t, os.WriteFile(path, []byte(row.content), 0o666))
			s, err := parse(append(row.args, "--config", path), nil)
			require.NoError(t, err)
			row.want(t, s)
		})
	}
}

func TestConfigRefusals(t *testing.T) {
	for _, row := range []struct{ name, file, content, shown string }{
		{"unknown name", "c.yaml", "epoch: 3\n", `unknown setting "epoch", expected the name of a flag`},
		{"config in config", "c.yaml", "config: d.yaml\n", `unknown setting "config"`},
		{"wrong type", "c.yaml", "epochs: many\n", `epochs: invalid value "many": parse error`},
		{"fraction of an epoch", "c.toml", "epochs = 1.5\n", `epochs: invalid value "1.5": parse error`},
		{"list", "c.yaml", "model: [mlp, cnn-small]\n", `model is [mlp cnn-small], expected a single text, number or truth value`},
		{"table", "c.toml", "[model]\nname = 'mlp'\n", `model is map[name:mlp], expected a single text`},
		{"null", "c.yaml", "lr:\n", `lr is <nil>, expected a single text`},
		{"rate NaN", "c.yaml", "lr: .nan\n", `lr: invalid value "NaN": expected a finite number`},
		{"batch 0", "c.toml", "batch = 0\n", `--batch: 0, expected at least 1`},
		{"not yaml", "c.yaml", "model: [\n", `c.yaml: yaml: `},
		{"not toml", "c.toml", "model: mlp\n", `c.toml: toml: `},
		{"no mapping", "c.yaml", "- model\n", `cannot unmarshal`},
		{"other format", "c.json", "{}", `file name ends in ".json", expected .yaml, .yml or .toml`},
		{"too long", "c.yaml", "#" + strings.Repeat(" ", 1<<20) + "\n", `longer than 1048576 bytes`},
	} {
		t.Run(row.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), row.file)
			require.NoError(t, os.WriteFile(path, []byte(row.content), 0o666))
			_, err := parse([]string{"--config", path}, nil)
			require.ErrorContains(t, err, row.shown)
			var usage *cli.UsageError
			require.ErrorAs(t, err, &usage)
		})
	}
}

// A run's config.yaml starts another run that ends with the same bytes.
func TestConfigOfRunRepeatsIt(t *testing.T) {
	dir := t.TempDir()
	first, second := filepath.Join(dir, "first"), filepath.Join(dir, "second")
	programtest.Succeed(t, train, "--data", "npz:"+programtest.BarsNPZ(t, 32, 8), "--model", "cnn-small", "--classes", "4", "--optimizer", "nesterov",
		"--lr", "0.02", "--momentum", "0.8", "--weight-decay", "1e-4", "--epochs", "3", "--max-steps", "10", "--batch", "7", "--seed", "9",
		"--val-fraction", "0.25", "--threads", "1", "--precision", "fp32", "--deterministic-algorithms", "--out", first)
	programtest.Succeed(t, train, "--config", filepath.Join(first, runs.ConfigFile), "--out", second)
	for _, name := range []string{runs.WeightsFile, runs.ConfigFile} {
		a, err := os.ReadFile(filepath.Join(first, name))
		require.NoError(t, err)
		b, err := os.ReadFile(filepath.Join(second, name))
		require.NoError(t, err)
		require.Equal(t, a, b, name)
	}
}

// Precision and the choice of algorithms are settings of a run like the others.
func TestConfigKeepsThePrecision(t *testing.T) {
	path := filepath.Join(t.TempDir(), runs.ConfigFile)
	s, err := parse([]string{"--precision", "bf16", "--deterministic-algorithms", "--val-fraction", "0.1"}, nil)
	require.NoError(t, err)
	require.NoError(t, writeConfig(path, s.flags))
	again, err := parse([]string{"--config", path}, nil)
	require.NoError(t, err)
	require.Equal(t, device.Options{Precision: device.BF16, Deterministic: true}, again.device.Options)
	require.NoError(t, os.WriteFile(path, []byte("precision: half\n"), 0o666))
	_, err = parse([]string{"--config", path}, nil)
	require.ErrorContains(t, err, `precision: invalid value "half": expected fp32, tf32, bf16`)
}

// Texts that look like numbers or truth values come back as they were.
func TestWriteConfigQuotes(t *testing.T) {
	for _, text := range []string{"123", "true", "null", "a: b", "", "~", "1e3", "with # hash", "\"", "é"} {
		s := &settings{}
		f := newFlags(s)
		s.dataDir = text
		path := filepath.Join(t.TempDir(), runs.ConfigFile)
		require.NoError(t, writeConfig(path, f))
		values, err := runs.ReadSettings(path)
		require.NoError(t, err, "%q", text)
		require.Equal(t, any(text), values["data-dir"])
		require.NotContains(t, values, "out")
		require.NotContains(t, values, "config")
	}
}

// A hundred damaged files of each language: an error in a few lines or settings that parse refuses by name, no panic, and
// little memory.
func TestDamagedConfig(t *testing.T) {
	for extension, content := range configs {
		random := philox.NewSource(philox.Stream{Seed: 12})
		noticed := 0
		for n := range 100 {
			bad := []byte(content)
			switch n % 3 {
			case 0:
				bad = bad[:random.Intn(len(bad))]
			case 1:
				bad[random.Intn(len(bad))] = byte(random.Uint32())
			default:
				at := random.Intn(len(bad))
				bad = slices.Insert(bad, at, []byte(strings.Repeat(string("[{:&*'\"\t\x00"[random.Intn(9)]), 1+random.Intn(4)))...)
			}
			path := filepath.Join(t.TempDir(), "c"+extension)
			require.NoError(t, os.WriteFile(path, bad, 0o666))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := parse([]string{"--config", path}, nil)
			runtime.ReadMemStats(&after)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20), "%s: %q", extension, bad)
			if err != nil {
				noticed++
				require.NotEmpty(t, err.Error(), "%s: %q", extension, bad)
				require.Less(t, len(err.Error()), 1000, "%s: %q", extension, bad)
				require.Equal(t, 2, cli.Exit("train", err, io.Discard), "%s: %q: %v", extension, bad, err)
			}
		}
		require.Greater(t, noticed, 40, extension)
	}
}

var configs = map[string]string{
	".yaml": "model: mlp\nepochs: 3\nlr: 1e-2\nno-shuffle: true\nseed: 18446744073709551615\ndata: \"npz:x y.npz\"\n",
	".toml": "model = 'mlp'\nepochs = 3\nlr = 0.01\nno-shuffle = true\nseed = 12\ndata = \"npz:x y.npz\"\n",
}
