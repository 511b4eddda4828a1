package vector

import (
	"fovea/kernels/amd64"
	"fovea/kernels/isa"
)

func init() {
	kernels[isa.AVX512] = &Kernels{
		Name: "avx512",
		Fill: filling(amd64.FillAVX512), Scale: scaling(amd64.ScaleAVX512), Axpy: unaryWith(amd64.AxpyAVX512),
		Add: binary(amd64.AddAVX512), Sub: binary(amd64.SubAVX512), Mul: binary(amd64.MulAVX512), Div: binary(amd64.DivAVX512),
		Step: unary(amd64.StepAVX512), ReLU: unary(amd64.ReLUAVX512), Sigmoid: unary(amd64.SigmoidAVX512), Tanh: unary(amd64.TanhAVX512),
		LeakyReLU: unaryWith(amd64.LeakyReLUAVX512), ELU: unaryWith(amd64.ELUAVX512), Exp: scaling(amd64.ExpAVX512),
		ReLUBackward: binary(amd64.ReLUBackwardAVX512), LeakyReLUBackward: binaryWith(amd64.LeakyReLUBackwardAVX512),
		ELUBackward:     ternaryWith(amd64.ELUBackwardAVX512),
		SigmoidBackward: binary(amd64.SigmoidBackwardAVX512), TanhBackward: binary(amd64.TanhBackwardAVX512),
		Sum: sum(amd64.SumAVX512), Dot: sumOfTwo(amd64.DotAVX512), Distance: sumOfTwo(amd64.DistanceAVX512),
		ExpSum: expSum(amd64.ExpSumAVX512), Max: largest(amd64.MaxAVX512),
		SumLanes: sumLanes(amd64.SumLanesAVX512), AddLanes: addLanes(amd64.AddLanesAVX512),
		Pack: packing(16, amd64.PackAVX512), Unpack: unpacking(16, amd64.UnpackAVX512),
		SGD: withoutState(amd64.SGDAVX512), Momentum: oneState(amd64.MomentumAVX512), Nesterov: oneState(amd64.NesterovAVX512),
		RMSProp: rmsprop(amd64.RMSPropAVX512), RMSPropMomentum: rmspropMomentum(amd64.RMSPropMomentumAVX512), Adam: adam(amd64.AdamAVX512),
		Dropout:      dropout(amd64.DropoutAVX512),
		DropoutLanes: dropoutLanesAVX512,
	}
	kernels[isa.AVX2] = &Kernels{
		Name: "avx2",
		Fill: filling(amd64.FillAVX2), Scale: scaling(amd64.ScaleAVX2), Axpy: unaryWith(amd64.AxpyAVX2),
		Add: binary(amd64.AddAVX2), Sub: binary(amd64.SubAVX2), Mul: binary(amd64.MulAVX2), Div: binary(amd64.DivAVX2),
		Step: unary(amd64.StepAVX2), ReLU: unary(amd64.ReLUAVX2), Sigmoid: unary(amd64.SigmoidAVX2), Tanh: unary(amd64.TanhAVX2),
		LeakyReLU: unaryWith(amd64.LeakyReLUAVX2), ELU: unaryWith(amd64.ELUAVX2), Exp: scaling(amd64.ExpAVX2),
		ReLUBackward: binary(amd64.ReLUBackwardAVX2), LeakyReLUBackward: binaryWith(amd64.LeakyReLUBackwardAVX2),
		ELUBackward:     ternaryWith(amd64.ELUBackwardAVX2),
		SigmoidBackward: binary(amd64.SigmoidBackwardAVX2), TanhBackward: binary(amd64.TanhBackwardAVX2),
		Sum: sum(amd64.SumAVX2), Dot: sumOfTwo(amd64.DotAVX2), Distance: sumOfTwo(amd64.DistanceAVX2),
		ExpSum: expSum(amd64.ExpSumAVX2), Max: largest(amd64.MaxAVX2),
		SumLanes: sumLanes(amd64.SumLanesAVX2), AddLanes: addLanes(amd64.AddLanesAVX2),
		Pack: packing(8, amd64.PackAVX2), Unpack: unpacking(8, amd64.UnpackAVX2),
		SGD: withoutState(amd64.SGDAVX2), Momentum: oneState(amd64.MomentumAVX2), Nesterov: oneState(amd64.NesterovAVX2),
		RMSProp: rmsprop(amd64.RMSPropAVX2), RMSPropMomentum: rmspropMomentum(amd64.RMSPropMomentumAVX2), Adam: adam(amd64.AdamAVX2),
		Dropout:      dropout(amd64.DropoutAVX2),
		DropoutLanes: dropoutLanesAVX2,
	}
}
