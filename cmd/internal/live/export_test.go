package live

import "time"

// MaxStreams is for tests.
const MaxStreams = maxStreams

// Words is what a page gets to read in the last words of a server.
const Words = lastWords + time.Second
