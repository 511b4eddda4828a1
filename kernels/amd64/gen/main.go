// Command gen writes the assembly of package amd64 with avo, one family of kernels at a time (make generate).
package main

import (
	"flag"
	"fmt"
	"os"

	. "github.com/mmcloughlin/avo/build"
)

// families are the files to write, gen_NAME.s, and what writes them.
var families = map[string]func(){
	"vector":   vectorKernels,
	"blocked":  blockedKernels,
	"linear":   linearKernels,
	"norm":     normKernels,
	"pool":     poolKernels,
	"parts":    partsKernels,
	"pause":    pause,
	"tile":     tiles,
	"winograd": winogradKernels,
}

func main() {
	name := flag.String("family", "", "kernels to write")
	flag.Parse() // avo's flags too: -out, -stubs, -pkg
	write, known := families[*name]
	if !known {
		fmt.Fprintf(os.Stderr, "gen: family %q is unknown\n", *name)
		os.Exit(2)
	}
	ConstraintExpr("amd64")
	write()
	Generate()
}
