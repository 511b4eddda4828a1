package cli

import (
	"fmt"
	"io"

	"fovea/data/atomic"
)

// WriteFile is atomic.WriteFile whose errors name the file once.
func WriteFile(path string, write func(w io.Writer) error) error {
	if err := atomic.WriteFile(path, write); err != nil {
		return fmt.Errorf("%s: %w", path, Cause(err))
	}
	return nil
}

// WriteBytes is WriteFile of a content that is at hand.
func WriteBytes(path string, content []byte) error {
	return WriteFile(path, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}
