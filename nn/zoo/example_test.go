package zoo_test

import (
	"fmt"

	"fovea/nn"
	"fovea/nn/zoo"
)

// A network is found by name and looked at without memory for its parameters.
func Example() {
	model, err := zoo.Find("resnet50")
	if err != nil {
		panic(err)
	}
	net, err := nn.Describe(model.New(model.Classes), model.Sample)
	if err != nil {
		panic(err)
	}
	fmt.Println(net.Input, net.Output, net.ParameterCount(), net.MultiplyAdds)
	// Output: (1, 3, 224, 224) (1, 1000) 25557032 4089184256
}
