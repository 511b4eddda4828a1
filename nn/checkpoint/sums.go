package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// sum is a file's checksum.
type sum struct {
	name string
	hash [sha256.Size]byte
}

type sums []sum

// maxSums bounds a file of checksums: a line has less than a hundred bytes.
const maxSums = 4096

func (s sums) text() []byte {
	var b bytes.Buffer
	for _, each := range s {
		fmt.Fprintf(&b, "%x  %s\n", each.hash, each.name)
	}
	return b.Bytes()
}

// parseSums reads what text writes, and no other names than those of a checkpoint's files.
func parseSums(text []byte) (sums, error) {
	known := []string{WeightsFile, optimizerFile, averageFile, bestFile, stateFile, SettingsFile}
	var all sums
	for line := range strings.Lines(string(text)) {
		line, whole := strings.CutSuffix(line, "\n")
		digits, name, two := strings.Cut(line, "  ")
		hash, err := hex.DecodeString(digits)
		if !whole || !two || err != nil || len(hash) != sha256.Size {
			return nil, fmt.Errorf("line %.100q, expected a SHA-256 and a name", line)
		}
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("%.100q is no file of a checkpoint", name)
		}
		if all.has(name) {
			return nil, fmt.Errorf("%s is there twice", name)
		}
		all = append(all, sum{name, [sha256.Size]byte(hash)})
	}
	for _, name := range []string{WeightsFile, stateFile, SettingsFile} {
		if !all.has(name) {
			return nil, fmt.Errorf("%s is missing", name)
		}
	}
	return all, nil
}

func (s sums) has(name string) bool {
	return slices.ContainsFunc(s, func(each sum) bool { return each.name == name })
}

// check says whether a file is what was written.
func (s sum) check(dir string) error {
	file, err := open(filepath.Join(dir, s.name))
	if err != nil {
		return err
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil { // a disk that forgets
		return damaged{err}
	}
	if [sha256.Size]byte(hash.Sum(nil)) != s.hash {
		return damaged{errors.New("its content is not what was written (SHA-256)")}
	}
	return nil
}

// read reads a small file.
func read(path string, most int64) ([]byte, error) {
	file, err := open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, most+1))
	if err == nil && int64(len(content)) > most {
		err = fmt.Errorf("longer than %d bytes", most)
	}
	if err != nil {
		return nil, damaged{err}
	}
	return content, nil
}

// open opens a regular file: opening a pipe would wait.
func open(path string) (*os.File, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, damaged{errors.New("is missing")}
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, damaged{errors.New("is not a regular file")}
	}
	return os.Open(path)
}
