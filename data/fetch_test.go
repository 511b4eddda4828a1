package data

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fovea/data/internal/unprivileged"
)

// known is the file that these tests fetch.
var known = []byte("content of the file")

func fileOf(name string, content []byte) file {
	sum5, sum256 := md5.Sum(content), sha256.Sum256(content)
	return file{name, int64(len(content)), hex.EncodeToString(sum5[:]), hex.EncodeToString(sum256[:])}
}

// fake is a source that hands out content, or fails.
type fake struct {
	name    string
	content []byte
	err     error
}

// fetcher has sources that are counted, and what was logged.
type fetcher struct {
	store
	asked  []string
	logged []string
}

func newFetcher(dir string, own bool, sources ...fake) *fetcher {
	f := &fetcher{store: store{dir: dir, own: own}}
	f.log = func(format string, args ...any) { f.logged = append(f.logged, fmt.Sprintf(format, args...)) }
	for _, s := range sources {
		f.sources = append(f.sources, source{name: s.name, open: func(context.Context, string) (io.ReadCloser, error) {
			f.asked = append(f.asked, s.name)
			return io.NopCloser(bytes.NewReader(s.content)), s.err
		}})
	}
	return f
}

// files are the files in dir with their contents.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		found[e.Name()] = string(content)
	}
	return found
}

// Ways for a file to be wrong, with what is said of each.
func damages() map[string]struct{ content, problem string } {
	flipped := bytes.Clone(known)
	flipped[3] ^= 1
	return map[string]struct{ content, problem string }{
		"cut":        {string(known[:7]), "expected 19 bytes, found 7"},
		"empty":      {"", "expected 19 bytes, found 0"},
		"too long":   {string(known) + "!", "expected 19 bytes, found more"},
		"far longer": {strings.Repeat("x", 1<<20), "expected 19 bytes, found more"},
		"flipped":    {string(flipped), "expected MD5 " + fileOf("", known).md5 + ", found " + fileOf("", flipped).md5},
	}
}

func TestOwnFileIsUsedOrNamed(t *testing.T) {
	f := fileOf("f", known)
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	require.NoError(t, os.WriteFile(path, known, 0o444))
	s := newFetcher(dir, true, fake{"web", known, nil})
	content, err := s.get(t.Context(), f)
	require.NoError(t, err)
	require.Equal(t, known, content)
	require.Empty(t, s.asked)
	require.NoError(t, os.Remove(path))

	for name, damage := range damages() {
		require.NoError(t, os.WriteFile(path, []byte(damage.content), 0o666))
		content, err := s.get(t.Context(), f)
		require.EqualError(t, err, path+" is damaged: "+damage.problem, name)
		require.Nil(t, content, name)
		require.Equal(t, map[string]string{"f": damage.content}, files(t, dir), name)
		require.Empty(t, s.asked, "%s: a source was asked", name)
	}
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Mkdir(path, 0o777))
	_, err = s.get(t.Context(), f)
	require.EqualError(t, err, path+" is not a regular file")
}

func TestCachedFileIsUsedOrFetchedAgain(t *testing.T) {
	f := fileOf("f", known)
	for name, damage := range damages() {
		dir := t.TempDir()
		path := filepath.Join(dir, "f")
		require.NoError(t, os.WriteFile(path, []byte(damage.content), 0o666))
		for _, sources := range [][]fake{{{"web", known, nil}}, {}} { // the second time it is in the cache
			s := newFetcher(dir, false, sources...)
			content, err := s.get(t.Context(), f)
			require.NoError(t, err, name)
			require.Equal(t, known, content, name)
			require.Equal(t, map[string]string{"f": string(known), "f.damaged": damage.content}, files(t, dir), name)
			if s.asked == nil {
				require.Empty(t, s.logged, name)
				continue
			}
			require.Equal(t, []string{
				path + " is damaged: " + damage.problem + "; it is now " + path + ".damaged and will be fetched again",
				"fetched f (19 bytes) from web",
			}, s.logged, name)
		}
	}
}

// In the cache a folder of the file's name is in the way of keeping it, not of having it.
func TestCachedFileThatIsAFolder(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "f"), 0o777))
	s := newFetcher(dir, false, fake{"web", known, nil})
	content, err := s.get(t.Context(), fileOf("f", known))
	require.NoError(t, err)
	require.Equal(t, known, content)
	require.Len(t, s.logged, 3)
	require.Contains(t, s.logged[0], "f is not a regular file; f will be fetched")
	require.Contains(t, s.logged[2], "could not keep f, it will be fetched again next time: ")
}

