// Package philox is the one source of random numbers in Fovea: the counter-based generator Philox4x32-10
// (Salmon, Moraes, Dror, Shaw: "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011).
//
// A number depends on (seed, stream, position) and on nothing else, so it is the same on every device, for any number
// of threads and in any order of evaluation. Stream separates uses (one per parameter, one per dropout call and step,
// one per epoch's shuffle); position counts numbers within a stream.
package philox
