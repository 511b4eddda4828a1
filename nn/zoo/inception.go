package zoo

import "fovea/nn"

// Inception is a module of GoogLeNet with dimension reduction (Szegedy et al., "Going Deeper with Convolutions", 2014,
// figure 2b): four branches over the same maps, joined by channel. The numbers are the paper's table 1, row by row:
// #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj.
func Inception(n1x1, reduce3x3, n3x3, reduce5x5, n5x5, poolProjection int) nn.Layer {
	return nn.Branches(
		nn.Named("branch1", nn.Sequential(nn.Conv(n1x1, 1), nn.ReLU())),
		nn.Named("branch2", nn.Sequential(nn.Conv(reduce3x3, 1), nn.ReLU(), nn.Conv(n3x3, 3, nn.Padding(1)), nn.ReLU())),
		nn.Named("branch3", nn.Sequential(nn.Conv(reduce5x5, 1), nn.ReLU(), nn.Conv(n5x5, 5, nn.Padding(2)), nn.ReLU())),
		nn.Named("branch4", nn.Sequential(nn.MaxPool(3, nn.Stride(1), nn.Padding(1)), nn.Conv(poolProjection, 1), nn.ReLU())))
}

// inception is the same for a row of the table, in a network that is so wide (64 in the paper).
func inception(row [6]int, width int) nn.Layer {
	row = inProportion(row, width)
	return Inception(row[0], row[1], row[2], row[3], row[4], row[5])
}

// normalisedInception is torchvision's module: normalised, and with a second 3x3 instead of the 5x5.
func normalisedInception(row [6]int, width int) nn.Layer {
	row = inProportion(row, width)
	return nn.Branches(
		nn.Named("branch1", normalisedConv(row[0], 1)),
		nn.Named("branch2", nn.Sequential(normalisedConv(row[1], 1), normalisedConv(row[2], 3, nn.Padding(1)))),
		nn.Named("branch3", nn.Sequential(normalisedConv(row[3], 1), normalisedConv(row[4], 3, nn.Padding(1)))),
		nn.Named("branch4", nn.Sequential(nn.MaxPool(3, nn.Stride(1), nn.Padding(1), nn.CeilMode()), normalisedConv(row[5], 1))))
}

func inProportion(row [6]int, width int) [6]int {
	for i, filters := range row {
		row[i] = filters * width / 64
	}
	return row
}
