package augment

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/data"
	"fovea/device/philox"
)

// The draws below are seeded: they pass or fail alike each time.

// draws calls f with n sources that a loader might hand out.
func draws(n int, f func(random *philox.Source)) {
	for i := range n {
		f(philox.NewSource(philox.Stream{Seed: 3}.Sub(uint64(i), 0)))
	}
}

// distributed compares samples with a distribution function: Kolmogorov's distance, which is above 1.95 / sqrt(n) once in a
// thousand times.
func distributed(t *testing.T, what string, samples []float64, share func(x float64) float64) {
	t.Helper()
	slices.Sort(samples)
	n := float64(len(samples))
	for i, x := range samples {
		far := max(math.Abs(share(x)-float64(i)/n), math.Abs(share(x)-float64(i+1)/n))
		if !(far < 1.95/math.Sqrt(n)) {
			t.Fatalf("%s: %d samples, number %d of them is %v, expected fewer or more below it (distance %v)", what, len(samples), i, x, far)
		}
	}
}

func uniform(low, high float64) func(x float64) float64 {
	return func(x float64) float64 { return min(max((x-low)/(high-low), 0), 1) }
}

// often checks how many of n trials of probability p came true, within four deviations.
func often(t *testing.T, what string, count, n int, p float64) {
	t.Helper()
	require.InDelta(t, p*float64(n), count, 4*math.Sqrt(float64(n)*p*(1-p)), "%s: %d of %d", what, count, n)
}

// What has a probability is made that often.
func TestChance(t *testing.T) {
	const n = 2000
	for _, form := range []string{"flip:%v", "vflip:%v", "gray:%v", "perspective:0.5/%v", "blur:1/2/%v", "erase:%v"} {
		for _, p := range []float64{0, 0.1, 0.5, 1} {
			spec := fmt.Sprintf(form, p)
			made, err := Parse(spec)
			require.NoError(t, err)
			before := pictureOf(3, 12, 12, 1)
			changed := 0
			draws(n, func(random *philox.Source) {
				after := before
				after.Values = slices.Clone(before.Values)
				made[0].Apply(after, random)
				if !slices.Equal(before.Values, after.Values) {
					changed++
				}
			})
			if spec == "perspective:0.5/1" {
				require.Greater(t, changed, n*97/100, "in 1 of 256 all four corners stay")
				continue
			}
			if form == "perspective:0.5/%v" {
				p *= 1 - 1.0/256/256 // of 4x4 places for each corner
			}
			often(t, spec, changed, n, p)
		}
	}
}

// dot is a picture of one bright pixel, and where finds it again.
func dot(size, x, y int) data.Picture {
	p := data.Picture{C: 1, H: size, W: size, Values: make([]float32, size*size)}
	p.Values[y*size+x] = 1
	return p
}

func where(p data.Picture) (x, y int, seen bool) {
	i := slices.Index(p.Values, 1)
	return i % p.W, i / p.W, i >= 0
}

func TestShiftDraws(t *testing.T) {
	const n, size, middle = 20000, 21, 10
	for _, row := range []struct {
		transform data.Transform
		far       int
		ends      float64 // what a shift by far is less likely than one between
	}{{Crop{2}, 2, 1}, {Crop{0}, 0, 1}, {Translate{0.1}, 2, 0.6 / 1}, {Translate{3.0 / size}, 3, 0.5}} {
		t.Run(row.transform.String(), func(t *testing.T) {
			counts := map[[2]int]int{}
			draws(n, func(random *philox.Source) {
				p := dot(size, middle, middle)
				row.transform.Apply(p, random)
				x, y, seen := where(p)
				require.True(t, seen)
				counts[[2]int{x - middle, y - middle}]++
			})
			side := 2*row.far + 1
			require.Len(t, counts, side*side)
			likely := func(d int) float64 {
				if d == row.far || d == -row.far {
					return row.ends / (float64(side-2) + 2*row.ends)
				}
				return 1 / (float64(side-2) + 2*row.ends)
			}
			if row.far == 0 {
				return
			}
			for at, count := range counts {
				often(t, fmt.Sprintf("shifts by %v", at), count, n, likely(at[0])*likely(at[1]))
			}
		})
	}
}

