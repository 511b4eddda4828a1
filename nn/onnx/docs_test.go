package onnx

import (
	"os"
	"regexp"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDocs holds the table of operators to what is read.
func TestDocs(t *testing.T) {
	content, err := os.ReadFile("../../docs/onnx.md")
	require.NoError(t, err)
	var listed []string
	for _, row := range regexp.MustCompile(`(?m)^\| ([A-Z][A-Za-z, ]*) \|`).FindAllStringSubmatch(string(content), -1) {
		listed = append(listed, strings.Split(row[1], ", ")...)
	}
	sort.Strings(listed)
	require.Equal(t, Operators(), listed)
}
