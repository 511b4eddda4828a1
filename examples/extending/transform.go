package extending

import (
	"fmt"

	"fovea/data"
	"fovea/data/augment"
	"fovea/device/philox"
)

func init() {
	augment.Register(augment.Kind{
		Name: "salt", About: "pixels become black or white, each with probability P",
		Parameters: []augment.Parameter{{Name: "P", Default: 0.05, High: 1}},
		New:        func(v []float64) (data.Transform, error) { return Salt{P: v[0]}, nil },
	})
}

// Salt makes pixels black or white, each with probability P, in all channels.
type Salt struct{ P float64 }

// Apply draws all that is random from random, which belongs to this sample in this epoch.
func (t Salt) Apply(p data.Picture, random *philox.Source) {
	for at := range p.H * p.W {
		if random.Float64() >= t.P {
			continue
		}
		value := float32(random.Intn(2))
		for c := range p.C {
			p.Values[c*p.H*p.W+at] = value
		}
	}
}

func (t Salt) String() string { return fmt.Sprintf("salt:%v", t.P) }
