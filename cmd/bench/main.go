// Command bench measures how fast networks train and infer, layer by layer too, against what the machine can do and
// against other frameworks. See bench --help.
package main

import "fovea/cmd/internal/cli"

func main() { cli.Main("bench", bench) }
