// Package atomic writes files that appear whole or not at all, also when the program or the machine stops half-way,
// and locks folders.
package atomic