// ramps is a picture whose two channels are where a pixel lies: from them one reads where each pixel of a result came from.
func ramps(size int) data.Picture {
	p := data.Picture{C: 2, H: size, W: size, Values: make([]float32, 2*size*size)}
	for i := range size * size {
		p.Values[i], p.Values[size*size+i] = float32(i%size)/float32(size), float32(i/size)/float32(size)
	}
	return p
}

// source is where a pixel of transformed ramps came from, in pixels.
func source(p data.Picture, x, y int) (u, v float64) {
	size := float64(p.W)
	return float64(channel(p, 0)[y*p.W+x]) * size, float64(channel(p, 1)[y*p.W+x]) * size
}

func TestAffineDraws(t *testing.T) {
	const n, size, middle = 2000, 41, 20
	for _, row := range []struct {
		transform                    data.Transform
		degrees, share, scale, shear float64
	}{{Rotate{15}, 15, 0, 0, 0}, {Rotate{180}, 180, 0, 0, 0}, {Affine{20, 0.1, 0.3, 25}, 20, 0.1, 0.3, 25}, {Affine{0, 0, 0, 30}, 0, 0, 0, 30}} {
		t.Run(row.transform.String(), func(t *testing.T) {
			var turns, scales, shears, moves []float64
			draws(n, func(random *philox.Source) {
				p := ramps(size)
				row.transform.Apply(p, random)
				u0, v0 := source(p, middle, middle)
				u1, v1 := source(p, middle+1, middle)
				u2, v2 := source(p, middle, middle+1)
				// The inverse of the inverse map: [a b; c d] = scale * turn * shear.
				a, b, c, d := u1-u0, u2-u0, v1-v0, v2-v0
				det := a*d - b*c
				a, b, c, d = d/det, -b/det, -c/det, a/det
				scale := math.Sqrt(a*d - b*c)
				turn := math.Atan2(c, a)
				shear := math.Atan(-(b/scale + math.Sin(turn)) / math.Cos(turn))
				turns, scales = append(turns, turn*180/math.Pi), append(scales, scale)
				if math.Abs(math.Cos(turn)) > 0.1 {
					shears = append(shears, shear*180/math.Pi)
				}
				moves = append(moves, a*(middle-u0)+b*(middle-v0), c*(middle-u0)+d*(middle-v0))
			})
			for _, of := range []struct {
				what      string
				samples   []float64
				low, high float64
			}{{"turn", turns, -row.degrees, row.degrees}, {"scale", scales, 1 - row.scale, 1 + row.scale}, {"shear", shears, -row.shear, row.shear}} {
				if of.low == of.high {
					for _, v := range of.samples {
						require.InDelta(t, of.low, v, 1e-2, of.what)
					}
					continue
				}
				distributed(t, of.what, of.samples, uniform(of.low, of.high))
			}
			far := math.Round(row.share * size)
			most := 0.0
			for _, v := range moves {
				require.InDelta(t, math.Round(v), v, 0.02, "moves are whole pixels")
				require.LessOrEqual(t, math.Abs(v), far+0.02)
				most = max(most, math.Abs(v))
			}
			require.InDelta(t, far, most, 0.02)
		})
	}
}

// Rotation is about the middle and counter-clockwise for positive angles, which are not more often than negative ones.
func TestRotationGoesBothWays(t *testing.T) {
	p := dot(9, 8, 4) // right of the middle
	warp(p, rotation(p, 90))
	x, y, seen := where(p)
	require.True(t, seen)
	require.Equal(t, [2]int{4, 0}, [2]int{x, y}, "a quarter turn counter-clockwise takes what is right to the top")
}

