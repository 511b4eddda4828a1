package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"fovea/cmd/internal/cli"
	"fovea/data/atomic"
	"fovea/nn/fit"
)

const (
	maxConfusion = 2000 // classes of which a matrix is kept: its file has their square in columns and rows
	maxTable     = 20   // classes that are printed
)

// testResult is what the test set says of each class.
type testResult struct {
	confusion *fit.Confusion
	names     []string
}

func (t *testResult) name(class int) string {
	if class < len(t.names) {
		return t.names[class]
	}
	return strconv.Itoa(class)
}

// write keeps the matrix: a row for each class that samples have, a column for each that they were taken for.
func (t *testResult) write(path string) error {
	err := atomic.WriteFile(path, func(w io.Writer) error {
		table := csv.NewWriter(w)
		head := []string{"class", "samples", "precision", "recall"}
		for class := range t.confusion.Counts {
			head = append(head, t.name(class))
		}
		table.Write(head)
		for class, counts := range t.confusion.Counts {
			samples, precision, recall := t.confusion.Class(class)
			row := []string{t.name(class), strconv.Itoa(samples), shareText(precision, 'g', 8, 1), shareText(recall, 'g', 8, 1)}
			for _, n := range counts {
				row = append(row, strconv.Itoa(n))
			}
			table.Write(row)
		}
		table.Flush()
		return table.Error()
	})
	if err != nil {
		return fmt.Errorf("%s: %w", path, cli.Cause(err))
	}
	return nil
}

// text is for people.
func (t *testResult) text() string {
	if t == nil {
		return ""
	}
	var b strings.Builder
	if classes := len(t.confusion.Counts); classes <= maxTable {
		width := len("Class")
		for class := range classes {
			width = max(width, len([]rune(t.name(class))))
		}
		fmt.Fprintf(&b, "%-*s  %7s  %9s  %7s\n", width, "Class", "Samples", "Precision", "Recall")
		for class := range classes {
			samples, precision, recall := t.confusion.Class(class)
			line := fmt.Sprintf("%-*s  %7d  %9s  %7s", width, t.name(class), samples, shareText(precision, 'f', 2, 100), shareText(recall, 'f', 2, 100))
			fmt.Fprintln(&b, strings.TrimRight(line, " "))
		}
	}
	if len(t.confusion.Counts) > 5 {
		fmt.Fprintf(&b, "Test top-5 accuracy: %.2f%%\n", 100*t.confusion.Top(5))
	}
	return b.String()
}

// shareText is nothing for a share of nothing.
func shareText(v float64, format byte, digits int, times float64) string {
	if math.IsNaN(v) {
		return ""
	}
	return strconv.FormatFloat(times*v, format, digits, 64)
}
