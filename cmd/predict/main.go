// Command predict shows what a trained network says of pictures, or of the rows of an array. See predict --help.
package main

import "fovea/cmd/internal/cli"

func main() { cli.Main("predict", predict) }
