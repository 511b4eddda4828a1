package runs

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"

	"fovea/cmd/internal/cli"
	"fovea/data"
	"fovea/nn/fit"
)

// MaxConfusion bounds the classes of which a matrix is kept: its file has their square in columns and rows.
const MaxConfusion = 2000

// maxRow bounds the bytes of a line of confusion.csv.
const maxRow = 512 << 10

// before are the columns of confusion.csv before the counts.
var before = []string{"class", "samples", "precision", "recall"}

// Matrix says what a network took the samples of each class for.
type Matrix struct {
	*fit.Confusion
	Names []string // of the classes; those without one are numbers
}

// Name is that of a class.
func (m *Matrix) Name(class int) string {
	return data.ClassName(m.Names, class)
}

// Right is how many samples were taken for what they are.
func (m *Matrix) Right() int {
	right := 0
	for class, counts := range m.Counts {
		right += counts[class]
	}
	return right
}

// write keeps the matrix: a row for each class that samples have, a column for each that they were taken for.
func (m *Matrix) write(path string) error {
	return cli.WriteFile(path, func(w io.Writer) error {
		table := csv.NewWriter(w)
		head := slices.Clone(before)
		for class := range m.Counts {
			head = append(head, m.Name(class))
		}
		table.Write(head)
		for class, counts := range m.Counts {
			samples, precision, recall := m.Class(class)
			row := []string{m.Name(class), strconv.Itoa(samples), Share(precision, 'g', 8, 1), Share(recall, 'g', 8, 1)}
			for _, n := range counts {
				row = append(row, strconv.Itoa(n))
			}
			table.Write(row)
		}
		table.Flush()
		return table.Error()
	})
}

// Share writes a share of something, such as 0.5 or, times 100, 50; nothing for a share of nothing.
func Share(v float64, format byte, digits int, times float64) string {
	if math.IsNaN(v) {
		return ""
	}
	return strconv.FormatFloat(times*v, format, digits, 64)
}

// ReadMatrix reads a confusion.csv.
func ReadMatrix(path string) (*Matrix, error) {
	file, err := open(path)
	if err == nil {
		defer file.Close()
		var m *Matrix
		if m, err = readMatrix(file); err == nil {
			return m, nil
		}
	}
	return nil, fmt.Errorf("%s: %w", path, err)
}

func readMatrix(content io.Reader) (*Matrix, error) {
	rows := &matrixReader{limited: &io.LimitedReader{R: content}}
	rows.table = csv.NewReader(rows.limited)
	head, err := rows.next()
	if err != nil {
		return nil, err
	}
	if len(head) < len(before) || !slices.Equal(head[:len(before)], before) {
		return nil, fmt.Errorf("line 1: other columns, expected %v and a name for each class", before)
	}
	names := head[len(before):]
	if len(names) == 0 || len(names) > MaxConfusion {
		return nil, fmt.Errorf("line 1: %d classes, expected 1 to %d", len(names), MaxConfusion)
	}
	m := &Matrix{fit.NewConfusion(len(names)), names}
	for class := range names {
		row, err := rows.next()
		if err != nil {
			return nil, err
		}
		if err := m.take(class, row); err != nil {
			line, _ := rows.table.FieldPos(0)
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
	}
	if _, err := rows.table.Read(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("more lines than its %d classes have", len(names))
	}
	return m, nil
}

// matrixReader reads lines of bounded length.
type matrixReader struct {
	limited *io.LimitedReader
	table   *csv.Reader
}

func (r *matrixReader) next() ([]string, error) {
	r.limited.N = maxRow
	row, err := r.table.Read()
	switch {
	case r.limited.N <= 0:
		return nil, fmt.Errorf("a line is longer than %d bytes", maxRow)
	case errors.Is(err, io.EOF):
		return nil, errors.New("it ends before the last class")
	}
	return row, cli.Cause(err)
}

// take counts the samples of a class by its row.
func (m *Matrix) take(class int, row []string) error {
	samples := 0
	for k, text := range row[len(before):] {
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil || n < 0 {
			return fmt.Errorf("%.50q samples, expected a number of 0 to %d", text, math.MaxInt32)
		}
		m.Counts[class][k] = int(n)
		samples += int(n)
	}
	if row[0] != m.Names[class] || row[1] != strconv.Itoa(samples) {
		return fmt.Errorf("class %.50q with %.50q samples, expected %.50q with %d", row[0], row[1], m.Names[class], samples)
	}
	m.Samples += samples
	return nil
}
