package cli

import (
	"bytes"
	"flag"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/device"
)

func TestOpenDevice(t *testing.T) {
	for _, row := range []struct {
		args  string
		code  int
		shown string // in the line, or in the error
	}{
		{"--device cpu --threads 2", 0, "2 threads), as asked for"},
		{"--threads 1", 0, ", the best present"},
		{"--device reference", 0, "as asked for"},
		{"--device reference --precision fp32 --deterministic-algorithms", 0, "as asked for"},
		{"--device tpu", 2, `--device: device: unknown "tpu", expected auto, cpu, cuda, reference`},
		{"--device cuda:x", 2, `"x" is not a device number`},
		{"--device=", 2, `unknown ""`},
		{"--threads -1", 2, "--threads: -1, expected 1 to 1024, or 0 for all processors"},
		{"--threads 1048576", 2, "--threads: 1048576, expected 1 to 1024"},
		{"--precision fp16", 2, `invalid value "fp16" for flag -precision: expected fp32, tf32, bf16`},
		{"--precision", 2, "flag needs an argument: -precision"},
		{"--device cpu --precision tf32", 2, "--precision: precision tf32, expected what cpu offers: fp32, bf16"},
		{"--device reference --precision tf32", 2, "--precision: precision tf32, expected what reference offers: fp32"},
	} {
		t.Run(row.args, func(t *testing.T) {
			var choice Device
			f := NewFlags("prog")
			choice.Declare(f)
			_, err := Parse(f, "", strings.Fields(row.args), io.Discard)
			var d device.Device
			var line string
			if err == nil {
				d, line, err = choice.Open()
			}
			require.Equal(t, row.code, Exit("prog", err, io.Discard), "%v", err)
			if row.code != 0 {
				require.ErrorContains(t, err, row.shown)
				return
			}
			require.Contains(t, line, row.shown)
			require.NoError(t, d.Close())
		})
	}
}

func TestDeviceFlags(t *testing.T) {
	var choice Device
	f := NewFlags("prog")
	choice.Declare(f)
	_, err := Parse(f, "", strings.Fields("--device cuda:3 --threads 5 --precision bf16 --deterministic-algorithms"), io.Discard)
	require.NoError(t, err)
	require.Equal(t, Device{"cuda:3", device.Options{Threads: 5, Precision: device.BF16, Deterministic: true}}, choice)
	var help bytes.Buffer
	_, err = Parse(f, "", []string{"--help"}, &help)
	require.ErrorIs(t, err, flag.ErrHelp)
	for _, text := range []string{"-device device\n", `(default "auto")`, "-threads int\n", "-precision precision\n", "(default fp32)", "-deterministic-algorithms\n"} {
		require.Contains(t, help.String(), text)
	}
}
