// Package runs is the folder that a training leaves behind: what its files are called and hold, how train writes them and
// how other programs read them.
package runs
