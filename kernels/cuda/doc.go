// Package cuda holds Fovea's own GPU kernels, for what cuBLASLt and cuDNN do not do: the CUDA sources, and the image that
// build.sh compiles them to, which is embedded with the build tag cuda. How each kernel is launched says package
// device/cuda/launch.
package cuda