func TestPerspectiveDraws(t *testing.T) {
	const n, size = 4000, 40
	xs := make([][]float64, 4)
	draws(n, func(random *philox.Source) {
		for i, c := range (Perspective{Distortion: 0.5}).corners(size, size, random) {
			x, y := c[0], c[1]
			if i == 1 || i == 2 {
				x = size - 1 - x
			}
			if i >= 2 {
				y = size - 1 - y
			}
			xs[i] = append(xs[i], x, y)
		}
	})
	for i, inwards := range xs {
		for far := range 11 { // half of half the picture: 0 to 10 pixels
			count := 0
			for _, v := range inwards {
				if v == float64(far) {
					count++
				}
			}
			often(t, fmt.Sprintf("corner %d inwards by %d", i, far), count, 2*n, 1.0/11)
		}
	}
}

// The displacement is Alpha times the mean of uniform noise under a Gaussian, which has the deviation
// Alpha / sqrt(3) / (2 sigma sqrt(pi)); it is the same in x and y, and smooth.
func TestElasticDraws(t *testing.T) {
	const size = 100
	e := Elastic{Alpha: 20, Sigma: 4}
	var sum, square, step float64
	count := 0
	draws(40, func(random *philox.Source) {
		p := ramps(size)
		e.Apply(p, random)
		for y := 20; y < size-20; y++ {
			for x := 20; x < size-20; x++ {
				u, v := source(p, x, y)
				next, _ := source(p, x+1, y)
				for _, far := range []float64{u - float64(x), v - float64(y)} {
					sum += far
					square += far * far
					count++
				}
				step = max(step, math.Abs(next-u-1))
			}
		}
	})
	deviation := e.Alpha / math.Sqrt(3) / (2 * e.Sigma * math.Sqrt(math.Pi))
	require.InEpsilon(t, deviation, math.Sqrt(square/float64(count)), 0.05)
	require.InDelta(t, 0, sum/float64(count), 0.03)
	require.Less(t, step, deviation, "neighbours move alike")
}

func TestBlurDraws(t *testing.T) {
	var sigmas []float64
	draws(1000, func(random *philox.Source) {
		p := dot(31, 15, 15)
		Blur{1, 3, 1}.Apply(p, random)
		variance := 0.0
		for i, v := range p.Values {
			x := float64(i%31 - 15)
			variance += x * x * float64(v)
		}
		sigmas = append(sigmas, math.Sqrt(variance))
	})
	// A discrete Gaussian of four deviations to a side is narrower by up to a thousandth.
	distributed(t, "sigma", sigmas, uniform(1, 3))
}

func TestJitterDraws(t *testing.T) {
	const n = 2000
	flat := func(values ...float32) data.Picture {
		return data.Picture{C: len(values), H: 1, W: 1, Values: values}
	}
	var brightness, contrast, saturation, hue []float64
	draws(n, func(random *philox.Source) {
		p := flat(0.25, 0.25, 0.25)
		Jitter{Brightness: 0.4}.Apply(p, random)
		brightness = append(brightness, float64(p.Values[0])/0.25)
		p = data.Picture{C: 1, H: 1, W: 2, Values: []float32{0.4, 0.6}}
		Jitter{Contrast: 0.5}.Apply(p, random)
		contrast = append(contrast, float64(p.Values[1]-p.Values[0])/0.2)
		p = flat(0.5, 0.4, 0.45)
		Jitter{Saturation: 2}.Apply(p, random) // a factor of 0 to 3
		saturation = append(saturation, float64(p.Values[0]-p.Values[1])/0.1)
		p = flat(1, 0, 0)
		Jitter{Hue: 1.0 / 6}.Apply(p, random)
		// Red turned by less than a sixth either way is red with some green or some blue.
		require.InDelta(t, 1, p.Values[0], 1e-6)
		hue = append(hue, float64(p.Values[1]-p.Values[2])/6)
	})
	distributed(t, "brightness", brightness, uniform(0.6, 1.4))
	distributed(t, "contrast", contrast, uniform(0.5, 1.5))
	distributed(t, "saturation", saturation, uniform(0, 3))
	distributed(t, "hue", hue, uniform(-1.0/6, 1.0/6))
}

