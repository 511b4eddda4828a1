package main

import (
	"fmt"
	"slices"
	"strings"

	"fovea/cmd/internal/cli"
	"fovea/device"
)

// layerNames are the layers that made maps, in the order in which they did.
func layerNames(maps []observed) []string {
	var names []string
	for _, m := range maps {
		if !slices.Contains(names, m.layer) {
			names = append(names, m.layer)
		}
	}
	return names
}

// findMaps is what the layer of that name gives: the last of what it, or the layers in it, made.
func findMaps(maps []observed, name string) (observed, error) {
	for _, m := range slices.Backward(maps) {
		if m.layer == name || strings.HasPrefix(m.layer, name+".") {
			return m, nil
		}
	}
	if len(maps) == 0 {
		return observed{}, fmt.Errorf("--layer %s: the network makes no feature maps", name)
	}
	return observed{}, cli.Usagef("--layer: no feature maps of %q, expected one of %s", name, strings.Join(layerNames(maps), ", "))
}

// carriesOn says whether an operation does to maps what belongs to the convolution before it: normalisation, sum, activation.
func carriesOn(op string) bool {
	for _, other := range []string{"conv", "pool", "lrn", "contrast_norm", "upsample", "pad", "slice", "reshape", "matmul"} {
		if strings.Contains(op, other) {
			return false
		}
	}
	return true
}

// firstMaps are those of the first convolution, with its activation.
func firstMaps(maps []observed) (observed, error) {
	at := slices.IndexFunc(maps, func(m observed) bool { return strings.HasPrefix(m.op, "conv") })
	if at < 0 {
		return observed{}, cli.Usagef("the network has no convolution")
	}
	for at+1 < len(maps) && carriesOn(maps[at+1].op) && device.EqualShape(maps[at].value.Shape(), maps[at+1].value.Shape()) {
		at++
	}
	return maps[at], nil
}

// lastMaps are those of the last convolution whose maps have more than one place, with what belongs to it.
func lastMaps(maps []observed) (last observed, err error) {
	following := false
	for _, m := range maps {
		shape := m.value.Shape()
		switch {
		case shape[2]*shape[3] == 1:
			following = false
		case strings.HasPrefix(m.op, "conv"):
			last, following = m, true
		case following && carriesOn(m.op) && device.EqualShape(shape[2:], last.value.Shape()[2:]):
			last = m
		default:
			following = false
		}
	}
	if last.value == nil {
		return last, cli.Usagef("the network has no convolution whose maps have more than one place")
	}
	return last, nil
}
