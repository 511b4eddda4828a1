package main

// commands are all that inspect can do, in the order of its help.
var commands = []command{
	{"augment", "draw what augmentation makes of samples", augmentGrid},
	{"convert", "write a PyTorch file of weights as safetensors", convert},
	{"export-onnx", "write a network as an ONNX file", exportONNX},
	{"onnx", "list what is in an ONNX file", listONNX},
	{"summary", "print the layers of a network", summary},
	{"weights", "list or compare files of weights", listWeights},
}
