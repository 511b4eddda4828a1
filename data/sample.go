package data

import "fmt"

// ReadPicture makes a sample of the picture in a file, as a Loader makes them of such a set to evaluate: what a network that was
// trained on the set wants to see.
func (i Info) ReadPicture(path string) ([]float32, error) {
	size, err := sampleSize(i)
	if err != nil {
		return nil, err
	}
	if c := i.Sample[0]; c != 1 && c != 3 {
		return nil, fmt.Errorf("data set %q: samples %s, expected 1 or 3 channels to make one of a picture", i.Name, shapeText(i.Sample))
	}
	x := make([]float32, size)
	if err := ReadPicture(path, x, i.Sample, i.Crop(), nil); err != nil {
		return nil, err
	}
	i.Normalise(x)
	return x, nil
}
