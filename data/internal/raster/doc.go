// Package raster is pictures as planes, and the way from a window of them to a sample of a network: resized with a
// triangle filter that is as wide as the pixels it averages (what PIL and torchvision call antialiased bilinear), colour
// and brightness each from the resolution it has, and turned into red, green and blue last, when there are few pixels.
package raster
