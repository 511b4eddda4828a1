//go:build cuda

package cuda

import _ "embed"

// Fatbin is the module of all kernels: machine code, and PTX for other cards.
//
//go:embed kernels.fatbin
var Fatbin []byte
