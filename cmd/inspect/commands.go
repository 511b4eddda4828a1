package main

// commands are all that inspect can do, in the order of its help.
var commands = []command{
	{"augment", "draw what augmentation makes of samples", augmentGrid},
	{"compare", "show runs side by side", compare},
	{"convert", "write a PyTorch file of weights as safetensors", convert},
	{"convolve", "slide a mask over a picture", convolve},
	{"export-onnx", "write a network as an ONNX file", exportONNX},
	{"feature-maps", "draw what a layer makes of a picture", drawFeatureMaps},
	{"filters", "draw the filters of a convolution", drawFilters},
	{"gradcam", "draw where in a picture a network sees a class", gradCAM},
	{"occlusion", "draw what a network needs to see of a picture", occlusion},
	{"onnx", "list what is in an ONNX file", listONNX},
	{"report", "make the page of a run", writeReport},
	{"serve", "show runs of train in a browser", serve},
	{"summary", "print the layers of a network", summary},
	{"weights", "list or compare files of weights", listWeights},
}
