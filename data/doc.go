// Package data reads data sets and cuts them into batches.
//
// [Open] finds a data set by name: "mnist" (handwritten digits, fetched and checked once, then kept in the user's cache
// folder) or "npz:FILE" (NumPy arrays x and y, optionally x_test and y_test). It returns a [Set] to train on and, where
// the data has one, a set to test on. [Split] holds samples out of a set, and a [Loader] turns a set into shuffled
// batches that it reads ahead of their use.
//
// A sample is channels by height by width (C, H, W) of float32, row-major. Errors name the file, array or sample, what
// was expected and what was found.
//
// To add a format, write one file with an open function and [Register] it from init, as npz.go does.
package data
