package pth

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/device/philox"
)

// archived are the records of an archive.
type archived []struct {
	name    string
	content []byte
}

func (a archived) zip(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, r := range a {
		h := &zip.FileHeader{Name: r.name, Method: zip.Store, CRC32: crc32.ChecksumIEEE(r.content),
			CompressedSize64: uint64(len(r.content)), UncompressedSize64: uint64(len(r.content))}
		to, err := w.CreateRaw(h)
		require.NoError(t, err)
		_, err = to.Write(r.content)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

func TestArchives(t *testing.T) {
	right := aTensor("K\x00", "K\x0c", "K\x01")
	record := func(name string, content string) func(*archived) {
		return func(a *archived) {
			for i := range *a {
				if (*a)[i].name == name {
					(*a)[i].content = []byte(content)
				}
			}
		}
	}
	add := func(name string, content string) func(*archived) {
		return func(a *archived) { *a = append(*a, archived{{name, []byte(content)}}...) }
	}
	for _, row := range []struct {
		name   string
		change func(*archived)
		want   string
	}{
		{"right", func(*archived) {}, ""},
		{"no order of bytes", func(a *archived) { (*a)[1].name = "x/version" }, ""},
		{"without a folder", func(a *archived) {
			for i := range *a {
				(*a)[i].name = strings.TrimPrefix((*a)[i].name, "x/")
			}
		}, ""},
		{"big", record("x/byteorder", "big"), `numbers in byte order "big", expected little`},
		{"other order", record("x/byteorder", strings.Repeat("x", 10000)), `numbers in byte order "xxxxxxxxxx"`},
		{"no pickle", func(a *archived) { (*a)[0].name = "x/data" }, "no data.pkl in it"},
		{"script", add("x/constants.pkl", "."), "it is a program (TorchScript)"},
		{"twice", add("x/data/0", "."), `"x/data/0" is there twice`},
		{"storage missing", func(a *archived) { (*a)[2].name = "x/data/1" }, `no record of storage "0"`},
		{"storage short", record("x/data/0", strings.Repeat("x", 47)), "12 elements of F32 in a record of 47 bytes"},
		{"empty pickle", record("x/data.pkl", ""), "cut short: 1 bytes"},
	} {
		_, err := read(program(t, right, row.change))
		if row.want == "" {
			require.NoError(t, err, row.name)
			continue
		}
		require.ErrorContains(t, err, row.want, row.name)
		require.Less(t, len(err.Error()), 500, row.name)
	}
}

// A record that is compressed could be of any size once it is not.
func TestZipBomb(t *testing.T) {
	for _, packed := range []string{"x/data.pkl", "x/data/0"} {
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		for name, content := range map[string]string{"x/data.pkl": "\x80\x02" + aTensor("K\x00", "K\x0c", "K\x01"), "x/data/0": strings.Repeat("\x00", 1<<20)} {
			method := zip.Store
			if name == packed {
				method = zip.Deflate
			}
			to, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: method})
			require.NoError(t, err)
			_, err = to.Write([]byte(content))
			require.NoError(t, err)
		}
		require.NoError(t, w.Close())
		_, err := read(b.Bytes())
		require.ErrorContains(t, err, fmt.Sprintf("archive: %q is compressed or encrypted", packed))
	}
}

// Two records of an archive may claim the same bytes.
func TestStoragesThatShareBytes(t *testing.T) {
	two := "}(U\x01v" + rebuild + "(" + storage0 + "K\x00(K\x0ct(K\x01t\x89" + hooks + "tR" +
		"U\x01w" + rebuild + "(" + strings.Replace(storage0, "\x000", "\x001", 1) + "K\x00(K\x0ct(K\x01t\x89" + hooks + "tRu."
	content := program(t, two, func(a *archived) { *a = append(*a, archived{{"x/data/1", make([]byte, 48)}}...) })
	_, err := read(content)
	require.NoError(t, err)
	first, second := bytes.Index(content, []byte("x/data/0")), bytes.Index(content, []byte("x/data/1"))
	at := bytes.LastIndex(content, []byte("x/data/1")) - 4 // in the directory, before the name: the place of the record
	require.Equal(t, uint32(second-30), binary.LittleEndian.Uint32(content[at:]))
	binary.LittleEndian.PutUint32(content[at:], uint32(first-30))
	_, err = read(content)
	require.ErrorContains(t, err, "share bytes")
}

