package atomic_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"

	"fovea/data/atomic"
)

func ExampleWriteFile() {
	dir, err := os.MkdirTemp("", "atomic")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "state.txt")
	err = atomic.WriteFile(path, func(w io.Writer) error {
		_, err := fmt.Fprint(w, "epoch 1")
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	err = atomic.WriteFile(path, func(w io.Writer) error {
		fmt.Fprint(w, "epo")
		return errors.New("out of luck")
	})
	fmt.Println(err)
	content, err := os.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(content))
	// Output:
	// out of luck
	// epoch 1
}
