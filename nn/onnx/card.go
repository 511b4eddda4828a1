package onnx

// CardKey is the entry of a file's metadata under which programs keep, as JSON, what the weights are of (weights.Card).
const CardKey = "fovea.card"
