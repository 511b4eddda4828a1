package launch

import (
	"gorgonia.org/tensor"

	"fovea/device"
)

// lossBlocks is the most partial sums of a loss.
const lossBlocks = 4096

// LossSpace is the workspace of CrossEntropy, CountCorrect and ElementLoss.
const LossSpace = 4 * lossBlocks

// CrossEntropy writes the mean over the places of x's shape; labels are int32. dx (or 0) receives the gradient for dloss = 1.
func CrossEntropy(loss, dx, x, labels, space uint64, shape tensor.Shape, t Type) []Launch {
	g, blocks := byClasses(shape, lossBlocks)
	share := 1 / float64(g.rows)
	return []Launch{
		launch(name("cross_entropy", "", t), [2]int{blocks, 1}, pointer(space), pointer(dx), pointer(x), pointer(labels), pointer(0), arg(g), float(share)),
		sumAll(loss, space, blocks, share, false),
	}
}

// CrossEntropyBackward: dx_k = dloss * (softmax(x)_k - [k = label]) / places.
func CrossEntropyBackward(dx, dloss, x, labels uint64, shape tensor.Shape, t Type) Launch {
	g, blocks := byClasses(shape, unlimited)
	return launch(name("cross_entropy", "", t), [2]int{blocks, 1}, pointer(0), pointer(dx), pointer(x), pointer(labels), pointer(dloss), arg(g), float(1/float64(g.rows)))
}

// CountCorrect adds to count the places whose label has the largest x.
func CountCorrect(count, x, labels, space uint64, shape tensor.Shape, t Type) []Launch {
	g, blocks := byClasses(shape, lossBlocks)
	return []Launch{
		launch(name("count_correct", "", t), [2]int{blocks, 1}, pointer(space), pointer(x), pointer(labels), arg(g)),
		sumAll(count, space, blocks, 1, true),
	}
}

// ElementLoss writes the mean over n elements.
func ElementLoss(loss, x, y, space uint64, n int, kind device.ElementLossKind, t Type) []Launch {
	step := threads * t.pack()
	perBlock := step * max(1, ceil(n, step*enough))
	blocks := ceil(n, perBlock)
	return []Launch{
		launch(name("element_loss", "", t), [2]int{blocks, 1}, pointer(space), pointer(x), pointer(y), long(n), long(perBlock), integer(int(kind))),
		sumAll(loss, space, blocks, 1/float64(n), false),
	}
}

// ElementLossBackward is its gradient with respect to x.
func ElementLossBackward(dx, dloss, x, y uint64, n int, kind device.ElementLossKind, t Type) Launch {
	return launch(name("element_loss_backward", "", t), t.packs(n), pointer(dx), pointer(dloss), pointer(x), pointer(y), long(n), integer(int(kind)), float(1/float64(n)))
}
