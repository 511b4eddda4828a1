// Command train trains a network on a data set and keeps what came of it in a run folder. See train --help.
package main

import "fovea/cmd/internal/cli"

func main() { cli.Main("train", train) }
