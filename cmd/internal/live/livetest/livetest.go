// Package livetest looks at the live page in a real browser, for tests.
package livetest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// patience is how long a test waits for what the page must come to show.
const patience = time.Minute

// Page is a tab of a headless Chromium.
type Page struct {
	t   testing.TB
	ctx context.Context

	mu       sync.Mutex
	problems []string // messages of the console that are no mere notes, and exceptions
	hosts    []string // that the page asked
}

// Open shows an address in a browser window of that size. The test is skipped where there is no Chromium; the environment's
// FOVEA_CHROMIUM names one that is not in the path. When the test ends, so does the browser.
func Open(t testing.TB, address string, width, height int64, dark bool) *Page {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(find(t)))
	if os.Geteuid() == 0 { // as which Chromium's sandbox does not run
		options = append(options, chromedp.NoSandbox)
	}
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(end)
	p := &Page{t: t}
	var endTab context.CancelFunc
	p.ctx, endTab = chromedp.NewContext(allocator)
	t.Cleanup(endTab)
	require.NoError(t, chromedp.Listen(p.ctx, p.hear))
	_, err := chromedp.Call(p.ctx, network.Enable, network.EnableParams{})
	require.NoError(t, err)
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}
	_, err = chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
	require.NoError(t, err)
	require.NoError(t, chromedp.Do(p.ctx, chromedp.EmulateViewport(width, height), chromedp.Navigate(address)))
	return p
}

func find(t testing.TB) string {
	if path := os.Getenv("FOVEA_CHROMIUM"); path != "" {
		return path
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("no Chromium: neither chromium nor google-chrome is in the path, and FOVEA_CHROMIUM is not set")
	return ""
}

// hear takes note of what the browser says of the tab.
func (p *Page) hear(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		p.problems = append(p.problems, fmt.Sprint(e.ExceptionDetails.Text, " ", e.ExceptionDetails.Exception.Description))
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "warning" {
			p.problems = append(p.problems, fmt.Sprintf("console.%s at %v", e.Type, e.StackTrace))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == "error" || e.Entry.Level == "warning" {
			p.problems = append(p.problems, e.Entry.Text+" "+e.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err == nil && u.Scheme != "data" && !slices.Contains(p.hosts, u.Host) {
			p.hosts = append(p.hosts, u.Host)
		}
	}
}

// Problems are the errors and warnings of the page so far.
func (p *Page) Problems() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.problems)
}

// Hosts are those that the page has asked for anything.
func (p *Page) Hosts() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.hosts)
}

// Wait waits until a JavaScript expression is true.
func (p *Page) Wait(expression string) {
	p.t.Helper()
	_, err := chromedp.Run(p.ctx, chromedp.Poll[chromedp.Void](expression,
		chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(patience)))
	require.NoError(p.t, err, "%s; the page has\n%s", expression, p.Text("body"))
}

// Text is what a reader sees of an element.
func (p *Page) Text(selector string) string {
	p.t.Helper()
	return Evaluate[string](p, fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector))
}

// Rows are the cells of the body of a table in an element.
func (p *Page) Rows(selector string) [][]string {
	p.t.Helper()
	const cells = "[...document.querySelectorAll(%q)].map((row) => [...row.cells].map((cell) => cell.innerText))"
	return Evaluate[[][]string](p, fmt.Sprintf(cells, selector+" tbody tr"))
}

// Evaluate is the value of a JavaScript expression.
func Evaluate[T any](p *Page, expression string) T {
	p.t.Helper()
	value, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression))
	require.NoError(p.t, err, expression)
	return value
}

// Screenshot is a PNG of what the window shows. If the environment's FOVEA_SCREENSHOTS names a folder, it is written there too,
// which is how the pictures of docs/live.md are made.
func (p *Page) Screenshot(name string) []byte {
	p.t.Helper()
	picture, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	require.NoError(p.t, err)
	if folder := os.Getenv("FOVEA_SCREENSHOTS"); folder != "" {
		require.NoError(p.t, os.WriteFile(filepath.Join(folder, name), picture, 0o666))
	}
	return picture
}

// RequireClean says that the page had no trouble, and asked nobody but the server.
func (p *Page) RequireClean(server string) {
	p.t.Helper()
	require.Empty(p.t, p.Problems())
	require.Equal(p.t, []string{strings.TrimPrefix(server, "http://")}, p.Hosts())
}