func TestReadOnlyCacheStillWorks(t *testing.T) {
	f := fileOf("f", known)
	for name, c := range map[string]struct {
		there  string // "": nothing
		own    bool
		asked  []string
		logged []string
		err    string
	}{
		"whole":       {there: string(known)},
		"missing":     {asked: []string{"web"}, logged: []string{"fetched f", "could not keep f, it will be fetched again next time: "}},
		"damaged":     {there: "x", asked: []string{"web"}, logged: []string{"and could not be put aside (", "fetched f", "could not keep f"}},
		"own missing": {own: true, asked: []string{"web"}, logged: []string{"fetched f"}, err: "could not keep f: "},
	} {
		dir := unprivileged.Folder(t, 0o777)
		before := map[string]string{}
		if c.there != "" {
			before["f"] = c.there
			require.NoError(t, os.WriteFile(filepath.Join(dir, "f"), []byte(c.there), 0o444))
		}
		require.NoError(t, os.Chmod(dir, 0o555))
		s := newFetcher(dir, c.own, fake{"web", known, nil})
		var content []byte
		var err error
		unprivileged.Do(t, func() { content, err = s.get(t.Context(), f) })
		if c.err != "" {
			require.ErrorContains(t, err, c.err, name)
			require.ErrorIs(t, err, fs.ErrPermission, name)
		} else {
			require.NoError(t, err, name)
			require.Equal(t, known, content, name)
		}
		require.Equal(t, c.asked, s.asked, name)
		require.Equal(t, before, files(t, dir), name)
		require.Len(t, s.logged, len(c.logged), name)
		for i, want := range c.logged {
			require.Contains(t, s.logged[i], want, name)
		}
	}
}

func TestSourcesAreAskedInOrder(t *testing.T) {
	missing := &fs.PathError{Op: "open", Path: "f", Err: fs.ErrNotExist}
	good := func(name string) fake { return fake{name, known, nil} }
	for _, c := range []struct {
		name    string
		sources []fake
		asked   []string
		logged  []string
	}{
		{"first", []fake{good("a"), good("b")}, []string{"a"}, []string{"fetched f (19 bytes) from a"}},
		{"missing", []fake{{"a", nil, missing}, good("b"), good("c")}, []string{"a", "b"}, []string{"fetched f (19 bytes) from b"}},
		{"damaged", []fake{{"a", known[:7], nil}, {"b", nil, errors.New("broken")}, good("c")}, []string{"a", "b", "c"},
			[]string{"passed over a: f is damaged: expected 19 bytes, found 7", "passed over b: broken", "fetched f (19 bytes) from c"}},
	} {
		for _, dir := range []string{"", t.TempDir()} {
			s := newFetcher(dir, false, c.sources...)
			content, err := s.get(t.Context(), fileOf("f", known))
			require.NoError(t, err, c.name)
			require.Equal(t, known, content, c.name)
			require.Equal(t, c.asked, s.asked, c.name)
			require.Equal(t, c.logged, s.logged, c.name)
			if dir != "" {
				require.Equal(t, map[string]string{"f": string(known)}, files(t, dir), c.name)
			}
		}
	}
}

func TestEverySourceFails(t *testing.T) {
	dir := t.TempDir()
	elsewhere := t.TempDir()
	s := newFetcher(dir, false, fake{"a", known[:7], nil}, fake{"b", nil, errors.New("broken")}, fake{"c", []byte("another, long content"), nil})
	s.sources = append(s.sources, folder(elsewhere))
	content, err := s.get(t.Context(), fileOf("f", known))
	require.EqualError(t, err, "f could not be had from any source:\n"+
		"  a: f is damaged: expected 19 bytes, found 7\n"+
		"  b: broken\n"+
		"  c: f is damaged: expected 19 bytes, found more\n"+
		"  "+elsewhere+": stat "+filepath.Join(elsewhere, "f")+": no such file or directory")
	require.Nil(t, content)
	require.Empty(t, files(t, dir))
}

func TestSHA256IsChecked(t *testing.T) {
	f := fileOf("f", known)
	right := f.sha256
	f.sha256 = strings.Repeat("0", 64)
	_, err := newFetcher("", false, fake{"a", known, nil}).get(t.Context(), f)
	require.ErrorContains(t, err, "f is damaged: expected SHA-256 "+f.sha256+", found "+right)
}

func TestLongAnswerIsNotRead(t *testing.T) {
	endless := source{name: "endless", open: func(context.Context, string) (io.ReadCloser, error) {
		return io.NopCloser(endlessReader{}), nil
	}}
	var err error
	used := allocated(func() { _, err = endless.fetch(t.Context(), fileOf("f", known)) })
	require.EqualError(t, err, "f is damaged: expected 19 bytes, found more")
	require.Less(t, used, uint64(64<<10))
}

type endlessReader struct{}

func (endlessReader) Read(p []byte) (int, error) { return len(p), nil }