// The four changes come in each of 24 orders; pictures of strong colours show which one.
func TestJitterOrder(t *testing.T) {
	const n = 2400
	j := Jitter{0.4, 0.4, 0.4, 0.1}
	var orders [][]int
	var permute func(order, rest []int)
	permute = func(order, rest []int) {
		if len(rest) == 0 {
			orders = append(orders, slices.Clone(order))
		}
		for i, v := range rest {
			permute(append(order, v), slices.Delete(slices.Clone(rest), i, i+1))
		}
	}
	permute(nil, []int{0, 1, 2, 3})
	first := pictureOf(3, 6, 6, 1)
	counts := map[string]int{}
	sure := 0
	draws(n, func(random *philox.Source) {
		factors := *random // draws the same
		p := first
		p.Values = slices.Clone(first.Values)
		j.Apply(p, random)
		b, c, s := float32(factors.Uniform(0.6, 1.4)), float32(factors.Uniform(0.6, 1.4)), float32(factors.Uniform(0.6, 1.4))
		h := float32(factors.Uniform(-0.1, 0.1))
		var fits []string
		for _, order := range orders {
			q := first
			q.Values = slices.Clone(first.Values)
			for _, which := range order {
				[]func(){func() { brighten(q, b) }, func() { stretch(q, c) }, func() { saturate(q, s) }, func() { turnHue(q, h) }}[which]()
			}
			if slices.Equal(q.Values, p.Values) {
				fits = append(fits, fmt.Sprint(order))
			}
		}
		require.NotEmpty(t, fits, "no order of brightness, contrast, saturation and hue gives this picture")
		if len(fits) == 1 {
			counts[fits[0]]++
			sure++
		}
	})
	require.Greater(t, sure, n*9/10)
	require.Len(t, counts, len(orders))
	for order, count := range counts {
		often(t, "order "+order, count, sure, 1.0/24)
	}
}

func TestNormalDraws(t *testing.T) {
	const n = 400000
	random := philox.NewSource(philox.Stream{Seed: 4})
	samples := make([]float64, n)
	var far []float64
	left := 0
	for i := range samples {
		samples[i] = float64(normal(random))
		if x := math.Abs(samples[i]); x > zigguratEnd {
			far = append(far, x)
			if samples[i] < 0 {
				left++
			}
		}
	}
	end := math.Erfc(zigguratEnd / math.Sqrt2)
	often(t, "beyond the ziggurat's end", len(far), n, end)
	often(t, "beyond its left end", left, len(far), 0.5)
	distributed(t, "the tail", far, func(x float64) float64 { return 1 - math.Erfc(x/math.Sqrt2)/end })
	distributed(t, "normal", samples, func(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 })

	p := data.Picture{C: 3, H: 64, W: 64, Values: slices.Repeat([]float32{0.5}, 3*64*64)}
	Noise{0.1}.Apply(p, random)
	var noise []float64
	for _, v := range p.Values {
		noise = append(noise, (float64(v)-0.5)/0.1)
	}
	distributed(t, "noise", noise, func(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 })
}

