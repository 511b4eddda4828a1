package winograd

// The transforms in plain Go, channel by channel: a line is one row or column of a tile.

type line [6]float32

// input is B^T.
func (d *line) input() {
	a, b := d[4]-4*d[2], d[3]-4*d[1]
	c, e := d[4]-d[2], 2*(d[3]-d[1])
	*d = line{4*d[0] - 5*d[2] + d[4], a + b, a - b, c + e, c - e, 4*d[1] - 5*d[3] + d[5]}
}

// gradient is A.
func (y *line) gradient() {
	a, b := y[0]+y[2], y[1]+y[3]
	c, e := y[0]+4*y[2], 2*(y[1]+4*y[3])
	*y = line{y[0], a + b, a - b, c + e, c - e, y[3]}
}

// output is A^T.
func (m *line) output() {
	a, b, c, e := m[1]+m[2], m[3]+m[4], m[1]-m[2], m[3]-m[4]
	*m = line{m[0] + a + b, c + 2*e, a + 4*b, c + 8*e + m[5]}
}

// weights is G.
func (g *line) weights() {
	a, b := -(g[0]+g[2])/6, -g[1]/6
	c, e := g[0]/24+g[2]/6, g[1]/12
	*g = line{g[0] / 4, a + b, a - b, c + e, c - e, g[2]}
}

// weightsGradient is G^T.
func (u *line) weightsGradient() {
	a, b, c, e := u[1]+u[2], u[3]+u[4], u[2]-u[1], u[3]-u[4]
	*u = line{u[0]/4 - a/6 + b/24, c/6 + e/12, (b-a)/6 + u[5]}
}

// both dimensions of a tile of rows x cols elements: the columns, then the rows.
func transform(t *[6]line, cols, rowsAfter int, do func(*line)) {
	for j := range cols {
		var column line
		for i := range column {
			column[i] = t[i][j]
		}
		do(&column)
		for i := range column {
			t[i][j] = column[i]
		}
	}
	for i := range rowsAfter {
		do(&t[i])
	}
}

func genericInput(tiles int, v []float32, stride int, x []float32, row int) {
	for t := range tiles {
		genericTile(v[t*Lanes:], stride, 6, (*line).input, func(i, j, l int) float32 { return x[i*row+(t*Tile+j)*Lanes+l] })
	}
}

func genericGradient(tiles int, v []float32, stride int, dy []float32, row int) {
	for t := range tiles {
		genericTile(v[t*Lanes:], stride, 4, (*line).gradient, func(i, j, l int) float32 { return dy[i*row+(t*Tile+j)*Lanes+l] })
	}
}

func genericRimInput(v []float32, stride int, x []float32, offset, row int, inside *[12]uint32) {
	genericTile(v, stride, 6, (*line).input, clipped(x, offset, row, inside))
}

func genericRimGradient(v []float32, stride int, dy []float32, offset, row int, inside *[12]uint32) {
	genericTile(v, stride, 4, (*line).gradient, clipped(dy, offset, row, inside))
}

func clipped(x []float32, offset, row int, inside *[12]uint32) func(i, j, l int) float32 {
	return func(i, j, l int) float32 {
		if inside[i]&inside[6+j] == 0 {
			return 0
		}
		return x[offset+i*row+j*Lanes+l]
	}
}

// genericTile makes coefficients of a tile of size x size pixels.
func genericTile(v []float32, stride, size int, do func(*line), pixel func(i, j, l int) float32) {
	for l := range Lanes {
		var t [6]line
		for i := range size {
			for j := range size {
				t[i][j] = pixel(i, j, l)
			}
		}
		transform(&t, size, 6, do)
		for i := range Coefficients {
			v[i*stride+l] = t[i/6][i%6]
		}
	}
}

func genericOutput(tiles int, y []float32, row int, m []float32, stride int, epilogue *Epilogue, add []float32) {
	for tile := range tiles {
		for l := range Lanes {
			var t [6]line
			for i := range Coefficients {
				t[i/6][i%6] = m[i*stride+tile*Lanes+l]
			}
			transform(&t, 6, Tile, (*line).output)
			for i := range Tile {
				for j := range Tile {
					at, v := i*row+(tile*Tile+j)*Lanes+l, t[i][j]+epilogue[l]
					if add != nil {
						v += add[at]
					}
					if v < epilogue[Lanes+l] {
						v = epilogue[Lanes+l]
					}
					y[at] = v
				}
			}
		}
	}
}

func genericWeights(count int, u []float32, stride, step int, w []float32, first, lane, tap, next, lanes int) {
	for n := range count {
		for l := range Lanes {
			var t [6]line
			for k := 0; k < Taps && l < lanes; k++ {
				t[k/3][k%3] = w[first+l*lane+k*tap+n*next]
			}
			transform(&t, 3, 6, (*line).weights)
			for i := range Coefficients {
				u[i*stride+n*step+l] = t[i/6][i%6]
			}
		}
	}
}

func genericWeightsGradient(count int, dw, u []float32, stride, step int) {
	for n := range count {
		for l := range Lanes {
			var t [6]line
			for i := range Coefficients {
				t[i/6][i%6] = u[i*stride+n*step+l]
			}
			transform(&t, 6, 3, (*line).weightsGradient)
			for k := range Taps {
				dw[(n*Taps+k)*Lanes+l] = t[k/3][k%3]
			}
		}
	}
}
