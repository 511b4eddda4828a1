//go:build cuda

package cuda

/*
#include <cudnn.h>
*/
import "C"

import "gorgonia.org/tensor"

// pooled is the shape that cuDNN gives the pooling of x. The shape rule says it at run time; tests compare the two.
func (n *dnn) pooled(k poolKey, x tensorKey) (tensor.Shape, error) {
	p, err := n.pooling(k)
	if err != nil {
		return nil, err
	}
	t, err := n.tensor(x)
	if err != nil {
		return nil, err
	}
	var got [4]C.int
	err = checkDNN("cudnnGetPooling2dForwardOutputDim", C.cudnnGetPooling2dForwardOutputDim(p, t, &got[0], &got[1], &got[2], &got[3]))
	return tensor.Shape{int(got[0]), int(got[1]), int(got[2]), int(got[3])}, err
}
