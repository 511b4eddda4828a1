package main

import (
	"fmt"
	"strings"

	"fovea/cmd/internal/runs"
)

// maxTable is how many classes are printed.
const maxTable = 20

// classTable says for people what the test set says of each class; nothing without one.
func classTable(m *runs.Matrix) string {
	if m == nil {
		return ""
	}
	var b strings.Builder
	if classes := len(m.Counts); classes <= maxTable {
		width := len("Class")
		for class := range classes {
			width = max(width, len([]rune(m.Name(class))))
		}
		fmt.Fprintf(&b, "%-*s  %7s  %9s  %7s\n", width, "Class", "Samples", "Precision", "Recall")
		for class := range classes {
			samples, precision, recall := m.Class(class)
			line := fmt.Sprintf("%-*s  %7d  %9s  %7s", width, m.Name(class), samples, runs.Share(precision, 'f', 2, 100), runs.Share(recall, 'f', 2, 100))
			fmt.Fprintln(&b, strings.TrimRight(line, " "))
		}
	}
	if len(m.Counts) > 5 {
		fmt.Fprintf(&b, "Test top-5 accuracy: %.2f%%\n", 100*m.Top(5))
	}
	return b.String()
}
