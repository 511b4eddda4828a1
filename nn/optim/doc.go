// Package optim changes parameters by their gradients: SGD (momentum, Nesterov), RMSProp, Adam and AdamW, with the
// conventions and defaults of PyTorch. The formulas are those of device.Optimiser, which updates the whole list of
// parameters in one call.
package optim
