package runs

import (
	"fmt"
	"image"
	"image/color"

	"golang.org/x/image/draw"
	"gonum.org/v1/plot/text"
)

// Mistake is a sample that a network takes for what it is not.
type Mistake struct {
	Picture      image.Image
	Label, Found string  // classes
	Share        float64 // the probability that the network gives Found
}

// MostMistakes is how many are drawn.
const MostMistakes = 24

const (
	mistakeColumns = 6
	mistakeSide    = 112 // of a picture
	mistakeGap     = 16
	mistakeLines   = 36 // height of what is written below it
)

// drawMistakes draws pictures with what they are and what they were taken for.
func drawMistakes(all []Mistake) image.Image {
	all = all[:min(len(all), MostMistakes)]
	columns := min(len(all), mistakeColumns)
	rows := (len(all) + mistakeColumns - 1) / mistakeColumns
	across, down := mistakeSide+mistakeGap, mistakeSide+mistakeLines+mistakeGap
	m := image.NewRGBA(image.Rect(0, 0, columns*across+mistakeGap, rows*down+mistakeGap))
	draw.Draw(m, m.Rect, image.NewUniform(color.White), image.Point{}, draw.Src)
	letters := newLettering(m)
	for i, one := range all {
		at := image.Pt(mistakeGap+i%mistakeColumns*across, mistakeGap+i/mistakeColumns*down)
		shrink(m, image.Rectangle{at, at.Add(image.Pt(mistakeSide, mistakeSide))}, one.Picture)
		s := style(12)
		letters.print(s, at.X, at.Y+mistakeSide+4, 0, 1, fitting(s, "is "+short(one.Label)))
		s.Color = wrongColour
		letters.print(s, at.X, at.Y+mistakeSide+20, 0, 1, fitting(s, fmt.Sprintf("%.1f%% %s", 100*one.Share, short(one.Found))))
	}
	letters.finish()
	return m
}

// shrink draws a picture as large as it fits; the pixels of small ones stay squares.
func shrink(m draw.Image, into image.Rectangle, picture image.Image) {
	size, room := picture.Bounds().Size(), into.Size()
	longer := max(size.X, size.Y)
	fit := image.Rect(0, 0, max(1, size.X*room.X/longer), max(1, size.Y*room.Y/longer)).Add(into.Min)
	var scaler draw.Scaler = draw.NearestNeighbor
	if longer > room.X {
		scaler = draw.ApproxBiLinear
	}
	scaler.Scale(m, fit, picture, picture.Bounds(), draw.Src, nil)
}

// fitting cuts a line to the width of a picture.
func fitting(s text.Style, line string) string {
	letters := []rune(line)
	for len(letters) > 1 && float64(s.Width(line)) > mistakeSide {
		letters = letters[:len(letters)-1]
		line = string(letters) + "…"
	}
	return line
}
