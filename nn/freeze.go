package nn

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Freeze keeps parameters from being trained: those whose name a pattern matches, as path.Match does ("features.*",
// "*.bias"), or is the beginning of ("features" of "features.0.weight"). They get no gradient, so that backward ends where
// only they are left, and optimisers leave them as they are. A batch normalisation whose weight and bias are both frozen
// keeps its running statistics and uses them, as in evaluation; a dropout still drops.
//
// Each pattern must match something, and something must be left to train. Freeze returns how many parameters are frozen.
func (n *Network) Freeze(patterns ...string) (int, error) {
	frozen := make([]bool, len(n.Parameters))
	for _, pattern := range patterns {
		matched := false
		for i, p := range n.Parameters {
			fits, err := path.Match(pattern, p.Name)
			if err != nil {
				return 0, fmt.Errorf("pattern %q: %w", pattern, err)
			}
			if fits || pattern != "" && strings.HasPrefix(p.Name, strings.TrimSuffix(pattern, ".")+".") {
				frozen[i], matched = true, true
			}
		}
		if !matched {
			return 0, fmt.Errorf("pattern %q matches none of the %d parameters: %s", pattern, len(n.Parameters), n.some())
		}
	}
	if len(frozen) > 0 && !slices.Contains(frozen, false) {
		return 0, fmt.Errorf("patterns %q leave none of the %d parameters to train", patterns, len(frozen))
	}
	count := 0
	for i, p := range n.Parameters {
		if p.Frozen = frozen[i]; frozen[i] {
			count++
		}
	}
	return count, nil
}

// some are the names of the first parameters.
func (n *Network) some() string {
	const shown = 4
	var names []string
	for _, p := range n.Parameters[:min(shown, len(n.Parameters))] {
		names = append(names, p.Name)
	}
	if len(n.Parameters) > shown {
		names = append(names, "...")
	}
	return strings.Join(names, ", ")
}
