// Package gemm multiplies single-precision matrices whose operands may come from anywhere.
//
// C = A B is cut into tiles as large as the vector registers hold ([Kernel]: MR rows, NR columns), after the method of
// Goto and van de Geijn ("Anatomy of High-Performance Matrix Multiplication", 2008) as BLIS arranges it: KC columns of A
// and rows of B at a time are copied ([Operand].Pack) into panels in which the micro-kernel finds what it needs side by
// side. What an operand copies from is its own business: a slice ([Strided]), or an image cut into windows that never
// exist as a matrix.
//
// Where A has few rows, a B that lies as a panel would have it, row by row, is used where it lies. Where an operand is used too
// rarely to pay for any copy, as the weights of a fully connected layer at small batch, the product is [Kernel.Dots] or
// [Kernel.Outer], which read it once.
//
// Every element of C is the same sum in the same order however C is cut, so callers may divide it among goroutines, each
// with a [Workspace] of its own, and get the same bits for any number of them.
package gemm
