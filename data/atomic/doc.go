// Package atomic writes files that appear whole or not at all, also when the program or the machine stops half-way.
package atomic
