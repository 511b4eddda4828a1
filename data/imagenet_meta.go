package data

import (
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"fovea/data/internal/matfile"
)

// devkitClass is what the devkit says of a class.
type devkitClass struct {
	number         int // its own
	wordNet, words string
}

// devkitClasses reads the devkit's meta.mat, or a text made of it.
func devkitClasses(path string) ([]devkitClass, error) {
	if filepath.Ext(path) == ".mat" {
		return matlabClasses(path)
	}
	var all []devkitClass
	err := eachLine(path, func(line string) error {
		words := strings.Fields(line)
		number, err := strconv.Atoi(words[0])
		if err != nil || len(words) < 2 {
			return fmt.Errorf("%.80q, expected a class's number in the devkit and its WordNet number", line)
		}
		all = append(all, devkitClass{number, words[1], strings.Join(words[2:], " ")})
		return nil
	})
	return all, err
}

// maxMatlab is how large a file may be; the devkit's has less than a megabyte.
const maxMatlab = 64 << 20

func matlabClasses(path string) ([]devkitClass, error) {
	f, size, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size > maxMatlab {
		return nil, fmt.Errorf("%s: %d bytes, expected at most %d", path, size, maxMatlab)
	}
	content, err := io.ReadAll(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	rows, err := matfile.Table(content, "synsets")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var all []devkitClass
	for i, row := range rows {
		number, _ := row["ILSVRC2012_ID"].([]float64)
		wordNet, _ := row["WNID"].(string)
		words, _ := row["words"].(string)
		if len(number) != 1 || wordNet == "" {
			return nil, fmt.Errorf("%s: synset %d has ILSVRC2012_ID %v and WNID %q, expected a number and a WordNet number", path, i+1, row["ILSVRC2012_ID"], wordNet)
		}
		all = append(all, devkitClass{int(number[0]), wordNet, words})
	}
	return all, nil
}
