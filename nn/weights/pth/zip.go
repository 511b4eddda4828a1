package pth

import (
	"archive/zip"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sort"
	"strings"
)

// maxDirectory bounds what is read of a zip archive to know its records: some forty thousand of them.
const maxDirectory = 4 << 20

// archive is torch.save's archive: a pickle, and a record of bytes for each storage.
type archive struct {
	file    io.ReaderAt
	size    int64
	records map[string]*zip.File
	used    map[string]*storage // by key
	sums    map[string]record   // of the storages used
	buffer  []byte
}

// record is where a storage's bytes are, and their checksum.
type record struct {
	name       string
	begin, end int64
	sum        uint32
}

// limited fails once too much was read.
type limited struct {
	io.ReaderAt
	left int
}

func (l *limited) ReadAt(p []byte, at int64) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, fmt.Errorf("archive: a directory of more than %d bytes", maxDirectory)
	}
	return l.ReaderAt.ReadAt(p, at)
}

func readZip(file io.ReaderAt, size int64) (*contents, error) {
	opened, err := zip.NewReader(&limited{file, maxDirectory}, size)
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	a := &archive{file: file, size: size, records: map[string]*zip.File{}, used: map[string]*storage{}, sums: map[string]record{}}
	folder, found := "", false
	for _, f := range opened.File {
		if _, twice := a.records[f.Name]; twice {
			return nil, fmt.Errorf("archive: %.100q is there twice", f.Name)
		}
		a.records[f.Name] = f
		if f.Name == "data.pkl" || strings.HasSuffix(f.Name, "/data.pkl") {
			folder, found = strings.TrimSuffix(f.Name, "data.pkl"), true
		}
	}
	if !found {
		return nil, errors.New("archive: no data.pkl in it, expected what torch.save writes")
	}
	if _, script := a.records[folder+"constants.pkl"]; script {
		return nil, errors.New("it is a program (TorchScript), expected what torch.save writes of a state_dict()")
	}
	if order, there := a.records[folder+"byteorder"]; there {
		place, err := a.locate(order)
		if err != nil {
			return nil, err
		}
		text, err := newReader(file, place.begin, place.end).next(min(place.end-place.begin, 10))
		if err != nil {
			return nil, err
		}
		if string(text) != "little" {
			return nil, fmt.Errorf("numbers in byte order %q, expected little", text)
		}
	}
	program, err := a.locate(a.records[folder+"data.pkl"])
	if err == nil {
		err = a.checksum(program)
	}
	if err != nil {
		return nil, err
	}
	root, err := unpickle(newReader(file, program.begin, program.end), func(id any) (any, error) { return a.storage(folder, id) })
	if err != nil {
		return nil, err
	}
	if err := a.apart(); err != nil {
		return nil, err
	}
	return &contents{root, a.checksums}, nil
}

// locate finds a record's bytes. torch.save stores them as they are, and so they must be: a compressed record could be of any
// size once unpacked.
func (a *archive) locate(f *zip.File) (record, error) {
	if f.Method != zip.Store || f.CompressedSize64 != f.UncompressedSize64 || f.Flags&1 != 0 {
		return record{}, fmt.Errorf("archive: %.100q is compressed or encrypted, expected it as torch.save stores it", f.Name)
	}
	begin, err := f.DataOffset()
	if err != nil {
		return record{}, fmt.Errorf("archive: %.100q: %w", f.Name, err)
	}
	if f.UncompressedSize64 > uint64(a.size) || begin > a.size-int64(f.UncompressedSize64) {
		return record{}, fmt.Errorf("cut short: archive: %.100q has %d bytes from byte %d on in a file of %d", f.Name, f.UncompressedSize64, begin, a.size)
	}
	return record{f.Name, begin, begin + int64(f.UncompressedSize64), f.CRC32}, nil
}

// storage finds what ("storage", class, key, device, elements) stands for.
func (a *archive) storage(folder string, id any) (any, error) {
	_, key, dtype, count, err := described(id, 5)
	if err != nil {
		return nil, err
	}
	if known, there := a.used[key]; there {
		if err := known.same(key, dtype, count); err != nil {
			return nil, err
		}
		return known, nil
	}
	f, there := a.records[folder+"data/"+key]
	if !there {
		return nil, fmt.Errorf("archive: no record of storage %.100q", key)
	}
	place, err := a.locate(f)
	if err != nil {
		return nil, err
	}
	if bytes := place.end - place.begin; count > bytes/int64(dtype.Size()) {
		return nil, fmt.Errorf("storage %.100q: %d elements of %s in a record of %d bytes", key, count, dtype, bytes)
	}
	s := &storage{dtype: dtype, count: count, begin: place.begin}
	a.used[key], a.sums[key] = s, place
	return s, nil
}

// apart refuses storages that share bytes: together they could be larger than the file.
func (a *archive) apart() error {
	places := make([]record, 0, len(a.sums))
	for _, r := range a.sums {
		places = append(places, r)
	}
	sort.Slice(places, func(i, j int) bool {
		return places[i].begin < places[j].begin || places[i].begin == places[j].begin && places[i].end < places[j].end
	})
	for i := 1; i < len(places); i++ {
		if places[i].begin < places[i-1].end {
			return fmt.Errorf("archive: %.100q and %.100q share bytes", places[i-1].name, places[i].name)
		}
	}
	return nil
}

// checksums checks the storages.
func (a *archive) checksums() error {
	for _, r := range a.sums {
		if err := a.checksum(r); err != nil {
			return err
		}
	}
	return nil
}

// checksum reads a record and compares it with the archive's checksum, where there is one: torch.save may leave it out, as 0.
func (a *archive) checksum(r record) error {
	if r.sum == 0 {
		return nil
	}
	if a.buffer == nil {
		a.buffer = make([]byte, 64<<10)
	}
	hash := crc32.NewIEEE()
	n, err := io.CopyBuffer(struct{ io.Writer }{hash}, struct{ io.Reader }{io.NewSectionReader(a.file, r.begin, r.end-r.begin)}, a.buffer)
	if err != nil {
		return err
	}
	if n < r.end-r.begin {
		return cutShort(io.EOF, r.end-r.begin-n, r.begin+n)
	}
	if hash.Sum32() != r.sum {
		return fmt.Errorf("archive: %.100q is damaged: its checksum is %08x, expected %08x", r.name, hash.Sum32(), r.sum)
	}
	return nil
}
