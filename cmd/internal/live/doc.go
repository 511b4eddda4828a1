// Package live shows trainings in a browser, while they run and afterwards.
//
// A [Recorder] notes what train tells it: in the run folder's live.jsonl, and on a [Board]. A [Run] of a board is a training
// at work, or one that [Board.Follow] reads from its folder. A [Server] shows a board's runs; it reads no file that a
// request names. docs/live.md explains the page and the file.
package live
