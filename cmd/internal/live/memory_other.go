//go:build !linux

package live

func residentBytes() int64 { return 0 }
