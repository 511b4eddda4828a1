package inference

import "sync/atomic"

// budget is memory that many share.
type budget struct {
	most int64
	used atomic.Int64
}

// take takes so many bytes, unless there are no more.
func (b *budget) take(n int64) bool {
	if b.used.Add(n) <= b.most {
		return true
	}
	b.used.Add(-n)
	return false
}

func (b *budget) give(n int64) { b.used.Add(-n) }
