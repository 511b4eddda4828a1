// Package weights writes and reads a network's tensors as a safetensors file
// (https://github.com/huggingface/safetensors), by the names and shapes of PyTorch's state dictionaries.
package weights
