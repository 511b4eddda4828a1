// Package nn has the layers of networks, and networks made of them.
//
// A [Layer] is a description until [Build] gives it a device and the shape of a sample; then its parameters exist, drawn
// from the seed, and [Network.Forward] computes. Parameters are named as in PyTorch's state dictionaries ("0.weight",
// "features.3.bias"), so that weights travel both ways. Shapes are NCHW; Build passes them with a batch of one.
//
// Below it: zoo has the networks by name, optim the optimisers, weights the files, fit the training loop, infer the trained
// network at work.
package nn
