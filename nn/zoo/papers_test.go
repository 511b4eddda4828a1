package zoo

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/nn"
)

// TestPapersNetworks holds the networks that torchvision does not have to what scripts/record_papers.py, which writes them
// down from their papers a second time, computed with PyTorch in float64.
func TestPapersNetworks(t *testing.T) {
	text, err := os.ReadFile("testdata/papers.json")
	require.NoError(t, err)
	var recorded map[string]struct {
		Sample tensor.Shape
		Logits []float64
	}
	require.NoError(t, json.Unmarshal(text, &recorded))
	layers := map[string]func() nn.Layer{
		"alexnet-original":                 func() nn.Layer { return originalAlexNet(2, 64, classes) },
		"alexnet-ungrouped":                func() nn.Layer { return originalAlexNet(1, 64, classes) },
		"zfnet":                            func() nn.Layer { return zfNet(64, classes) },
		"googlenet-original":               func() nn.Layer { return GoogLeNetOriginal(classes, false) },
		"resnet20-cifar":                   func() nn.Layer { return resnetCIFAR(20, classes) },
		"resnet56-cifar":                   func() nn.Layer { return resnetCIFAR(56, classes) },
		"resnet38-cifar, activated before": func() nn.Layer { return preactivatedCIFAR(38, classes) },
	}
	require.Len(t, recorded, len(layers))
	for name, layer := range layers {
		t.Run(name, func(t *testing.T) {
			r := recorded[name]
			x := tensor.New(tensor.WithShape(append(tensor.Shape{1}, r.Sample...)...), tensor.WithBacking(spread(name+"/x", device.Size(r.Sample), 0, 20)))
			for _, dev := range everyDevice() {
				bound := 1e-5
				if dev == "reference" {
					if bound = 1e-12; testing.Short() {
						continue // seconds
					}
				}
				net := built(t, open(t, dev), layer(), r.Sample)
				got := evaluate(t, net, x)
				net.Release()
				require.LessOrEqual(t, apart(got, r.Logits), bound, dev)
				t.Logf("%s: off by %.2g", dev, apart(got, r.Logits))
			}
		})
	}
}
