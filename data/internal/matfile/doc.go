// Package matfile reads MATLAB's files of level 5 ("MAT-File Format", The MathWorks), those that save makes with -v6 and -v7: as much
// of them as tables of numbers and words need. No library for Go that reads structures could be had.
package matfile
