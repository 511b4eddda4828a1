// Package devicetest is the suite that every device must pass: [Run] compares it with device/reference, forward and
// backward, for every primitive of package device.
//
// The suite is one table, [Rows]: a row is an operation, with the shapes on which it is tried (edges by hand, others drawn
// at random), how its operands are drawn, which calls compute it, and what its shape rule must refuse. A new operation is
// one new row, in the file of its family. The fused primitives are rows too, skipped on a device that lacks them. The same
// rows serve gradient checks ([Row.CheckGradients]) and benchmarks.
//
// A device is used through Upload, Download, New and Release alone, so its memory may be unreadable, its layout unknown and
// its work asynchronous. For each call of each case the suite checks that
//
//   - every element of the result is written (results hold NaN before) and agrees with the reference, which is given the
//     same inputs, all of them exact in float32;
//   - no other operand has changed;
//   - a second time gives the same bits;
//   - the result may lie in place of an input where the interface says so;
//   - inputs may be results of Reshape whose base was released;
//   - no tensor is left behind.
//
// [RunPrecision] also lays operands out as a step has them (device.Compact), and in another mix; rows of feature maps have
// cases of many channels for that. What the reference makes of a case is computed once in a process.
//
// [RunSequences] looks for what is wrong between calls: random programs of the same rows (Row.Over), whose operands are a
// few tensors that are used, written and given back again and again.
//
// A call's inputs are always the reference's own earlier results, so a wrong forward pass does not blur the backward pass.
package devicetest
