package onnx

import (
	"strings"

	"fovea/nn/onnx/internal/onnxpb"
)

// attributeTypes are those of the attributes that operators know; each name has one, of whatever operator it is.
var attributeTypes = func() map[string]onnxpb.AttributeProto_AttributeType {
	types := map[string]onnxpb.AttributeProto_AttributeType{}
	for of, names := range map[onnxpb.AttributeProto_AttributeType]string{
		onnxpb.AttributeProto_INT: `allowzero antialias axis broadcast ceil_mode count_include_pad end exclude_outside group is_test keepdims
			noop_with_empty_axes num_outputs saturate seed size spatial start storage_order to training_mode transA transB value_int`,
		onnxpb.AttributeProto_FLOAT:  "alpha beta bias cubic_coeff_a epsilon extrapolation_value max min momentum ratio value_float",
		onnxpb.AttributeProto_STRING: "auto_pad coordinate_transformation_mode keep_aspect_ratio_policy mode nearest_mode",
		onnxpb.AttributeProto_INTS: `axes consumed_inputs dilations ends kernel_shape output_padding output_shape paddings pads perm split starts strides
			value_ints`,
		onnxpb.AttributeProto_FLOATS: "scales value_floats",
	} {
		for _, name := range strings.Fields(names) {
			types[name] = of
		}
	}
	return types
}()

// typed is what an attribute of a node must be; "value" is a number of Pad, and a tensor of the constants.
func typed(op, attribute string) onnxpb.AttributeProto_AttributeType {
	switch {
	case attribute != "value":
		return attributeTypes[attribute]
	case op == "Pad":
		return onnxpb.AttributeProto_FLOAT
	}
	return onnxpb.AttributeProto_TENSOR
}
