package device

import "gorgonia.org/tensor"

// Device is everything a network needs of the hardware it runs on. Each part below is one family of primitives, in the
// file of its name; the comment on a method is the primitive's definition, device/reference is the same in code.
//
// One goroutine drives a device; it may use as many as it likes inside. No method keeps a tensor after its work is done.
type Device interface {
	Memory
	Convolution
	Pooling
	FullyConnected
	Normalisation
	Activation
	Elementwise
	Rearrangement
	Loss
	Optimiser
}

// Memory is how tensors come to a device, leave it and are given back.
type Memory interface {
	// Name is what Open was asked for, resolved: "cpu", "reference", "cuda:0".
	Name() string
	// Describe is one line for people: the processor, the instruction set or library used, threads.
	Describe() string
	// Float is the element type of real numbers here: tensor.Float32, or tensor.Float64 on the reference device.
	Float() tensor.Dtype

	// New makes a tensor of undefined contents with one owner. Memory comes from the device's pool when it can.
	New(shape tensor.Shape, dtype tensor.Dtype) (*Tensor, error)
	// Free takes back the memory of t. It is called by Tensor.Release alone.
	Free(t *Tensor)
	// Upload copies row-major elements, src being []float32, []float64 or []int32 as long as dst. Floats are rounded
	// to Float(); floats into an int32 tensor, or the reverse, are an error. When it returns, src may be overwritten.
	Upload(dst *Tensor, src any) error
	// Download waits for the work that src depends on and copies its elements row-major into dst, a slice as for Upload.
	Download(dst any, src *Tensor) error
	// Synchronize waits for all work and reports the first failure since the last call.
	Synchronize() error
	// Stats reports what the pool holds and how often the system was asked for memory.
	Stats() Stats
	// Close gives everything back. Tensors must have been released before; the error says so if some are left.
	Close() error
}

// Stats are the pool's counters.
type Stats struct {
	SystemAllocations int64 // times memory was asked of the system since the device was opened
	SystemBytes       int64 // bytes held from the system now: in use, or waiting in the pool
	LiveTensors       int64 // tensors (not views) not yet released
	LiveBytes         int64 // bytes in those
	PeakBytes         int64 // the most LiveBytes has been
}
