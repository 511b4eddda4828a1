// Package pth finds the tensors in files of PyTorch's torch.save: today's zip archives, the streams of pickles before them,
// and the tar archives of PyTorch 0.1.
//
// It runs nothing. A pickle is a program for a small machine that may call any function of Python by name; the machine here
// knows the few instructions and names that a dictionary of tensors needs, whose calls build values of this package, and
// refuses every other. Nothing is allocated on a file's word: see the limits beside [Read].
package pth
