package cli

import (
	"flag"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"
)

func TestSample(t *testing.T) {
	own := tensor.Shape{1, 28, 28}
	for _, row := range []struct {
		text  string
		shape tensor.Shape
		wrong bool
	}{
		{text: "", shape: own},
		{text: "3x224x224", shape: tensor.Shape{3, 224, 224}},
		{text: "1x1x16384", shape: tensor.Shape{1, 1, 16384}},
		{text: "3x224", wrong: true}, {text: "3x224x224x1", wrong: true}, {text: "3x0x5", wrong: true}, {text: "3x-1x5", wrong: true}, {text: "3x224x16385", wrong: true},
		{text: "3x224x", wrong: true}, {text: "x", wrong: true}, {text: "3,224,224", wrong: true}, {text: "3x99999999999999999999x1", wrong: true},
	} {
		var s Sample
		err := s.Set(row.text)
		if row.wrong {
			require.EqualError(t, err, "expected CxHxW such as 3x224x224, each from 1 to 16384", row.text)
			require.Nil(t, s)
			continue
		}
		require.NoError(t, err, row.text)
		require.Equal(t, row.shape, s.Shape(own), row.text)
		require.Equal(t, row.text, s.String())
		require.Equal(t, row.text, s.Get())
	}
	f := flag.NewFlagSet("", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Var(&Sample{}, "input", "")
	f.PrintDefaults() // calls String on zero values
}
