package autograd_test

import (
	"fmt"

	"gorgonia.org/tensor"

	"fovea/autograd"
	"fovea/device"
	_ "fovea/device/cpu"
)

// The worked examples of the lecture's part on convolution, on the cpu device.

// onTape runs an example on a tape and prints what went wrong, if anything did.
func onTape(example func(tape *autograd.Tape)) {
	d, err := device.Open("cpu", device.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	tape := autograd.NewTape(d)
	tape.NoGrad = true
	example(tape)
	if err := tape.Err(); err != nil {
		fmt.Println(err)
	}
	tape.Reset()
	if err := d.Close(); err != nil {
		fmt.Println(err)
	}
}

// maps is an input of one sample: [1, C, H, W].
func maps(tape *autograd.Tape, channels, height, width int, elements ...float32) *autograd.Value {
	return tape.Input(tensor.New(tensor.WithShape(1, channels, height, width), tensor.WithBacking(elements)))
}

// filters is [number, depth, size, size].
func filters(tape *autograd.Tape, number, depth, size int, elements ...float32) *autograd.Value {
	return tape.Input(tensor.New(tensor.WithShape(number, depth, size, size), tensor.WithBacking(elements)))
}

// show prints each map of a value row by row.
func show(v *autograd.Value) {
	shape := v.Shape()
	if shape == nil {
		return // the tape says why
	}
	elements, err := v.Tensor().Floats()
	if err != nil {
		fmt.Println(err)
		return
	}
	for ; len(elements) > 0; elements = elements[shape[3]:] {
		fmt.Println(elements[:shape[3]])
	}
}

// count fills a slice with 1, 2, 3, ...
func count(n int) []float32 {
	numbers := make([]float32, n)
	for i := range numbers {
		numbers[i] = float32(i + 1)
	}
	return numbers
}

// A 3x3 filter slides over a 5x5 image: at each place the products are summed.
func Example_slidingWindow() {
	onTape(func(tape *autograd.Tape) {
		image := maps(tape, 1, 5, 5,
			1, 1, 1, 0, 0,
			0, 1, 1, 1, 0,
			0, 0, 1, 1, 1,
			0, 0, 1, 1, 0,
			0, 1, 1, 0, 0)
		filter := filters(tape, 1, 1, 3,
			1, 0, 1,
			0, 1, 0,
			1, 0, 1)
		show(autograd.Conv2D(image, filter, nil, device.ConvSpec{}))
	})
	// Output:
	// [4 3 4]
	// [2 4 3]
	// [2 3 4]
}

// The convolution of signal processing rotates the mask by 180 degrees before it slides.
func Example_trueConvolution() {
	onTape(func(tape *autograd.Tape) {
		patch := maps(tape, 1, 3, 3,
			1, 2, 3,
			6, 7, 8,
			11, 12, 13)
		mask := filters(tape, 1, 1, 3, count(9)...)
		rotated := autograd.Rotate180(mask)
		show(rotated)
		fmt.Println("true convolution:")
		show(autograd.TrueConv2D(patch, mask, nil, device.ConvSpec{}))
		fmt.Println("sliding window with the rotated mask:")
		show(autograd.Conv2D(patch, rotated, nil, device.ConvSpec{}))
		fmt.Println("sliding window with the mask as it is:")
		show(autograd.Conv2D(patch, mask, nil, device.ConvSpec{}))
	})
	// Output:
	// [9 8 7]
	// [6 5 4]
	// [3 2 1]
	// true convolution:
	// [219]
	// sliding window with the rotated mask:
	// [219]
	// sliding window with the mask as it is:
	// [411]
}

// Fixed masks on a picture of a bright square on a dark ground; the picture keeps its size.
func Example_fixedMasks() {
	onTape(func(tape *autograd.Tape) {
		picture := maps(tape, 1, 6, 6,
			1, 1, 1, 1, 1, 1,
			1, 1, 1, 1, 1, 1,
			1, 1, 5, 5, 5, 1,
			1, 1, 5, 5, 5, 1,
			1, 1, 5, 5, 5, 1,
			1, 1, 1, 1, 1, 1)
		masks := filters(tape, 4, 1, 3,
			0, 0, 0, 0, 1, 0, 0, 0, 0, // identity
			0, -1, 0, -1, 5, -1, 0, -1, 0, // sharpen
			0, 1, 0, 1, -4, 1, 0, 1, 0, // edge detect
			-1, -1, -1, -1, 8, -1, -1, -1, -1) // strong edge detect
		y := autograd.Conv2D(picture, masks, nil, device.ConvSpec{Padding: device.Pad(1)})
		for i, name := range []string{"identity", "sharpen", "edge detect", "strong edge detect"} {
			fmt.Println(name)
			show(autograd.Slice(y, []int{0, i, 1, 1}, []int{1, i + 1, 5, 5})) // without the rim, where the zeros outside count
		}
	})
	// Output:
	// identity
	// [1 1 1 1]
	// [1 5 5 5]
	// [1 5 5 5]
	// [1 5 5 5]
	// sharpen
	// [1 -3 -3 -3]
	// [-3 13 9 13]
	// [-3 9 5 9]
	// [-3 13 9 13]
	// edge detect
	// [0 4 4 4]
	// [4 -8 -4 -8]
	// [4 -4 0 -4]
	// [4 -8 -4 -8]
	// strong edge detect
	// [-4 -8 -12 -8]
	// [-8 20 12 20]
	// [-12 12 0 12]
	// [-8 20 12 20]
}

// A filter spans the whole depth of an RGB volume: the three products are summed, and the bias is added.
func Example_rgbVolume() {
	onTape(func(tape *autograd.Tape) {
		volume := maps(tape, 3, 3, 3,
			1, 0, 2, 0, 1, 0, 2, 0, 1, // red
			0, 1, 0, 1, 1, 1, 0, 1, 0, // green
			3, 0, 0, 0, 3, 0, 0, 0, 3) // blue
		filter := filters(tape, 1, 3, 3,
			1, 1, 1, 1, 1, 1, 1, 1, 1,
			0, 1, 0, 1, -1, 1, 0, 1, 0,
			-1, 0, 0, 0, -1, 0, 0, 0, -1)
		bias := tape.Input(tensor.New(tensor.WithShape(1), tensor.WithBacking([]float32{0.5})))
		for c, name := range []string{"red", "green", "blue"} {
			part := func(v *autograd.Value) *autograd.Value {
				return autograd.Slice(v, []int{0, c, 0, 0}, []int{1, c + 1, 3, 3})
			}
			sum, _ := autograd.Conv2D(part(volume), part(filter), nil, device.ConvSpec{}).Item()
			fmt.Println(name, sum)
		}
		all, _ := autograd.Conv2D(volume, filter, bias, device.ConvSpec{}).Item()
		fmt.Println("sum and bias", all)
	})
	// Output:
	// red 7
	// green 3
	// blue -9
	// sum and bias 1.5
}

// The number of filters is the depth of the output.
func Example_depth() {
	onTape(func(tape *autograd.Tape) {
		image := maps(tape, 3, 32, 32, make([]float32, 3*32*32)...)
		for _, number := range []int{1, 6, 10} {
			w := filters(tape, number, 3, 5, make([]float32, number*3*5*5)...)
			fmt.Println(number, "filters:", autograd.Conv2D(image, w, nil, device.ConvSpec{}).Shape())
		}
	})
	// Output:
	// 1 filters: (1, 1, 28, 28)
	// 6 filters: (1, 6, 28, 28)
	// 10 filters: (1, 10, 28, 28)
}

// With stride 2 a 3x3 window has four places on the 5x5 matrix 1..25. A filter that is 1 in its first corner shows
// where they start.
func Example_stride() {
	onTape(func(tape *autograd.Tape) {
		matrix := maps(tape, 1, 5, 5, count(25)...)
		corner := filters(tape, 1, 1, 3, 1, 0, 0, 0, 0, 0, 0, 0, 0)
		y := autograd.Conv2D(matrix, corner, nil, device.ConvSpec{Stride: [2]int{2, 2}})
		fmt.Println(y.Shape())
		show(y)
	})
	// Output:
	// (1, 1, 2, 2)
	// [1 3]
	// [11 13]
}

// Zeros around a volume of 5x5x3 make it 7x7x3; "same" padding keeps the size under a window; each side may have its own.
func Example_zeroPadding() {
	onTape(func(tape *autograd.Tape) {
		volume := maps(tape, 3, 5, 5, count(75)...)
		padded := autograd.Pad(volume, device.Pad(1), 0)
		fmt.Println("padding 1:", padded.Shape())
		show(autograd.Slice(padded, []int{0, 0, 0, 0}, []int{1, 1, 3, 7}))

		w := filters(tape, 2, 3, 3, make([]float32, 2*3*3*3)...)
		same := autograd.Conv2D(volume, w, nil, device.ConvSpec{Padding: device.Pad(1)})
		fmt.Println("same:", same.Shape())
		sides := device.Padding{Top: 2, Bottom: 0, Left: 1, Right: 3}
		fmt.Println("different sides:", autograd.Pad(volume, sides, 0).Shape(), "and under the window",
			autograd.Conv2D(volume, w, nil, device.ConvSpec{Padding: sides}).Shape())
	})
	// Output:
	// padding 1: (1, 3, 7, 7)
	// [0 0 0 0 0 0 0]
	// [0 1 2 3 4 5 0]
	// [0 6 7 8 9 10 0]
	// same: (1, 2, 5, 5)
	// different sides: (1, 3, 7, 9) and under the window (1, 2, 5, 7)
}

// A 4x4 filter has 16 weights wherever it is applied: parameters are shared between the places. Each output sees 16
// elements of its input and no other: local connectivity.
func Example_parameterSharing() {
	onTape(func(tape *autograd.Tape) {
		tape.NoGrad = false
		w := tape.Variable(tensor.New(tensor.WithShape(1, 1, 4, 4), tensor.WithBacking(count(16))))
		image := tape.Variable(tensor.New(tensor.WithShape(1, 1, 28, 28), tensor.WithBacking(count(28*28))))
		y := autograd.Conv2D(image, w, nil, device.ConvSpec{})
		fmt.Println(w.Tensor().Size(), "weights make", y.Tensor().Size(), "outputs")

		// The gradient of one output reaches only what it sees.
		one := autograd.Slice(y, []int{0, 0, 10, 10}, []int{1, 1, 11, 11})
		if err := tape.Backward(one); err != nil {
			return // the tape says why
		}
		seen := 0
		gradient, _ := image.Grad().Floats()
		for _, g := range gradient {
			if g != 0 {
				seen++
			}
		}
		fmt.Println("an output sees", seen, "of", len(gradient), "elements")
	})
	// Output:
	// 16 weights make 625 outputs
	// an output sees 16 of 784 elements
}