func TestEraseDraws(t *testing.T) {
	const n, h, w = 1500, 140, 210
	e := Erase{P: 1, Low: 0.05, High: 0.15, Ratio: 0.5, Fill: Zero}
	var areas, ratios []float64
	var left, top, right, bottom int
	draws(n, func(random *philox.Source) {
		p := data.Picture{C: 1, H: h, W: w, Values: slices.Repeat([]float32{1}, h*w)}
		e.Apply(p, random)
		begin := slices.Index(p.Values, 0)
		require.GreaterOrEqual(t, begin, 0)
		x, y := begin%w, begin/w
		across, down := 0, 0
		for x+across < w && p.Values[begin+across] == 0 {
			across++
		}
		for y+down < h && p.Values[begin+down*w] == 0 {
			down++
		}
		zeros := 0
		for _, v := range p.Values {
			if v == 0 {
				zeros++
			}
		}
		require.Equal(t, across*down, zeros, "a rectangle")
		areas, ratios = append(areas, float64(zeros)/(h*w)), append(ratios, math.Log(float64(down)/float64(across)))
		if x == 0 {
			left++
		}
		if y == 0 {
			top++
		}
		if x+across == w {
			right++
		}
		if y+down == h {
			bottom++
		}
	})
	distributed(t, "area", areas, uniform(0.05, 0.15))
	distributed(t, "height over width", ratios, uniform(math.Log(0.5), math.Log(2)))
	for name, count := range map[string]int{"left": left, "top": top, "right": right, "bottom": bottom} {
		require.NotZero(t, count, "none lies at the %s edge", name)
	}

	p := pictureOf(2, 40, 40, 1)
	before := slices.Clone(p.Values)
	Erase{P: 1, Low: 0.2, High: 0.2, Ratio: 1, Fill: Mean}.Apply(p, philox.NewSource(philox.Stream{Seed: 1}))
	for c := range 2 {
		mean, covered := 0.0, 0
		for _, v := range before[c*1600 : (c+1)*1600] {
			mean += float64(v) / 1600
		}
		for i, v := range channel(p, c) {
			if v != before[c*1600+i] {
				require.InDelta(t, mean, v, 1e-6)
				covered++
			}
		}
		require.Equal(t, 18*18, covered)
	}
	Erase{P: 1, Low: 0.8, High: 0.8, Ratio: 1, Fill: Random}.Apply(p, philox.NewSource(philox.Stream{Seed: 1}))
	var values []float64
	for i, v := range p.Values {
		if v != before[i] {
			values = append(values, float64(v))
		}
	}
	require.Greater(t, len(values), 2*35*35)
	distributed(t, "random fill", values, uniform(0, 1))
}

func TestBetaDraws(t *testing.T) {
	const n = 20000
	random := philox.NewSource(philox.Stream{Seed: 6})
	for _, row := range []struct {
		a     float64
		share func(x float64) float64 // nil: no formula
	}{
		{0.001, nil}, {0.1, nil}, {0.2, nil},
		{0.5, func(x float64) float64 { return 2 / math.Pi * math.Asin(math.Sqrt(x)) }},
		{1, uniform(0, 1)},
		{2, func(x float64) float64 { return x * x * (3 - 2*x) }},
		{3, func(x float64) float64 { return x * x * x * (10 - 15*x + 6*x*x) }},
		{1000, nil},
	} {
		samples := make([]float64, n)
		var mean, square float64
		for i := range samples {
			x := beta(row.a, random)
			if !(x >= 0 && x <= 1) {
				t.Fatalf("Beta(%v): %v", row.a, x)
			}
			samples[i] = x
			mean += x / n
			square += (x - 0.5) * (x - 0.5) / n
		}
		variance := 1 / (4 * (2*row.a + 1))
		require.InDelta(t, 0.5, mean, 4*math.Sqrt(variance/n), "mean of Beta(%v)", row.a)
		require.InEpsilon(t, variance, square, 0.05, "variance of Beta(%v)", row.a)
		if row.share != nil {
			distributed(t, fmt.Sprintf("Beta(%v)", row.a), samples, row.share)
		}
	}
}

