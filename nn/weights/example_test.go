package weights_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"gorgonia.org/tensor"

	"fovea/device"
	_ "fovea/device/cpu"
	"fovea/nn"
	"fovea/nn/weights"
)

func Example() {
	d, err := device.Open("cpu", device.Options{})
	if err != nil {
		log.Fatal(err)
	}
	build := func(seed uint64) *nn.Network {
		net, err := nn.Build(d, nn.Sequential(nn.Flatten(), nn.Linear(2)), tensor.Shape{1, 2, 2}, seed)
		if err != nil {
			log.Fatal(err)
		}
		return net
	}
	trained, fresh := build(1), build(2)
	defer trained.Release()
	defer fresh.Release()

	dir, err := os.MkdirTemp("", "weights")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "model.safetensors")
	card := &weights.Card{Model: "linear", Outputs: 2, Sample: tensor.Shape{1, 2, 2}, ClassNames: []string{"cat", "dog"}}
	if err := weights.Save(path, trained.State(), card); err != nil {
		log.Fatal(err)
	}
	if err := weights.Load(path, fresh.State()); err != nil {
		log.Fatal(err)
	}
	for i, s := range fresh.State() {
		was, err := trained.State()[i].Tensor.Floats()
		if err != nil {
			log.Fatal(err)
		}
		is, err := s.Tensor.Floats()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(s.Name, []int(s.Tensor.Shape), "as trained:", fmt.Sprint(is) == fmt.Sprint(was))
	}
	read, err := weights.ReadCard(path)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(read.Model, read.ClassNames)
	// Output:
	// 1.weight [2 4] as trained: true
	// 1.bias [2] as trained: true
	// linear [cat dog]
}
