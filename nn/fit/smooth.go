package fit

import "fovea/autograd"

// smoothed is cross-entropy with labels of which a share is spread evenly over all K classes (Szegedy et al., "Rethinking
// the Inception Architecture", 2016, section 7), as PyTorch defines it:
//
//	(1-share) * CE + share * the mean over samples and classes of -log softmax(x)
func smoothed(x, labels *autograd.Value, share float64) *autograd.Value {
	entropy := autograd.CrossEntropy(x, labels)
	if share == 0 {
		return entropy
	}
	even := autograd.Mean(autograd.LogSoftmax(x), false)
	return autograd.Add(autograd.Scale(entropy, 1-share, 0), autograd.Scale(even, -share, 0))
}