// allocated is how many bytes do asked for in all, which is never less than what it held at a time.
func allocated(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// serve starts an HTTPS server and returns a mirror of it that has newClient's manners.
func serve(t *testing.T, handler http.HandlerFunc) source {
	t.Helper()
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	client := newClient()
	transport := client.Transport.(*http.Transport)
	transport.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig
	t.Cleanup(transport.CloseIdleConnections)
	return mirror(client, server.URL+"/folder/")
}

func TestMirror(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(known) }))
	t.Cleanup(plain.Close)
	cut := func(w http.ResponseWriter) { // the connection ends before the body does
		w.WriteHeader(http.StatusOK)
		w.Write(known[:7])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		want   string // "": the file
	}{
		{"whole", func(w http.ResponseWriter, _ *http.Request) { w.Write(known) }, ""},
		{"in pieces", func(w http.ResponseWriter, _ *http.Request) {
			for i := range known {
				w.Write(known[i : i+1])
				w.(http.Flusher).Flush()
			}
		}, ""},
		{"redirected", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/folder/f" {
				http.Redirect(w, r, "/elsewhere/f", http.StatusFound)
				return
			}
			w.Write(known)
		}, ""},
		{"404", http.NotFound, `answered "404 Not Found", expected 200 OK`},
		{"204", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, `answered "204 No Content", expected 200 OK`},
		{"500 with the file", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); w.Write(known) }, `answered "500 Internal Server Error"`},
		{"a page", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>Sign in to this network</html>") }, "f is damaged: expected 19 bytes, found more"},
		{"cut", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "19"); cut(w) }, "broke off after 7 bytes of 19"},
		{"cut of unknown length", func(w http.ResponseWriter, _ *http.Request) { cut(w) }, "broke off after 7 bytes of 19"},
		{"no answer", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
		{"redirected to HTTP", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, plain.URL+"/f", http.StatusFound) },
			"redirected to " + plain.URL + "/f, expected https"},
		{"redirected in a ring", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) },
			"redirected more than 5 times"},
		{"compressing", func(w http.ResponseWriter, r *http.Request) { // the checksums are of the file as it is
			if kind := r.Header.Get("Accept-Encoding"); kind != "" {
				http.Error(w, "asked for "+kind, http.StatusBadRequest)
			}
			w.Write(known)
		}, ""},
	} {
		from := serve(t, c.answer)
		dir := t.TempDir()
		s := newFetcher(dir, false)
		s.sources = []source{from}
		content, err := s.get(t.Context(), fileOf("f", known))
		if c.want == "" {
			require.NoError(t, err, c.name)
			require.Equal(t, known, content, c.name)
			require.Equal(t, map[string]string{"f": string(known)}, files(t, dir), c.name)
			continue
		}
		require.ErrorContains(t, err, "f could not be had from any source:\n  "+from.name+": ", c.name)
		require.ErrorContains(t, err, c.want, c.name)
		require.Nil(t, content, c.name)
		left := map[string]string{}
		if strings.HasPrefix(c.name, "cut") {
			left["f.part"] = string(known[:7])
		}
		require.Equal(t, left, files(t, dir), c.name)
	}
}

func TestMirrorThatIsNotTrusted(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(known) }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{}
	server.StartTLS()
	defer server.Close()
	_, err := mirror(newClient(), server.URL+"/").fetch(t.Context(), fileOf("f", known))
	require.ErrorContains(t, err, "certificate")
}

func TestCancelledFetch(t *testing.T) {
	interrupted := errors.New("interrupted")
	for name, slow := range map[string]func(w http.ResponseWriter){
		"silent":   func(http.ResponseWriter) {},
		"half-way": func(w http.ResponseWriter) { w.Write(known[:7]); w.(http.Flusher).Flush() },
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		asked := make(chan bool)
		from := serve(t, func(w http.ResponseWriter, r *http.Request) {
			slow(w)
			asked <- true
			<-r.Context().Done()
		})
		go func() {
			<-asked
			cancel(interrupted)
		}()
		dir := t.TempDir()
		s := newFetcher(dir, false, fake{"after", known, nil})
		s.sources = append([]source{from}, s.sources...)
		begin := time.Now()
		_, err := s.get(ctx, fileOf("f", known))
		require.ErrorIs(t, err, interrupted, name)
		require.EqualError(t, err, "fetching f: interrupted", name)
		require.Less(t, time.Since(begin), 5*time.Second, name)
		require.Empty(t, s.asked, "%s: another source was asked", name)
		left := files(t, dir) // what came is kept for the next run, if it had come
		if content, kept := left["f.part"]; kept && name == "half-way" {
			require.Equal(t, string(known[:7]), content)
			delete(left, "f.part")
		}
		require.Empty(t, left, name)
	}
}

func TestMirrorThatIsSilent(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and never says a word
	require.NoError(t, err)
	defer listener.Close()
	client := newClient()
	require.Equal(t, 10*time.Second, client.Transport.(*http.Transport).TLSHandshakeTimeout)
	client.Transport.(*http.Transport).TLSHandshakeTimeout = 50 * time.Millisecond
	_, err = mirror(client, "https://"+listener.Addr().String()+"/").fetch(t.Context(), fileOf("f", known))
	require.ErrorContains(t, err, "TLS handshake timeout")
}
