// Package checkpoint keeps what a training needs to go on, as folders that are there whole or not at all.
//
// [Folder.Write] is for fit.Trainer's OnCheckpoint, [Latest] for its Resume. docs/checkpoints.md describes the files.
package checkpoint
