package data

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device/philox"
)

// damage reads a hundred damaged forms of content: cut, with bytes changed, with pieces missing. Each is an error in one
// line, or was not noticed, and takes no more memory than most or twice its size.
func damage(t *testing.T, content []byte, most uint64, read func(content []byte) error) {
	t.Helper()
	random := philox.NewSource(philox.Stream{Seed: 11})
	noticed := 0
	for n := range 100 {
		bad := bytes.Clone(content)
		switch n % 4 {
		case 0:
			bad = bad[:random.Intn(len(bad))]
		case 1:
			for range 1 + random.Intn(3) {
				bad[random.Intn(min(len(bad), 256))] ^= byte(1 + random.Intn(255)) // where headers are
			}
		case 2:
			bad[random.Intn(len(bad))] ^= byte(1 + random.Intn(255))
		default:
			at, length := random.Intn(len(bad)), 1+random.Intn(16)
			bad = append(bad[:at], bad[min(at+length, len(bad)):]...)
		}
		var err error
		used := allocated(func() { err = read(bad) })
		require.LessOrEqual(t, used, max(most, 2*uint64(len(bad))), "damage %d: bytes allocated; %v", n, err)
		if err != nil {
			noticed++
			require.NotEmpty(t, err.Error(), "damage %d", n)
			require.NotContains(t, err.Error(), "\n", "damage %d", n)
			require.Less(t, len(err.Error()), 500, "damage %d", n)
		}
	}
	require.GreaterOrEqual(t, noticed, 50, "damaged files of 100 that were noticed")
}

func recordedFile(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return content
}

func TestDamagedFiles(t *testing.T) {
	const small = 1 << 20 // for files of a few kilobytes: what readers and decompressors take anyway
	t.Run("IDX", func(t *testing.T) {
		damage(t, idxFile([]int{20, 28, 28}, make([]byte, 20*784)), small, func(content []byte) error {
			_, _, err := readIDX(bytes.NewReader(content), 3)
			return err
		})
	})
	t.Run("npy", func(t *testing.T) {
		damage(t, recordedFile(t, "float32.npy"), small, func(content []byte) error {
			_, err := readNpy(bytes.NewReader(content), int64(len(content)))
			return err
		})
	})
	for _, name := range []string{"classes.npz", "packed.npz", "regression.npz"} {
		t.Run(name, func(t *testing.T) {
			damage(t, recordedFile(t, name), small, func(content []byte) error {
				_, err := readNPZ(name, bytes.NewReader(content), int64(len(content)))
				return err
			})
		})
	}
	// The archive has checksums, but what reads it must stand on its own.
	t.Run("CIFAR", func(t *testing.T) {
		damage(t, smallCIFAR100(t), 4*small, func(content []byte) error {
			_, err := cifar100.read(t.Context(), bytes.NewReader(content))
			return err
		})
	})
}

// A picture may be as large as maxPixels says, and decoding one takes up to eight bytes for each: damage to the sizes in a
// header takes memory as a picture of that size does, and no more.
func TestDamagedPictureFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/pictures/*.*g")
	require.NoError(t, err)
	x, sample := make([]float32, 3*32*32), tensor.Shape{3, 32, 32}
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		random := philox.NewSource(philox.Stream{Seed: 13})
		for n := range 100 {
			if testing.Short() && n > 20 {
				break // the race detector makes it slow
			}
			bad := bytes.Clone(content)
			if n%3 == 0 {
				bad = bad[:random.Intn(len(bad))]
			} else {
				for range 1 + random.Intn(3) {
					bad[random.Intn(min(len(bad), 300*(1+n%2*9)))] = byte(random.Uint32())
				}
			}
			head, err := readHead(bytes.NewReader(bad))
			if err == nil && head.Width*head.Height > 1<<20 {
				continue // as TestPicturesThatAreNone has it; slow
			}
			d := new(decoder)
			used := allocated(func() { err = d.decode(bad, maxPixels, x, sample, Centred{40}, nil) })
			most := uint64(64*head.Width*head.Height) + 2*uint64(len(bad)) + 2<<20
			require.LessOrEqual(t, used, most, "%s, damage %d: %d x %d; %v", file, n, head.Width, head.Height, err)
			if n%3 == 0 {
				require.Error(t, err, "%s, damage %d", file, n)
			}
			if err != nil {
				require.NotContains(t, err.Error(), "\n", "%s, damage %d", file, n)
			}
			for _, v := range x {
				require.True(t, v >= 0 && v <= 1, "%s, damage %d: %v", file, n, v)
			}
		}
	}
}

func FuzzPicture(f *testing.F) {
	files, err := filepath.Glob("testdata/pictures/*.*g")
	require.NoError(f, err)
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(content, uint64(1))
	}
	f.Fuzz(func(t *testing.T, content []byte, seed uint64) {
		if head, err := readHead(bytes.NewReader(content)); err != nil || head.Width*head.Height > 1<<18 {
			return
		}
		x := make([]float32, 3*8*9)
		if new(decoder).decode(content, maxPixels, x, tensor.Shape{3, 8, 9}, Resized{0.08, 1}, philox.NewSource(philox.Stream{Seed: seed})) != nil {
			return
		}
		for i, v := range x {
			if !(v >= 0 && v <= 1) {
				t.Fatalf("value %d is %v", i, v)
			}
		}
	})
}
