// Package zoo has networks by name. Each network's file reads like the table in its paper and registers itself.
package zoo
