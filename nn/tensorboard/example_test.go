package tensorboard_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"fovea/nn/tensorboard"
)

// A loss for each of three epochs of ten updates. `tensorboard --logdir DIR` shows them while they come.
func Example() {
	dir, err := os.MkdirTemp("", "run")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	w, err := tensorboard.Create(dir, 0)
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close()
	for epoch, loss := range []float64{2.3, 0.7, 0.4} {
		if err := w.Add(10*(epoch+1), tensorboard.Scalar("loss/train", loss)); err != nil {
			log.Fatal(err)
		}
	}
	files, _ := filepath.Glob(filepath.Join(dir, tensorboard.Pattern))
	fmt.Println(len(files), "file")
	// Output: 1 file
}
