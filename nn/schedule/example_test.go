package schedule_test

import (
	"fmt"

	"fovea/nn/schedule"
)

func ExampleSchedule_Rate() {
	s, err := schedule.Parse("step:30,0.1")
	if err != nil {
		fmt.Println(err)
		return
	}
	s.Warmup.Epochs = 5
	const perEpoch = 100
	for _, epoch := range []int{0, 2, 5, 30, 60} {
		at := schedule.Place{Step: epoch * perEpoch, PerEpoch: perEpoch, Total: 90 * perEpoch}
		fmt.Printf("%2d %.4f\n", epoch, s.Rate(0.1, at))
	}
	// Output:
	//  0 0.0002
	//  2 0.0401
	//  5 0.1000
	// 30 0.0100
	// 60 0.0010
}
