package raster

import (
	"image"
	"image/draw"
)

// Take copies the pixels of a region, widened to whole words, out of a picture whose bounds may begin anywhere.
func (p *Planes) Take(m image.Image, region image.Rectangle) {
	b := m.Bounds()
	region = region.Inset(-2).Intersect(image.Rect(0, 0, b.Dx(), b.Dy())) // colour of half the resolution reaches so far
	region.Min.X &^= 7
	region.Min.Y &^= 1
	region.Max.X = (region.Max.X + 7) &^ 7
	region.Max.Y = (region.Max.Y + 1) &^ 1
	p.Reset(true, b.Dx(), b.Dy())
	switch m := m.(type) {
	case *image.Gray:
		p.Colour = false
		p.Plane[0].take(region, b.Dx(), b.Dy(), 1, 1, func(y int) []byte { return m.Pix[y*m.Stride:][:b.Dx()] }, 1)
		return
	case *image.Gray16:
		p.Colour = false
		p.Plane[0].take(region, b.Dx(), b.Dy(), 1, 1, func(y int) []byte { return m.Pix[y*m.Stride:][:2*b.Dx()] }, 2)
		return
	case *image.YCbCr:
		if across, down, known := sampling(m); known {
			width, height := (b.Dx()+across-1)/across, (b.Dy()+down-1)/down
			p.Plane[0].take(region, b.Dx(), b.Dy(), 1, 1, func(y int) []byte { return m.Y[y*m.YStride:][:b.Dx()] }, 1)
			p.Plane[1].take(region, width, height, across, down, func(y int) []byte { return m.Cb[y*m.CStride:][:width] }, 1)
			p.Plane[2].take(region, width, height, across, down, func(y int) []byte { return m.Cr[y*m.CStride:][:width] }, 1)
			return
		}
	}
	// A row at a time as red, green and blue, on black where it is transparent.
	p.RGB = true
	row := image.NewRGBA(image.Rect(0, 0, b.Dx(), 1))
	for i := range p.Plane {
		plane := &p.Plane[i]
		plane.Across, plane.Down, plane.Width, plane.Height = 1, 1, b.Dx(), b.Dy()
		plane.Grow(region)
	}
	for y := region.Min.Y; y < min(region.Max.Y, b.Dy()); y++ {
		draw.Draw(row, row.Rect, m, image.Pt(b.Min.X, b.Min.Y+y), draw.Src)
		for i := range p.Plane {
			p.Plane[i].row(y, row.Pix[i:], 4)
		}
	}
}

// sampling is how many pixels a sample of colour stands for, where Planes knows how to say it. It must begin with one.
func sampling(m *image.YCbCr) (across, down int, known bool) {
	if m.Rect.Min.X%2 != 0 || m.Rect.Min.Y%2 != 0 {
		return 0, 0, false
	}
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio444:
		return 1, 1, true
	case image.YCbCrSubsampleRatio422:
		return 2, 1, true
	case image.YCbCrSubsampleRatio420:
		return 2, 2, true
	case image.YCbCrSubsampleRatio440:
		return 1, 2, true
	}
	return 0, 0, false
}

// take fills a plane from rows of samples that lie every bytes apart.
func (p *Plane) take(region image.Rectangle, width, height, across, down int, row func(y int) []byte, every int) {
	p.Across, p.Down, p.Width, p.Height = across, down, width, height
	p.Grow(image.Rect(region.Min.X/across, region.Min.Y/down, region.Max.X/across, region.Max.Y/down))
	for y := p.Y; y < min(p.Y+p.Rows, height); y++ {
		p.row(y, row(y), every)
	}
}

// row packs what there is of one row; samples lie every bytes apart.
func (p *Plane) row(y int, from []byte, every int) {
	words := p.Words[(y-p.Y)*p.Stride:][:p.Stride]
	for i := range words {
		var word uint64
		for k := range 4 {
			if at := (p.X + 4*i + k) * every; at < len(from) {
				word |= uint64(from[at]) << (16 * k)
			}
		}
		words[i] = word
	}
}

// Memory is how many bytes the planes hold.
func (p *Planes) Memory() int {
	return 8 * (cap(p.Plane[0].Words) + cap(p.Plane[1].Words) + cap(p.Plane[2].Words))
}
