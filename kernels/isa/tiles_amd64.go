//go:build !linux

package isa

func tilesAllowed() bool { return false }
