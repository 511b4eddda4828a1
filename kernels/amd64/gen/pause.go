package main

import (
	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
)

// pause writes the one instruction that Go has no word for.
func pause() {
	TEXT("Pause", attr.NOSPLIT, "func()")
	Doc("Pause tells the core that it is in a loop that waits for another's store.")
	PAUSE()
	RET()
}
