package tutorial

import (
	"fmt"

	"fovea/nn"
	"fovea/nn/zoo"
)

// How many weights the lecture's networks have.
func Example_parameters() {
	for _, name := range []string{"mlp", "cnn-small", "cnn-large", "alexnet-original", "alexnet-ungrouped", "zfnet", "vgg16",
		"googlenet-headless", "resnet18", "resnet50", "resnet152"} {
		model := must(zoo.Find(name))
		net := must(nn.Describe(model.New(model.Classes), model.Sample))
		fmt.Printf("%-18s %9d parameters, %5.2f G multiply-adds\n", name, net.ParameterCount(), float64(net.MultiplyAdds)/1e9)
	}
	// Output:
	// mlp                   623290 parameters,  0.00 G multiply-adds
	// cnn-small             592074 parameters,  0.00 G multiply-adds
	// cnn-large              59933 parameters,  0.00 G multiply-adds
	// alexnet-original    60965224 parameters,  0.72 G multiply-adds
	// alexnet-ungrouped   62378344 parameters,  1.14 G multiply-adds
	// zfnet               62357608 parameters,  1.17 G multiply-adds
	// vgg16              138357544 parameters, 15.47 G multiply-adds
	// googlenet-headless   6624904 parameters,  1.50 G multiply-adds
	// resnet18            11689512 parameters,  1.81 G multiply-adds
	// resnet50            25557032 parameters,  4.09 G multiply-adds
	// resnet152           60192808 parameters, 11.51 G multiply-adds
}
