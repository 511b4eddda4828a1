package augment

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/data"
)

func TestParse(t *testing.T) {
	for _, row := range []struct {
		spec string
		want []data.Transform
		text string
	}{
		{"flip", []data.Transform{Flip{0.5}}, "flip:0.5"},
		{"crop:4,flip,rotate:15,jitter:0.4/0.4/0.4/0.1,erase:0.5",
			[]data.Transform{Crop{4}, Flip{0.5}, Rotate{15}, Jitter{0.4, 0.4, 0.4, 0.1}, Erase{0.5, 0.02, 0.33, 0.3, Zero}},
			"crop:4,flip:0.5,rotate:15,jitter:0.4/0.4/0.4/0.1,erase:0.5/0.02/0.33/0.3/zero"},
		{" flip:1 , flip:0,vflip ", []data.Transform{Flip{1}, Flip{0}, VerticalFlip{0.5}}, "flip:1,flip:0,vflip:0.5"},
		{"erase:1/0.1/0.1/1/random", []data.Transform{Erase{1, 0.1, 0.1, 1, Random}}, "erase:1/0.1/0.1/1/random"},
		{"erase:1/0/1/0.5/mean", []data.Transform{Erase{1, 0, 1, 0.5, Mean}}, "erase:1/0/1/0.5/mean"},
		{"affine", []data.Transform{Affine{10, 0.1, 0.1, 10}}, "affine:10/0.1/0.1/10"},
		{"affine:0/0.25", []data.Transform{Affine{0, 0.25, 0.1, 10}}, "affine:0/0.25/0.1/10"},
		{"perspective:1e-1/1", []data.Transform{Perspective{0.1, 1}}, "perspective:0.1/1"},
		{"elastic,noise,blur,gray,translate", []data.Transform{Elastic{34, 4}, Noise{0.05}, Blur{0.1, 2, 0.5}, Gray{0.1}, Translate{0.1}},
			"elastic:34/4,noise:0.05,blur:0.1/2/0.5,gray:0.1,translate:0.1"},
		{"cifar", []data.Transform{Crop{4}, Flip{0.5}}, "crop:4,flip:0.5"},
		{"mnist,noise:0.1", []data.Transform{Translate{0.08}, Rotate{10}, Noise{0.1}}, "translate:0.08,rotate:10,noise:0.1"},
		{"imagenet", []data.Transform{Flip{0.5}, Jitter{0.4, 0.4, 0.4, 0.1}}, "flip:0.5,jitter:0.4/0.4/0.4/0.1"},
	} {
		t.Run(row.spec, func(t *testing.T) {
			made, err := Parse(row.spec)
			require.NoError(t, err)
			require.Equal(t, row.want, made)
			require.Equal(t, row.text, Text(made))
			again, err := Parse(Text(made))
			require.NoError(t, err)
			require.Equal(t, made, again)
		})
	}
}

func TestParseErrors(t *testing.T) {
	for spec, want := range map[string]string{
		"": `augmentation "": unknown, expected affine, blur, crop, elastic, erase, flip, gray, jitter, noise, perspective, ` +
			`rotate, translate, vflip, cifar, imagenet, mnist`,
		"flop":                                   `augmentation "flop": unknown, expected affine,`,
		"flip,":                                  `augmentation "": unknown`,
		"Flip":                                   `augmentation "Flip": unknown`,
		"flip:":                                  `augmentation "flip:": P is "", expected a number from 0 to 1 (flip:P)`,
		"flip:1.5":                               `augmentation "flip:1.5": P is "1.5", expected a number from 0 to 1 (flip:P)`,
		"flip:NaN":                               `P is "NaN"`,
		"flip:0.5/1":                             `augmentation "flip:0.5/1": 2 parameters, expected at most 1: flip:P`,
		"crop:2,crop:1.5":                        `augmentation "crop:1.5": PIXELS is "1.5", expected a whole number from 0 to 4096 (crop:PIXELS)`,
		"crop:-1":                                `PIXELS is "-1"`,
		"crop:1e9":                               `PIXELS is "1e9"`,
		"rotate:inf":                             `DEGREES is "inf", expected a number from 0 to 180`,
		"jitter:0.1/0.1/0.1/0.6":                 `HUE is "0.6", expected a number from 0 to 0.5 (jitter:BRIGHTNESS/CONTRAST/SATURATION/HUE)`,
		"erase:1/0.5/0.1":                        `augmentation "erase:1/0.5/0.1": LOW is above HIGH (erase:P/LOW/HIGH/RATIO/FILL)`,
		"erase:1/0.1/0.2/0.3/blue":               `FILL is "blue", expected zero, mean, random`,
		"blur:2/1":                               `LOW is above HIGH (blur:LOW/HIGH/P)`,
		"cifar:4":                                `augmentation "cifar:4": the preset cifar has no parameters, expected cifar`,
		"flip" + strings.Repeat(",flip", most):   `augmentation: more than 64 transforms`,
		"cifar" + strings.Repeat(",cifar", most): `augmentation: more than 64 transforms`,
	} {
		made, err := Parse(spec)
		require.ErrorContains(t, err, want, "%q", spec)
		require.Nil(t, made, "%q", spec)
	}
}

// Every transform says of itself what it is made of.
func TestKinds(t *testing.T) {
	var list bytes.Buffer
	require.NoError(t, List(&list))
	for _, k := range Kinds() {
		made, err := Parse(k.Name)
		require.NoError(t, err, k.Name)
		require.Equal(t, k.Default(), Text(made), k.Name)
		for _, text := range []string{k.Form(), k.Default(), k.About} {
			require.Contains(t, list.String(), text)
		}
		for _, at := range []func(p Parameter) float64{func(p Parameter) float64 { return p.Low }, func(p Parameter) float64 { return p.High }} {
			values := make([]float64, len(k.Parameters))
			for i, p := range k.Parameters {
				values[i] = at(p)
			}
			made, err := Parse(text(k.Name, values...))
			require.NoError(t, err, "the bounds of %s", k.Name)
			require.Equal(t, text(k.Name, values...), Text(made))
		}
	}
	for name := range presets {
		require.Contains(t, list.String(), name)
	}
	require.Panics(t, func() { Register(Kind{Name: "flip"}) })
	require.True(t, slices.IsSortedFunc(Kinds(), func(a, b Kind) int { return strings.Compare(a.Name, b.Name) }))
}

// Whatever is parsed is written so that it is parsed again.
func FuzzParse(f *testing.F) {
	for _, k := range Kinds() {
		f.Add(k.Default())
	}
	for _, spec := range []string{"cifar,mnist", "flip:.5", "flip:0x1p-2", "crop:1_0", "erase:1/0/1/1/mean", "flip:", "/,:", "flip:1/"} {
		f.Add(spec)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		made, err := Parse(spec)
		if err != nil {
			return
		}
		again, err := Parse(Text(made))
		require.NoError(t, err)
		require.Equal(t, made, again)
	})
}
