// Package data reads data sets and cuts them into batches.
//
// [Open] finds a data set by name ([Names] lists the forms): sets that are fetched once, checked and kept in the user's cache
// folder (mnist, fashion-mnist, cifar10, cifar100), folders of pictures of any size (folder, imagenet, places), and NumPy
// arrays (npz). It returns a [Set] to train on and, where the data has them, sets to validate with and to test on. [Split]
// holds samples out of a set, and a [Loader] turns a set into shuffled batches that it reads ahead of their use, decoding as
// many pictures at once as there are processors. docs/data.md has the user's view, and what happens to a picture in order.
//
// A sample is channels by height by width (C, H, W) of float32, row-major; of pictures, 0 (black) to 1 until the Loader
// takes mean and deviation out. Errors name the file, array or sample, what was expected and what was found.
//
// To add a format, write one file with an open function and [Register] it from init, as npz.go does.
package data
