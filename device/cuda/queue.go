//go:build cuda

package cuda

/*
#include <stdlib.h>
#include "native.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"fovea/device/cuda/launch"
)

// queue runs work for one GPU on a goroutine of its own, which is locked to a thread with the GPU's context current. Work
// is done in the order it was put in. Kernel launches that follow one another go to the driver in one call.
//
// A failure is kept until somebody takes it, and everything queued meanwhile is dropped: it would compute from what was
// never written.
type queue struct {
	jobs chan job
	done chan struct{}
	sent atomic.Int64 // jobs put in

	mu      sync.Mutex
	failure error
	lost    error // an asynchronous failure: nothing works in this context any more

	failures atomic.Int64 // times that queued work was dropped

	// Used by the worker only.
	stream  C.CUstream
	other   C.CUstream // never captured; nil once it is destroyed
	library func(kernel string) (C.CUfunction, error)
	relieve func() error                     // gives memory back that lies unused
	batch   *[launchesPerCall]C.fovea_launch // C memory
	names   [launchesPerCall]string          // the operations of the batch
	filled  int
	taken   int64    // jobs taken out
	issued  int64    // of these, so many (at least) are with the driver, or were dropped
	since   []string // operations put in the stream since it was last waited for, the last few
	debug   bool     // wait after each operation, so that an asynchronous failure names its own
}

// job is one piece of work: a kernel launch, or a function.
type job struct {
	op     string
	launch launch.Launch
	run    func() error
	always bool       // run it after a failure too
	answer chan error // where somebody waits
}

const (
	launchesPerCall = 64
	remembered      = 8 // names kept for the message of an asynchronous failure
)

// newQueue starts the worker; begin runs first, on its thread.
func newQueue(begin func(q *queue) error) (*queue, error) {
	q := &queue{jobs: make(chan job, 1024), done: make(chan struct{}), debug: os.Getenv("FOVEA_CUDA_SYNC") == "1"}
	q.batch = (*[launchesPerCall]C.fovea_launch)(C.calloc(launchesPerCall, C.sizeof_fovea_launch))
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		defer close(q.done)
		defer C.free(unsafe.Pointer(q.batch))
		err := begin(q)
		started <- err
		if err != nil {
			return
		}
		for j := range q.jobs {
			q.work(j)
		}
	}()
	if err := <-started; err != nil {
		<-q.done
		return nil, err
	}
	return q, nil
}

// work does one job.
func (q *queue) work(j job) {
	q.taken++
	if j.run == nil {
		q.add(j)
		if q.filled == launchesPerCall || len(q.jobs) == 0 || q.debug {
			q.flush()
		}
		return
	}
	q.flush()
	q.issued = q.taken - 1
	err := q.peek()
	if err == nil || j.always {
		failed := j.run()
		if failed == nil && q.debug && !j.always {
			failed = q.wait()
		}
		if failed != nil {
			failed = q.explain(j.op, q.cause(failed))
			if j.answer == nil {
				q.fail(failed)
			}
			err = failed
		}
		if j.op != "" {
			q.remember(j.op)
		}
	}
	if j.answer != nil {
		j.answer <- err
	}
}

// add puts a launch in the batch.
func (q *queue) add(j job) {
	if q.peek() != nil {
		return
	}
	function, err := q.library(j.launch.Kernel)
	if err != nil {
		q.fail(fmt.Errorf("%s: %w", j.op, err))
		return
	}
	l := &q.batch[q.filled]
	l.function, l.shared, l.args_bytes = function, C.uint(j.launch.Shared), C.uint(len(j.launch.Args))
	for i := range 3 {
		l.grid[i], l.block[i] = C.uint(j.launch.Grid[i]), C.uint(j.launch.Block[i])
	}
	if len(j.launch.Args) > len(l.args) {
		panic("cuda: kernel " + j.launch.Kernel + " has more arguments than native.h has room for")
	}
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&l.args[0])), len(l.args)), j.launch.Args)
	q.names[q.filled] = j.op
	q.filled++
}

// flush gives the batch to the driver.
func (q *queue) flush() {
	n := q.filled
	if n == 0 {
		return
	}
	q.filled = 0
	if q.peek() != nil {
		return
	}
	failed := C.int(0) // so many are launched already
	launch := func() error {
		first := failed
		err := check("cuLaunchKernel", C.fovea_launch_all(q.stream, &q.batch[first], C.int(n)-first, &failed))
		failed += first
		return err
	}
	err := launch()
	if isStatus(err, C.CUDA_ERROR_OUT_OF_MEMORY) && q.relieve() == nil { // a kernel is loaded when it first runs
		err = launch()
	}
	if err != nil {
		q.fail(q.explain(q.names[failed], err))
		return
	}
	for _, name := range q.names[:n] {
		q.remember(name)
	}
	if q.debug {
		if err := q.wait(); err != nil {
			q.fail(q.explain(q.names[n-1], err))
		}
	}
}

// wait blocks until the stream is empty.
func (q *queue) wait() error {
	q.flush()
	err := check("cuStreamSynchronize", C.cuStreamSynchronize(q.stream))
	if err == nil {
		q.since = q.since[:0]
	}
	return err
}

// cause is what a library's failure follows from, if the context is lost: the driver says so, the library only that it
// failed.
func (q *queue) cause(failed error) error {
	var ofDNN *dnnError
	var ofBLAS *blasError
	if q.other == nil || !errors.As(failed, &ofDNN) && !errors.As(failed, &ofBLAS) {
		return failed
	}
	if lost := check("cuStreamQuery", C.cuStreamQuery(q.other)); asynchronous(lost) {
		return fmt.Errorf("%w; %w", failed, lost)
	}
	return failed
}

func (q *queue) remember(op string) {
	if len(q.since) == remembered {
		copy(q.since, q.since[1:])
		q.since = q.since[:remembered-1]
	}
	q.since = append(q.since, op)
}

// explain names the operation that an error belongs to; of an asynchronous one only the candidates are known.
func (q *queue) explain(op string, err error) error {
	if !asynchronous(err) {
		if op == "" {
			return err
		}
		return fmt.Errorf("%s: %w", op, err)
	}
	last := "nothing is known to have run before"
	if len(q.since) > 0 {
		last = fmt.Sprintf("the last operations queued before, any of which may have caused it: %v", q.since)
	}
	if q.debug {
		last = "caused by " + op
	} else {
		last += " (FOVEA_CUDA_SYNC=1 waits after each and names it)"
	}
	err = fmt.Errorf("the GPU failed while it worked: %w; %s", err, last)
	q.mu.Lock()
	q.lost = err
	q.mu.Unlock()
	return err
}

func (q *queue) fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.failure == nil {
		q.failure = err
	}
	q.failures.Add(1) // not before: work that is queued meanwhile, with the count of now, would be dropped
}

// peek is the failure that nobody has taken yet.
func (q *queue) peek() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.failure != nil {
		return q.failure
	}
	return q.lost
}

// take returns the first failure since the last call.
func (q *queue) take() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	err := q.failure
	q.failure = nil
	if err == nil {
		err = q.lost
	}
	return err
}

func (q *queue) send(j job) {
	q.sent.Add(1)
	q.jobs <- j
}

// launch queues a kernel and returns at once. An error is of work queued earlier.
func (q *queue) launch(op string, l launch.Launch) error {
	if err := q.take(); err != nil {
		return err
	}
	q.send(job{op: op, launch: l})
	return nil
}

// post queues a function and returns at once. An error is of work queued earlier.
func (q *queue) post(op string, run func() error) error {
	if err := q.take(); err != nil {
		return err
	}
	q.send(job{op: op, run: run})
	return nil
}

// do queues a function and waits until it has run (not until the GPU has).
func (q *queue) do(op string, run func() error) error {
	if err := q.take(); err != nil {
		return err
	}
	answer := make(chan error, 1)
	q.send(job{op: op, run: run, answer: answer})
	err := <-answer
	if err != nil {
		q.take() // answered with it
	}
	return err
}

// always is do for what must happen after a failure too: giving things back.
func (q *queue) always(run func() error) error {
	answer := make(chan error, 1)
	q.send(job{run: run, always: true, answer: answer})
	return <-answer
}

// close ends the worker when its work is done.
func (q *queue) close() {
	close(q.jobs)
	<-q.done
}
