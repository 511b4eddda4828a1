//go:build cuda

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/programtest"
	"fovea/cmd/internal/runs"
	"fovea/device/cuda/emulator/control"
)

// TestCUDAFailures is what the program does where a GPU is missing, too small, or fails: one clear error and exit code 1, no
// half-written run; and with --device auto it goes on without the GPU, saying why. The emulated GPU is the one of this
// process, in another state.
func TestCUDAFailures(t *testing.T) {
	if !control.Present() {
		t.Skip(control.ErrAbsent)
	}
	emulator := ""
	for _, folder := range filepath.SplitList(os.Getenv("LD_LIBRARY_PATH")) {
		if _, err := os.Stat(filepath.Join(folder, "libcudnn.so.9")); err == nil {
			emulator = folder
			break
		}
	}
	require.NotEmpty(t, emulator, "the folder of LD_LIBRARY_PATH with the emulated libraries")
	program := filepath.Join(t.TempDir(), "train")
	out, err := exec.Command("go", "build", "-tags", "cuda", "-o", program, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	empty := filepath.Join(t.TempDir(), "empty.so") // a library without a single function
	out, err = exec.Command("gcc", "-shared", "-x", "c", "-o", empty, "/dev/null").CombinedOutput()
	require.NoError(t, err, string(out))
	// with is a folder of the emulated libraries in which those named are missing (or, with a +, empty).
	with := func(libraries ...string) string {
		folder := t.TempDir()
		for _, l := range []string{"libcuda.so.1", "libcudnn.so.9", "libcublasLt.so.13", "libcublas.so.13"} {
			target := filepath.Join(emulator, l)
			for _, other := range libraries {
				if name, found := strings.CutPrefix(other, "+"); name == l {
					target = ""
					if found {
						target = empty
					}
				}
			}
			if target != "" {
				require.NoError(t, os.Symlink(target, filepath.Join(folder, l)))
			}
		}
		return folder
	}
	npz := programtest.BarsNPZ(t, 64, 8)
	for _, row := range []struct {
		name   string
		folder string
		env    string
		device string
		why    string
		begun  bool // the training began, and its folder has the settings
	}{
		{"no driver", t.TempDir(), "", "cuda", `no NVIDIA driver on this machine \(libcuda.so.1: cannot open shared object file: .*\)`, false},
		{"a driver that is none", with("+libcuda.so.1"), "", "cuda", `no NVIDIA driver on this machine \(libcuda.so.1 has no cuInit\)`, false},
		{"driver too old", emulator, "FOVEA_EMU_DRIVER_VERSION=11040", "cuda", `the NVIDIA driver is too old: it supports CUDA 11.4, this build needs 1[23].0`, false},
		{"no GPU", emulator, "FOVEA_EMU_NO_GPU=1", "cuda", `the NVIDIA driver finds no GPU`, false},
		{"no GPUs", emulator, "FOVEA_EMU_DEVICES=0", "cuda", `the NVIDIA driver finds no GPU`, false},
		{"another GPU", emulator, "FOVEA_EMU_DEVICES=2", "cuda:7", `there is no GPU number 7, expected 0 to 1`, false},
		{"no cuDNN", with("libcudnn.so.9"), "", "cuda", `a library of the CUDA build is missing: libcudnn.so.9: cannot open shared object file: .*`, false},
		{"no cuBLASLt", with("libcublasLt.so.13"), "", "cuda", `a library of the CUDA build is missing: libcublasLt.so.13: cannot open shared object file: .*`, false},
		{"another cuDNN", with("+libcudnn.so.9"), "", "cuda", `a library of the CUDA build is missing: .*/libcudnn.so.9: undefined symbol: cudnnGetVersion.*`, false},
		{"another cuBLASLt", with("+libcublasLt.so.13"), "", "cuda", `a library of the CUDA build is missing: .*/libcublasLt.so.13: undefined symbol: cublasLtCreate.*`, false},
		{"cuDNN does not start", emulator, "FOVEA_EMU_CONTROL=fail-call cudnnCreate 1", "cuda", `cudnnCreate: .*`, false},
		{"memory for nothing", emulator, "FOVEA_EMU_MEMORY=1000", "cuda", `(?:layer .*: )?.*out of memory on cuda:0: \d+ bytes asked for, 0 in use by tensors, .*`, false},
		{"memory for the network alone", emulator, "FOVEA_EMU_MEMORY=2000000", "cuda", `.*out of memory on cuda:0: \d+ bytes asked for, \d+ in use by tensors, \d+ are free of the GPU's 2000000 \(a smaller batch needs less\): .*`, true},
		{"a launch fails", emulator, "FOVEA_EMU_CONTROL=fail-launch 30", "cuda", `.*: cuLaunchKernel: CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES .*`, true},
		{"a captured step fails", emulator, "FOVEA_EMU_CONTROL=fail-call cuGraphLaunch 3", "cuda", `cuGraphLaunch: CUDA_ERROR_UNKNOWN .*`, true},
		{"the GPU fails", emulator, "FOVEA_EMU_CONTROL=async-error 50", "cuda", `.*the GPU failed while it worked: cu[A-Za-z]+: CUDA_ERROR_LAUNCH_FAILED .*; the last operations queued before, any of which may have caused it: .*`, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, device := range []string{row.device, "auto"} {
				if device == "auto" && (row.begun || row.device != "cuda" || strings.HasPrefix(row.env, "FOVEA_EMU_MEMORY")) {
					continue // the GPU is there
				}
				folder := filepath.Join(t.TempDir(), "run")
				cmd := exec.Command(program, short(npz, folder, "--device", device)...)
				cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+row.folder)
				if row.env != "" {
					cmd.Env = append(cmd.Env, row.env)
				}
				var stdout, stderr bytes.Buffer
				cmd.Stdout, cmd.Stderr = &stdout, &stderr
				cmd.Run()
				errors := ""
				for line := range strings.Lines(stderr.String()) {
					if !strings.HasPrefix(line, "emulator: ") {
						errors += line
					}
				}
				if device == "auto" {
					require.Zero(t, cmd.ProcessState.ExitCode(), errors)
					require.Regexp(t, `Device: cpu .*, the best present; cuda: `+row.why+`\n`, stdout.String())
					require.FileExists(t, filepath.Join(folder, runs.WeightsFile))
					continue
				}
				require.Equal(t, 1, cmd.ProcessState.ExitCode(), errors)
				prefix := `^train: `
				if !row.begun && !strings.HasPrefix(row.env, "FOVEA_EMU_MEMORY") {
					prefix += `--device ` + row.device + `: `
				}
				require.Regexp(t, prefix+row.why+`\n$`, errors)
				require.Equal(t, 1, strings.Count(errors, "\n"), errors)
				left, _ := filepath.Glob(filepath.Join(folder, "*"))
				hidden, _ := filepath.Glob(filepath.Join(folder, ".*"))
				require.Empty(t, hidden)
				if row.begun { // what is there before the first update; weights are not
					require.Contains(t, left, filepath.Join(folder, runs.ConfigFile))
					require.NoFileExists(t, filepath.Join(folder, runs.WeightsFile))
					require.NoDirExists(t, filepath.Join(folder, "checkpoints"))
				} else {
					require.Empty(t, left)
				}
			}
		})
	}
}
