package live

import (
	"bytes"
	"os"
	"strconv"
)

// residentBytes is the memory that the process has in use; 0 if the system does not say.
func residentBytes() int64 {
	content, err := os.ReadFile("/proc/self/statm") // size resident ..., in pages
	fields := bytes.Fields(content)
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
