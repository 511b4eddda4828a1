package device_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/device"
	_ "fovea/device/cpu"
	_ "fovea/device/reference"
)

var errAbsent = errors.New("no such hardware")

// absent is a better device than all others, but this machine lacks it.
func init() {
	device.Register(device.Driver{Name: "absent", Preference: 100, Precisions: []device.Precision{device.TF32}, Open: func(int, device.Options) (device.Device, error) {
		return nil, errAbsent
	}})
}

func TestOpen(t *testing.T) {
	for _, c := range []struct {
		spec    string
		threads int
		name    string // of the device that opens
		message string // of the error, if none does
		usage   bool   // the choice cannot be meant
	}{
		{"cpu", 0, "cpu", "", false},
		{"cpu", 3, "cpu", "", false},
		{"cpu:0", 0, "cpu", "", false},
		{"reference", 0, "reference", "", false},
		{"reference:0", 0, "reference", "", false},
		{"auto", 0, "cpu", "", false},
		{"cpu:1", 0, "", "cpu:1: there is one cpu device", false},
		{"reference:7", 0, "", "reference:7: there is one reference device", false},
		{"absent", 0, "", "no such hardware", false},
		{"absent:3", 0, "", "no such hardware", false},
		{"tpu", 0, "", `unknown "tpu", expected auto, absent, cpu, reference`, true},
		{"", 0, "", `unknown ""`, true},
		{"CPU", 0, "", `unknown "CPU"`, true},
		{":0", 0, "", `unknown ":0"`, true},
		{"auto:0", 0, "", `unknown "auto:0"`, true},
		{"tpu:0", 0, "", `unknown "tpu:0"`, true},
		{"cpu:", 0, "", `in "cpu:", "" is not a device number, expected for example cpu:0`, true},
		{"cpu:x", 0, "", `"x" is not a device number`, true},
		{"cpu:-1", 0, "", `"-1" is not a device number`, true},
		{"cpu:0:0", 0, "", `"0:0" is not a device number`, true},
		{"cpu:99999999999999999999", 0, "", "is not a device number", true},
		{"cpu", -1, "", "-1 threads, expected at least 1, or 0", true},
		{"auto", -5, "", "-5 threads", true},
	} {
		t.Run(c.spec, func(t *testing.T) {
			d, err := device.Open(c.spec, device.Options{Threads: c.threads})
			if c.message != "" {
				require.ErrorContains(t, err, c.message)
				require.Equal(t, c.usage, errors.Is(err, device.ErrUsage))
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.name, d.Name())
			require.Contains(t, d.Describe(), c.name)
			require.NoError(t, d.Close())
		})
	}
}

func TestBestSaysWhyBetterDevicesAreAbsent(t *testing.T) {
	d, absent, err := device.Best(device.Options{})
	require.NoError(t, err)
	require.Equal(t, "cpu", d.Name())
	require.NoError(t, d.Close())
	require.Len(t, absent, 1)
	require.ErrorIs(t, absent[0], errAbsent)
	require.EqualError(t, absent[0], "absent: no such hardware")
}

func TestBestWithoutAny(t *testing.T) {
	t.Setenv("FOVEA_CPU", "vax") // no cpu device opens, and the reference is never chosen
	_, absent, err := device.Best(device.Options{})
	require.Len(t, absent, 2)
	require.ErrorIs(t, err, errAbsent)
	require.ErrorContains(t, err, "no device could be opened")
	require.ErrorContains(t, err, `environment variable FOVEA_CPU: instruction set "vax"`)
}

// A precision that a device lacks is refused before it is opened, and on "auto" is a reason to look further.
func TestPrecision(t *testing.T) {
	for _, row := range []struct {
		spec, precision, message string
	}{
		{"cpu", "fp32", ""},
		{"cpu", "tf32", "precision tf32, expected what cpu offers: fp32, bf16"},
		{"reference", "tf32", "precision tf32, expected what reference offers: fp32"},
		{"absent", "tf32", "no such hardware"},
		{"absent", "bf16", "precision bf16, expected what absent offers: fp32, tf32"},
		{"auto", "fp32", ""},
		{"auto", "tf32", "cpu: precision tf32, expected what cpu offers: fp32, bf16"},
	} {
		var p device.Precision
		require.NoError(t, p.UnmarshalText([]byte(row.precision)))
		require.Equal(t, row.precision, p.String())
		d, err := device.Open(row.spec, device.Options{Precision: p})
		if row.message == "" {
			require.NoError(t, err)
			require.NoError(t, d.Close())
			continue
		}
		require.ErrorContains(t, err, row.message)
		require.Equal(t, !strings.Contains(row.message, "hardware"), errors.Is(err, device.ErrPrecision))
	}
	var p device.Precision
	require.EqualError(t, p.UnmarshalText([]byte("fp16")), "expected fp32, tf32, bf16")
}

func TestNames(t *testing.T) {
	require.Equal(t, []string{"absent", "cpu", "reference"}, device.Names())
}

func TestRegisterRefusesTwice(t *testing.T) {
	require.PanicsWithValue(t, "device: driver cpu registered twice", func() { device.Register(device.Driver{Name: "cpu"}) })
}
