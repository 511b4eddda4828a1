package winograd

// The transforms in plain Go, channel by channel: a line is one row or column of a tile.

type line [6]float32

// The points of the method beside 0 and infinity are +-p and +-q; see the package's comment. g0, gp and gq are the first column
// of G: by what the rows of B^T, as polynomials, are at their own points.
const (
	p, q       = 3. / 4, 3. / 2
	both0      = p * p * q * q
	both2      = p*p + q*q
	g0, gp, gq = 1 / both0, 1 / (2 * p * p * (p*p - q*q)), 1 / (2 * q * q * (q*q - p*p))
)

// input is B^T.
func (d *line) input() {
	a, b := d[4]-q*q*d[2], p*(d[3]-q*q*d[1])
	c, e := d[4]-p*p*d[2], q*(d[3]-p*p*d[1])
	*d = line{both0*d[0] - both2*d[2] + d[4], a + b, a - b, c + e, c - e, both0*d[1] - both2*d[3] + d[5]}
}

// gradient is A.
func (y *line) gradient() {
	a, b := y[0]+p*p*y[2], p*(y[1]+p*p*y[3])
	c, e := y[0]+q*q*y[2], q*(y[1]+q*q*y[3])
	*y = line{y[0], a + b, a - b, c + e, c - e, y[3]}
}

// output is A^T.
func (m *line) output() {
	a, b, c, e := m[1]+m[2], m[3]+m[4], m[1]-m[2], m[3]-m[4]
	*m = line{m[0] + a + b, p*c + q*e, p*p*a + q*q*b, p*p*p*c + q*q*q*e + m[5]}
}

// weights is G.
func (g *line) weights() {
	a, b := gp*g[0]+gp*p*p*g[2], gp*p*g[1]
	c, e := gq*g[0]+gq*q*q*g[2], gq*q*g[1]
	*g = line{g0 * g[0], a + b, a - b, c + e, c - e, g[2]}
}

// weightsGradient is G^T.
func (u *line) weightsGradient() {
	a, b, c, e := u[1]+u[2], u[3]+u[4], u[1]-u[2], u[3]-u[4]
	*u = line{g0*u[0] + gp*a + gq*b, gp*p*c + gq*q*e, gp*p*p*a + gq*q*q*b + u[5]}
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
