// Package all registers every device of this build: import it for its side effect, then use device.Open.
package all
