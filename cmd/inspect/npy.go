package main

import (
	"path/filepath"
	"strings"
)

func isNpy(name string) bool { return strings.EqualFold(filepath.Ext(name), ".npy") }
