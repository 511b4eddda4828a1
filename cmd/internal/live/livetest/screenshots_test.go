package livetest

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestScreenshots takes pictures of the page at FOVEA_PAGE for docs/live.md, in the folder that FOVEA_SCREENSHOTS names: of a
// single run two that are light, of several one that is dark.
func TestScreenshots(t *testing.T) {
	address := os.Getenv("FOVEA_PAGE")
	if address == "" {
		t.Skip("FOVEA_PAGE names no page")
	}
	page := open(t, address, false)
	if Evaluate[int](page, "document.querySelectorAll('#runs .run').length") > 1 {
		page = open(t, address, true)
		Evaluate[any](page, "document.querySelector('#log').click()")
		take(page, "live-compare.png")
		return
	}
	take(page, "live-training.png")
	Evaluate[any](page, "document.querySelector('#inside-title').scrollIntoView()")
	take(page, "live-inside.png")
}

func open(t *testing.T, address string, dark bool) *Page {
	page := Open(t, address, 1280, 1060, dark)
	page.Wait("document.querySelectorAll('#histograms svg').length > 0")
	return page
}

func take(page *Page, name string) {
	time.Sleep(time.Second) // charts are drawn in the next frames
	require.NotEmpty(page.t, page.Screenshot(name))
	require.Empty(page.t, page.Problems())
}
