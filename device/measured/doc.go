// Package measured remembers on disk which algorithm was found to be fastest, so that each machine measures once.
package measured