// The samples of each batch are mixed by the lambda of their distribution, and their labels by what came of it.
func TestMixers(t *testing.T) {
	const n, side = 3, 16
	batch := func() *data.Batch { // sample i is all i/2, with label i
		p := data.Picture{C: 3 * n, H: side, W: side, Values: make([]float32, 3*n*side*side)}
		for i := range p.Values {
			p.Values[i] = float32(i/(3*side*side)) / 2
		}
		return batchOf(p)
	}
	for _, row := range []struct {
		mixup, cutmix float64
		text          string
	}{{0.2, 0, "mixup:0.2"}, {1, 0, "mixup:1"}, {0, 1, "cutmix:1"}, {0, 0.5, "cutmix:0.5"}, {1, 1, "mixup:1|cutmix:1"}} {
		t.Run(row.text, func(t *testing.T) {
			mixer, err := NewMixer(row.mixup, row.cutmix)
			require.NoError(t, err)
			require.Equal(t, row.text, mixer.String())
			var lambdas []float64
			blended := 0
			draws(2000, func(random *philox.Source) {
				again := *random
				b, c := batch(), batch()
				mixer.Mix(b, random)
				mixer.Mix(c, &again)
				require.Equal(t, b, c, "the same random numbers mix the same")
				require.GreaterOrEqual(t, b.Mix.Share, 0.5)
				x := b.X.Data().([]float32)
				for i := range n {
					sample := x[i*3*side*side : (i+1)*3*side*side]
					mean := 0.0
					for _, v := range sample {
						mean += float64(v) / float64(len(sample))
					}
					want := (b.Mix.Share*float64(b.Labels[i]) + (1-b.Mix.Share)*float64(b.Mix.Labels[i])) / 2
					require.InDelta(t, want, mean, 1e-5, "sample %d: labels %d and %d, share %v", i, b.Labels[i], b.Mix.Labels[i], b.Mix.Share)
				}
				// Sample 1 is itself, or the one before it.
				require.ElementsMatch(t, []int32{0, 1}, []int32{b.Labels[1], b.Mix.Labels[1]})
				lambda := b.Mix.Share
				if b.Labels[1] == 0 {
					lambda = 1 - lambda
				}
				lambdas = append(lambdas, lambda)
				if v := x[3*side*side]; v != 0 && v != 0.5 {
					blended++
				}
			})
			switch {
			case row.cutmix == 0 && row.mixup == 1:
				distributed(t, "lambda", lambdas, uniform(0, 1))
			case row.mixup > 0 && row.cutmix > 0:
				often(t, "batches of mixup", blended, len(lambdas), 0.5)
			case row.mixup == 0:
				require.Zero(t, blended, "pixels are one sample's or the other's")
				require.Greater(t, slices.Max(lambdas), 0.95)
				require.Less(t, slices.Min(lambdas), 0.3)
			}
		})
	}
	for _, row := range []struct {
		mixup, cutmix float64
		err           string
	}{{-1, 0, "mixup: -1, expected 0.001 to 1000, or 0 for none"}, {0, 1e9, "cutmix: 1e+09, expected"}, {math.NaN(), 0, "mixup: NaN"}, {0, 1e-9, "cutmix: 1e-09"}} {
		_, err := NewMixer(row.mixup, row.cutmix)
		require.ErrorContains(t, err, row.err)
	}
	none, err := NewMixer(0, 0)
	require.NoError(t, err)
	require.Nil(t, none)
}

// Targets of a regression are mixed as the samples are; a batch of one sample stays what it is.
func TestMixTargets(t *testing.T) {
	for _, mixer := range []data.Mixer{Mixup{1}, CutMix{1}} {
		draws(50, func(random *philox.Source) {
			b := batchOf(data.Picture{C: 9, H: 4, W: 4, Values: make([]float32, 9*16)})
			x := b.X.Data().([]float32)
			for i := range x {
				x[i] = float32(i / 48)
			}
			b.Labels, b.Targets = nil, tensorOf([]int{3, 2}, []float32{0, 5, 1, 6, 2, 7})
			mixer.Mix(b, random)
			require.Nil(t, b.Mix)
			y := b.Targets.Data().([]float32)
			for i := range 3 {
				mean := 0.0
				for _, v := range x[i*48 : (i+1)*48] {
					mean += float64(v) / 48
				}
				require.InDelta(t, mean, y[2*i], 1e-5, "%v: sample %d", mixer, i)
				require.InDelta(t, mean+5, y[2*i+1], 1e-5, "%v: sample %d", mixer, i)
			}
			one := batchOf(pictureOf(3, 5, 5, 1))
			before := slices.Clone(one.X.Data().([]float32))
			mixer.Mix(one, random)
			require.InDeltaSlice(t, before, one.X.Data(), 1e-6)
			require.Equal(t, one.Labels, one.Mix.Labels)
		})
	}
}