func TestChecksum(t *testing.T) {
	content := program(t, aTensor("K\x00", "K\x0c", "K\x01"), func(a *archived) { (*a)[2].content = bytes.Repeat([]byte("w"), 48) })
	f, err := read(content)
	require.NoError(t, err)
	require.NoError(t, f.Verify())
	content[bytes.Index(content, []byte("wwww"))+7]++
	f, err = read(content)
	require.NoError(t, err, "the table of contents is whole")
	require.ErrorContains(t, f.Verify(), `"x/data/0" is damaged: its checksum is`)
	content = program(t, aTensor("K\x00", "K\x0c", "K\x01"))
	content[bytes.Index(content, []byte("K\x0ct"))+1]--
	_, err = read(content)
	require.ErrorContains(t, err, `"x/data.pkl" is damaged`)
}

// damaged makes the n-th broken copy of a file: cut, with bytes changed, taken out or put in, or with a part of zeros.
func damaged(content []byte, n int) []byte {
	random := philox.NewSource(philox.Stream{Seed: 11, ID: uint64(n)})
	at := random.Intn(len(content))
	broken := bytes.Clone(content)
	switch n % 6 {
	case 0:
		return broken[:at]
	case 1:
		broken[at] ^= 1 << random.Intn(8)
	case 2:
		for range 1 + random.Intn(8) {
			broken[random.Intn(len(broken))] = byte(random.Uint32())
		}
	case 3:
		end := min(at+1+random.Intn(64), len(broken))
		return append(broken[:at:at], broken[end:]...)
	case 4:
		return append(append(broken[:at:at], make([]byte, 1+random.Intn(16))...), content[at:]...)
	case 5:
		clear(broken[at:min(at+1+random.Intn(256), len(broken))])
	}
	return broken
}

// TestDamagedFiles breaks each file until a hundred broken ones were refused, each with one clear error. Others may read: a
// format without checksums cannot know its numbers, but no tensor of it reaches out of the file.
func TestDamagedFiles(t *testing.T) {
	for _, name := range []string{"zip.pth", "zip4.pth", "stream.pth", "stream4.pth", "tar.pth", "checkpoint.pth"} {
		t.Run(name, func(t *testing.T) {
			whole := file(t, name)
			refused := 0
			for n := 0; refused < 100; n++ {
				require.Less(t, n, 700, "only %d broken files were refused", refused)
				content := damaged(whole, n)
				var f *File
				var err error
				used := allocated(func() {
					if f, err = read(content); err == nil {
						err = f.Verify()
					}
				})
				require.LessOrEqual(t, used, uint64(2*len(content)+256<<10), "broken file %d", n)
				if err != nil {
					refused++
					require.Less(t, len(err.Error()), 500, "broken file %d", n)
					require.NotContains(t, err.Error(), "\n", "broken file %d", n)
					continue
				}
				for _, x := range f.Tensors {
					elementsOf(content, x)
				}
			}
		})
	}
}

// Every cut is found: there is a directory at the end of an archive, and the last storage at the end of a stream.
func TestEveryCutIsFound(t *testing.T) {
	for _, name := range []string{"zip.pth", "stream.pth"} {
		whole := file(t, name)
		for n := range whole {
			_, err := read(whole[:n])
			require.Error(t, err, "%s: the first %d bytes of %d", name, n, len(whole))
		}
	}
}

