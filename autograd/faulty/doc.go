// Package faulty is a device that fails on demand: tests wrap a real one to see what happens to a step whose n-th call
// goes wrong.
package faulty
