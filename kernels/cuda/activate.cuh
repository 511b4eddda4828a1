// The activations of one number, as device.ActivationKind defines them: NaN stays NaN, and at the kink x = 0 the slope is
// the negative side's.
#pragma once
#include "storage.cuh"

enum { IDENTITY, STEP, SIGMOID, TANH, RELU, LEAKY_RELU, ELU }; // device.ActivationKind

__device__ inline float activation_of(float x, int kind, float alpha) {
	switch (kind) {
	case STEP: return x > 0 ? 1.0f : 0.0f;
	case SIGMOID: return 1.0f / (1.0f + expf(-x));
	case TANH: return tanhf(x);
	case RELU: return x <= 0 ? 0.0f : x;
	case LEAKY_RELU: return x <= 0 ? alpha * x : x;
	case ELU: return x <= 0 ? alpha * expm1f(x) : x;
	}
	return x;
}

// slope_of is f'(x), where y = f(x).
__device__ inline float slope_of(float x, float y, int kind, float alpha) {
	switch (kind) {
	case STEP: return 0.0f;
	case SIGMOID: return y * (1.0f - y);
	case TANH: return 1.0f - y * y;
	case RELU: return x <= 0 ? 0.0f : 1.0f;
	case LEAKY_RELU: return x <= 0 ? alpha : 1.0f;
	case ELU: return x <= 0 ? y + alpha : 1.0f;
	}
	return 1.0f;
}