// allocated is how many bytes do asked for in all, which is never less than what it held at a time.
func allocated(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// What reading asks for in all, growing slices included, is bounded whatever the file says.
func TestMemory(t *testing.T) {
	const mib = 1 << 20
	var directory bytes.Buffer
	w := zip.NewWriter(&directory)
	for i := range 30_000 {
		_, err := w.CreateRaw(&zip.FileHeader{Name: fmt.Sprintf("%d", i), Method: zip.Store})
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	var tooLarge bytes.Buffer
	w = zip.NewWriter(&tooLarge)
	for i := range 100 {
		_, err := w.CreateRaw(&zip.FileHeader{Name: fmt.Sprintf("%d%s", i, strings.Repeat("x", 60_000)), Method: zip.Store})
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	for _, row := range []struct {
		name  string
		file  []byte
		most  uint64
		error string
	}{
		{"lists", program(t, strings.Repeat("]", 2*mib)+"."), 192 * mib, "more than 1048576 instructions"},
		{"dictionaries", program(t, strings.Repeat("}", 2*mib)+"."), 192 * mib, "more than 1048576 instructions"},
		{"marks", program(t, strings.Repeat("(", 2*mib)+"."), 192 * mib, "more than 1048576 instructions"},
		{"kept", program(t, "N"+strings.Repeat("\x94", 2*mib)+"."), 192 * mib, "more than 1048576 instructions"},
		{"nested", program(t, "]"+strings.Repeat("\x85", 2*mib)+"."), 192 * mib, "more than 1048576 instructions"},
		{"copies", program(t, "](N"+strings.Repeat("K\x01K\x01\x86", 100_000)+"e0(]q\x00("+strings.Repeat("NN\x86", 100_000)+"e"+
			strings.Repeat("ccollections\nOrderedDict\nh\x00\x85R", 10_000)+"."), 192 * mib, "more than 1048576 instructions"},
		{"texts", program(t, strings.Repeat("U\xff"+strings.Repeat("x", 255), 20_000)+"."), 24 * mib, "texts of more than"},
		{"text of 4 GiB", program(t, "X\xff\xff\xff\xff"), mib / 2, "texts of more than"},
		{"text of 4 MiB", program(t, "X\x00\x00\x40\x00"), mib / 2, "cut short"},
		{"entries", directory.Bytes(), 24 * mib, "no data.pkl"},
		{"large directory", tooLarge.Bytes(), 16 * mib, "a directory of more than"},
	} {
		var err error
		used := allocated(func() { _, err = read(row.file) })
		require.ErrorContains(t, err, row.error, row.name)
		t.Logf("%s: %.1f MiB for a file of %.1f", row.name, float64(used)/mib, float64(len(row.file))/mib)
		require.LessOrEqual(t, used, row.most, row.name)
	}
}

func FuzzPth(f *testing.F) {
	for _, name := range []string{"zip", "zip4", "stream", "stream4", "tar", "checkpoint", "module", "system", "list", "two"} {
		f.Add(file(f, name+".pth"))
	}
	f.Add(program(f, aTensor("K\x00", "K\x0c", "K\x01")))
	f.Add(program(f, aTensor("K\x00", "K\x04K\x03", "K\x01K\x04")))
	f.Add(program(f, "X\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, content []byte) {
		var opened *File
		var err error
		used := allocated(func() { opened, err = read(content) })
		// What the fuzzer and the testing package ask for meanwhile is in it too.
		require.LessOrEqual(t, used, uint64(2*len(content)+192*min(len(content), maxSteps)+4<<20))
		if err != nil {
			return
		}
		opened.Verify()
		// Whatever a file says, no tensor may be read from outside of it, nor all of them be much more than it.
		total := 0
		for _, x := range opened.Tensors {
			if total += int(x.Size) * int(x.DType.Size()); total <= 1<<20 {
				elementsOf(content, x)
			}
		}
		require.LessOrEqual(t, total, 2*len(content))
	})
}
