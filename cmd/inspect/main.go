// Command inspect shows what is inside networks, files and data sets. See inspect --help.
package main

import "fovea/cmd/internal/cli"

func main() { cli.Main("inspect", inspect) }
