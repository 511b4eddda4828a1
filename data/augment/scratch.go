package augment

import (
	"sync"

	"fovea/data"
)

// scratch is memory that a transform needs while it is made; workers share a pool of it.
type scratch struct {
	values []float32
	places []int32 // of a row, see warp
}

var pool = sync.Pool{New: func() any { return new(scratch) }}

// borrow returns n values that hold anything.
func borrow(n int) *scratch {
	s := pool.Get().(*scratch)
	if cap(s.values) < n {
		s.values = make([]float32, n)
	}
	s.values = s.values[:n]
	return s
}

func (s *scratch) giveBack() { pool.Put(s) }

// channel is one channel of a picture.
func channel(p data.Picture, c int) []float32 { return p.Values[c*p.H*p.W : (c+1)*p.H*p.W] }
