// Package cuda is the device for NVIDIA GPUs. It is built with the tag cuda; without it, asking for the device says so.
package cuda
