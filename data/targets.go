package data

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strconv"
)

// targetsFile names the pictures of a regression and their targets.
const targetsFile = "targets.csv"

const (
	maxTargets = 1 << 12 // of a picture
	maxLists   = 1 << 30 // bytes of a file that lists pictures
)

// regression makes a set of the pictures that targets.csv in dir lists: one in each line, its file within dir and then its
// targets, all separated by commas. The first line may be a heading.
func (w *walker) regression(info Info, dir string) (*pictures, error) {
	path := filepath.Join(dir, targetsFile)
	f, size, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size > maxLists {
		return nil, fmt.Errorf("%s: %d bytes, expected at most %d", path, size, maxLists)
	}
	set := &pictures{info: info, dir: dir}
	if err := set.readTargets(f); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return set, nil
}

func (p *pictures) readTargets(r io.Reader) error {
	table := csv.NewReader(r)
	table.ReuseRecord, table.FieldsPerRecord = true, -1
	for first := true; ; first = false {
		row, err := table.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		line, _ := table.FieldPos(0)
		if first && heading(row) {
			continue
		}
		if p.info.Targets == 0 {
			p.info.Targets = len(row) - 1
		}
		if n := len(row) - 1; n != p.info.Targets || n < 1 || n > maxTargets {
			return fmt.Errorf("line %d: %d targets, expected %s", line, n, plenty(p.info.Targets))
		}
		name, err := local(row[0])
		if err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
		for i, text := range row[1:] {
			v, err := strconv.ParseFloat(text, 32)
			if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
				return fmt.Errorf("line %d: target %d is %.40q, expected a finite number", line, i+1, text)
			}
			p.targets = append(p.targets, float32(v))
		}
		p.files = append(p.files, name)
	}
	if len(p.files) == 0 {
		return errors.New("no pictures in it, expected a line for each: its file, then its targets")
	}
	return nil
}

// heading says that a first line is one: no target in it is a number.
func heading(row []string) bool {
	for _, text := range row[1:] {
		if _, err := strconv.ParseFloat(text, 32); err == nil {
			return false
		}
	}
	return len(row) > 1
}

func plenty(targets int) string {
	if targets > 0 && targets <= maxTargets {
		return strconv.Itoa(targets) + ", as the lines before"
	}
	return fmt.Sprintf("1 to %d", maxTargets)
}
