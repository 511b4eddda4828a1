package data

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"

	"fovea/device/philox"
)

// class is the samples of a class, in the order in which they are dealt out.
type class struct {
	label   int
	name    string // "" if classes have none
	samples []int
}

func (c class) String() string {
	if c.name == "" {
		return "class " + strconv.Itoa(c.label)
	}
	return fmt.Sprintf("class %d (%s)", c.label, c.name)
}

// together is all samples as if they were of one class: in the random order of stream, or as they are. What is the operation
// that errors name.
func together(what string, set Set, stream philox.Stream, shuffle bool) ([]class, error) {
	n := set.Len()
	if !shuffle {
		order := make([]int, n)
		for i := range order {
			order[i] = i
		}
		return []class{{samples: order}}, nil
	}
	if n > math.MaxUint32 {
		return nil, fmt.Errorf("%s of %q: %d samples, expected at most %d to shuffle", what, set.Info().Name, n, uint32(math.MaxUint32))
	}
	return []class{{samples: philox.NewSource(stream).Perm(n)}}, nil
}

// byClass is the samples of each class that occurs, by label. It reads labels alone.
func byClass(what string, set Set, stream philox.Stream, shuffle bool) ([]class, error) {
	info := set.Info()
	if info.Targets > 0 {
		return nil, fmt.Errorf("%s of %q: the data has %d regression targets per sample, expected class labels to stratify by", what, info.Name, info.Targets)
	}
	all, err := together(what, set, stream, shuffle)
	if err != nil {
		return nil, err
	}
	var classes []class
	place := map[int]int{} // of a label in classes
	for _, i := range all[0].samples {
		label := set.Label(i)
		if label < 0 {
			return nil, fmt.Errorf("%s of %q: sample %d has label %d, expected at least 0", what, info.Name, original(set, i), label)
		}
		at, known := place[label]
		if !known {
			at = len(classes)
			place[label] = at
			c := class{label: label}
			if label < len(info.ClassNames) {
				c.name = info.ClassNames[label]
			}
			classes = append(classes, c)
		}
		classes[at].samples = append(classes[at].samples, i)
	}
	slices.SortFunc(classes, func(a, b class) int { return cmp.Compare(a.label, b.label) })
	return classes, nil
}

// shares divides count of n samples among classes in proportion to their size by the method of largest remainders: each gets
// its quota rounded down, and those whose quota lost most get one more. Among equals the first do.
func shares(classes []class, count, n int) []int {
	each, lost := make([]int, len(classes)), make([]uint64, len(classes))
	left := count
	for i, c := range classes {
		high, low := bits.Mul64(uint64(count), uint64(len(c.samples)))
		quota, remainder := bits.Div64(high, low, uint64(n))
		each[i], lost[i] = int(quota), remainder
		left -= int(quota)
	}
	order := make([]int, len(classes))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(lost[b], lost[a]) })
	for _, i := range order[:left] {
		each[i]++
	}
	return each
}
