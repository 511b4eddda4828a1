package onnx

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/nn/onnx/internal/onnxpb"
)

// TestAttributeTypes: each attribute that an operator knows has one.
func TestAttributeTypes(t *testing.T) {
	for name, o := range operators {
		for _, a := range strings.Fields(o.attributes) {
			require.NotEqual(t, onnxpb.AttributeProto_UNDEFINED, typed(name, a), "%s of %s", a, name)
		}
	}
}
