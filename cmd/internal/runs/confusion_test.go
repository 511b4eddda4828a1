package runs

import (
	"bytes"
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/nn/fit"
)

// matrixOf has counts, and names where there are some.
func matrixOf(counts [][]int, names ...string) *Matrix {
	m := &Matrix{Confusion: &fit.Confusion{Counts: counts}, Names: names}
	for _, row := range counts {
		for _, n := range row {
			m.Samples += n
		}
	}
	return m
}

// What is written is read, whatever the classes are called.
func TestMatrixFile(t *testing.T) {
	for _, m := range []*Matrix{
		matrixOf([][]int{{0}}),
		matrixOf([][]int{{5, 1}, {0, 7}}, "cat", "dog"),
		matrixOf([][]int{{5, 1, 0}, {0, 0, 0}, {2, 2, 2}}, "a,b", "\"q\"\nline", "=1+1"),
		matrixOf([][]int{{0, 0}, {3, 2147483647}}, "first"),
	} {
		path := filepath.Join(t.TempDir(), MatrixFile)
		require.NoError(t, m.write(path))
		got, err := ReadMatrix(path)
		require.NoError(t, err)
		require.Equal(t, m.Counts, got.Counts)
		require.Equal(t, m.Samples, got.Samples)
		for class := range m.Counts {
			require.Equal(t, m.Name(class), got.Name(class))
		}
	}
}

func TestReadMatrixRefuses(t *testing.T) {
	const head = "class,samples,precision,recall,a,b\n"
	for _, row := range []struct{ name, content, shown string }{
		{"empty", "", "it ends before the last class"},
		{"other columns", "class,samples\n", "line 1: other columns, expected [class samples precision recall] and a name for each class"},
		{"no classes", "class,samples,precision,recall\n", "line 1: 0 classes, expected 1 to 2000"},
		{"too many classes", "class,samples,precision,recall" + strings.Repeat(",x", 2001) + "\n", "line 1: 2001 classes, expected 1 to 2000"},
		{"a class short", head + "a,1,1,1,1,0\n", "it ends before the last class"},
		{"a class more", head + "a,1,1,1,1,0\nb,0,,,0,0\nc,0,,,0,0\n", "more lines than its 2 classes have"},
		{"a column short", head + "a,1,1,1,1\n", "line 2: wrong number of fields"},
		{"no number", head + "a,1,1,1,x,0\n", `line 2: "x" samples, expected a number of 0 to 2147483647`},
		{"negative", head + "a,1,1,1,2,-1\n", `line 2: "-1" samples`},
		{"too large", head + "a,1,1,1,2147483648,0\n", `line 2: "2147483648" samples`},
		{"other sum", head + "a,2,1,1,1,0\n", `line 2: class "a" with "2" samples, expected "a" with 1`},
		{"other name", head + "c,1,1,1,1,0\n", `line 2: class "c" with "1" samples, expected "a" with 1`},
		{"open quote", head + `"a`, "line 2"},
		{"endless line", "class" + strings.Repeat(",", maxRow), "a line is longer than 524288 bytes"},
		{"endless second line", head + "a" + strings.Repeat(",", 2*maxRow), "a line is longer than 524288 bytes"},
	} {
		t.Run(row.name, func(t *testing.T) {
			path := filepath.Join(saved(t, map[string]string{MatrixFile: row.content}), MatrixFile)
			_, err := ReadMatrix(path)
			require.ErrorContains(t, err, path+": ")
			require.ErrorContains(t, err, row.shown)
			require.Less(t, len(err.Error()), 1000)
		})
	}
}

func FuzzReadMatrix(f *testing.F) {
	for _, text := range []string{"", "class,samples,precision,recall,a,b\na,1,1,1,1,0\nb,2,1,1,0,2\n", "class,samples,precision,recall,\"a\n\"\n\"a\n\",0,,,0\n", "class,samples,precision,recall,a\na,x"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		m, err := readMatrix(bytes.NewReader(content))
		if err != nil {
			require.Less(t, len(err.Error()), 1000)
			return
		}
		path := filepath.Join(t.TempDir(), MatrixFile)
		require.NoError(t, m.write(path))
		again, err := ReadMatrix(path)
		require.NoError(t, err)
		require.Equal(t, m.Counts, again.Counts)
	})
}

// Cells are coloured by the share of their row; pictures of any number of classes have a size that can be looked at.
func TestMatrixPicture(t *testing.T) {
	m := matrixOf([][]int{{6, 2, 0}, {0, 0, 0}, {0, 1, 9999}}, "cat", "a name that is longer than there is room for, by far", "犬\n\x00")
	p, shown := newMatrixPicture(m), m.Picture()
	require.Equal(t, "a name that is longer t…", short(m.Name(1)))
	require.Equal(t, "犬\uFFFD\uFFFD", short(m.Name(2)))
	corner := func(class, found int) color.Color { // of a cell, away from its number
		at := p.at(class, found).Min
		return shown.At(at.X+4, at.Y+4)
	}
	for at, want := range map[[2]int]color.RGBA{{0, 0}: shade(0.75, rightColour), {0, 1}: shade(0.25, wrongColour), {0, 2}: {255, 255, 255, 255},
		{1, 1}: {255, 255, 255, 255}, {2, 1}: shade(0.0001, wrongColour), {2, 2}: shade(0.9999, rightColour)} {
		require.Equal(t, want, corner(at[0], at[1]), "%v", at)
	}
	for _, n := range []int{1, 2, 10, 11, 40, 41, 100, 101, MaxConfusion} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			m := &Matrix{Confusion: fit.NewConfusion(n)}
			for class := range n {
				m.Counts[class][class] = class * class
				m.Samples += class * class
			}
			size := m.Picture().Bounds().Size()
			require.Greater(t, size.X, 200)
			require.LessOrEqual(t, max(size.X, size.Y), max(1500, n+200))
		})
	}
}

// A file of few classes is as it always was.
func TestMatrixText(t *testing.T) {
	path := filepath.Join(t.TempDir(), MatrixFile)
	require.NoError(t, matrixOf([][]int{{3, 1}, {0, 0}}, "a").write(path))
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "class,samples,precision,recall,a,1\na,4,1,0.75,3,1\n1,0,0,,0,0\n", string(content))
}
