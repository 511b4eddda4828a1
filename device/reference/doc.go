// Package reference is the slow, obvious device: every primitive as its definition in package device says, in float64
// loops over row-major arrays. The other devices are tested against it, so it is written to be checked by eye.
package reference
