// Package device defines what a device is: memory that Go may not be able to read, and the primitives of a
// convolutional network that work on it, possibly asynchronously.
//
// The package holds three things and no arithmetic: the [Device] interface, whose comments are the definition of every
// primitive (formula, shapes, source); the shape rules, which no device repeats; and the registry from which
// [Open] makes a device by name. The devices live below it, one folder each, and must pass devicetest.Run.
//
// Shapes are NCHW and weights OIHW here and everywhere above, whatever layout a device keeps inside. A method writes
// its result into tensors that the caller made with [Memory.New]; shapes were checked by the shape rules before, so a
// device trusts them. A device whose work is asynchronous reports a late failure from the next call or from
// Synchronize or Download, whichever comes first.
package device
