package data

import (
	"bufio"
	"fmt"
	"strings"
)

// eachLine hands on the lines of a text file, without those that are empty. An error of use is given the line's number.
func eachLine(path string, use func(line string) error) error {
	f, size, err := openRegular(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if size > maxLists {
		return fmt.Errorf("%s: %d bytes, expected at most %d", path, size, maxLists)
	}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		if err := use(line); err != nil {
			return fmt.Errorf("%s: line %d: %w", path, n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
