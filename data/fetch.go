package data

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"fovea/data/atomic"
)

// file is a file known by its content.
type file struct {
	name        string
	size        int64
	md5, sha256 string // lower-case hexadecimal; SHA-256 "": not known
}

// source is a place that files can be had from.
type source struct {
	name string
	open func(ctx context.Context, name string) (io.ReadCloser, error)
	// from opens a file at offset, or before it, as start says; nil: the source is near, and files come whole or not at all.
	from func(ctx context.Context, name string, offset int64) (r io.ReadCloser, start int64, err error)
}

// store is a folder of files that are fetched where they are missing.
type store struct {
	dir     string // "": there is nowhere to keep files
	own     bool   // dir is the user's own: damage there is reported, not repaired
	sources []source
	log     func(format string, args ...any)
}

// newStore is where the files of a data set are kept: in opts.Dir if given, else in the user's cache folder, where the files
// are looked for in any case before the sources are asked.
func newStore(name string, opts Options, sources ...source) (store, error) {
	s := store{dir: opts.Dir, own: opts.Dir != "", log: func(format string, args ...any) { opts.log(name+": "+format, args...) }}
	cache, err := os.UserCacheDir()
	if err != nil {
		s.log("no cache folder: %v", err)
	} else {
		cache = filepath.Join(cache, "fovea", name)
	}
	switch {
	case s.own:
		// A folder that is not there is more likely a typing mistake than a wish.
		if err := checkFolder(s.dir); err != nil {
			return store{}, fmt.Errorf("data folder: %w", err)
		}
		if cache != "" {
			s.sources = append(s.sources, folder(cache))
		}
	case cache != "":
		if err := os.MkdirAll(cache, 0o777); err != nil {
			s.log("no cache folder: %v", err)
		} else {
			s.dir = cache
		}
	}
	s.sources = append(s.sources, sources...)
	return s, nil
}

// damaged says that a file is not the one expected.
type damaged struct{ where, problem string }

func (d *damaged) Error() string { return d.where + " is damaged: " + d.problem }

// check compares content, read at where, with what is known of f.
func (f file) check(where string, content []byte) error {
	if int64(len(content)) != f.size {
		return &damaged{where, fmt.Sprintf("expected %d bytes, found %d", f.size, len(content))}
	}
	sum5, sum256 := md5.Sum(content), sha256.Sum256(content)
	if got := hex.EncodeToString(sum5[:]); got != f.md5 {
		return &damaged{where, fmt.Sprintf("expected MD5 %s, found %s", f.md5, got)}
	}
	if got := hex.EncodeToString(sum256[:]); f.sha256 != "" && got != f.sha256 {
		return &damaged{where, fmt.Sprintf("expected SHA-256 %s, found %s", f.sha256, got)}
	}
	return nil
}

// read returns the content of f, whole and checked. It takes no more memory than f needs, however much r has.
func (f file) read(where string, r io.Reader) ([]byte, error) {
	content := make([]byte, f.size+1)
	n, err := io.ReadFull(r, content)
	if err == nil {
		return nil, &damaged{where, fmt.Sprintf("expected %d bytes, found more", f.size)}
	}
	if err != io.EOF && err != io.ErrUnexpectedEOF { // as at the end of a file, and where a download was cut
		return nil, err
	}
	if err := f.check(where, content[:n]); err != nil {
		return nil, err
	}
	return content[:n], nil
}

// get returns the content of f: from the folder, or from the first source that has it, and then it is kept in the folder.
func (s store) get(ctx context.Context, f file) ([]byte, error) {
	if s.dir != "" {
		atomic.ClearStale(s.dir, f.name)
		content, err := s.kept(f)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return content, err
		}
		held, waited, err := s.alone(ctx)
		if err != nil {
			return nil, fmt.Errorf("fetching %s: %w", f.name, err)
		}
		defer held.Release()
		if waited { // for one who wanted the same, most likely
			if content, err := s.kept(f); err == nil || !errors.Is(err, fs.ErrNotExist) {
				return content, err
			}
		}
	}
	content, err := s.fetch(ctx, f)
	if err != nil || s.dir == "" {
		return content, err
	}
	defer os.Remove(s.part(f))
	err = atomic.WriteFile(filepath.Join(s.dir, f.name), func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
	if err != nil && s.own {
		return nil, fmt.Errorf("could not keep %s: %w", f.name, err)
	}
	if err != nil {
		s.log("could not keep %s, it will be fetched again next time: %v", f.name, err)
	}
	return content, nil
}

// alone waits until no other program fetches files into the folder: two would write one part file.
func (s store) alone(ctx context.Context) (held *atomic.Held, waited bool, err error) {
	for {
		held, err := atomic.Lock(s.dir)
		if !errors.Is(err, atomic.ErrLocked) {
			return held, waited, nil // a folder that cannot be opened: keeping the file will say so
		}
		if !waited {
			waited = true
			s.log("another program fetches files into %s; waiting for it", s.dir)
		}
		select {
		case <-ctx.Done():
			return nil, waited, context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// kept reads f from the folder. In the cache a file that cannot be used is as good as missing; a damaged one is put aside.
func (s store) kept(f file) ([]byte, error) {
	path := filepath.Join(s.dir, f.name)
	content, err := openFile(path, f)
	if err == nil || s.own || errors.Is(err, fs.ErrNotExist) {
		return content, err
	}
	var damage *damaged
	if aside := path + ".damaged"; !errors.As(err, &damage) {
		s.log("%v; %s will be fetched", err, f.name)
	} else if failed := os.Rename(path, aside); failed != nil {
		s.log("%v, and could not be put aside (%v); it will be fetched again", damage, failed)
	} else {
		s.log("%v; it is now %s and will be fetched again", damage, aside)
	}
	return nil, fs.ErrNotExist
}

func openFile(path string, f file) ([]byte, error) {
	r, _, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return f.read(path, r)
}

// fetch asks each source in turn. The error of a fetch that failed everywhere has every source's reason.
func (s store) fetch(ctx context.Context, f file) ([]byte, error) {
	var reasons []error
	for _, from := range s.sources {
		content, err := s.fetchFrom(ctx, from, f)
		if err == nil {
			for _, r := range reasons {
				if !errors.Is(r, fs.ErrNotExist) {
					s.log("passed over %v", r)
				}
			}
			s.log("fetched %s (%d bytes) from %s", f.name, len(content), from.name)
			return content, nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("fetching %s: %w", f.name, context.Cause(ctx))
		}
		reasons = append(reasons, fmt.Errorf("%s: %w", from.name, err))
	}
	for i, r := range reasons {
		reasons[i] = fmt.Errorf("  %w", r)
	}
	return nil, fmt.Errorf("%s could not be had from any source:\n%w", f.name, errors.Join(reasons...))
}

func (s source) fetch(ctx context.Context, f file) ([]byte, error) {
	r, err := s.open(ctx, f.name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return f.read(f.name, r)
}

// folder is a source of files that are already on this machine.
func folder(dir string) source {
	return source{name: dir, open: func(_ context.Context, name string) (io.ReadCloser, error) {
		return openReader(filepath.Join(dir, name))
	}}
}

func openReader(path string) (io.ReadCloser, error) {
	r, _, err := openRegular(path)
	if err != nil {
		return nil, err // not r, which is a nil *os.File in an interface that is not nil
	}
	return r, nil
}

const moduleTimeout = 3 * time.Minute

// module is the folder sub of a Go module, which the go command fetches through the user's module proxy.
func module(version, sub string) source {
	var once sync.Once
	var dir string
	var err error
	return source{name: "Go module " + version, open: func(ctx context.Context, name string) (io.ReadCloser, error) {
		once.Do(func() { dir, err = downloadModule(ctx, version) })
		if err != nil {
			return nil, err
		}
		return openReader(filepath.Join(dir, sub, name))
	}}
}

func downloadModule(ctx context.Context, version string) (dir string, err error) {
	command, err := exec.LookPath("go")
	if err != nil {
		return "", errors.New("the go command is not in PATH")
	}
	// An empty folder, so that no module or workspace around the caller has a say.
	empty, err := os.MkdirTemp("", "fovea-module-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(empty)
	ctx, cancel := context.WithTimeout(ctx, moduleTimeout)
	defer cancel()
	var out, problems bytes.Buffer
	run := exec.CommandContext(ctx, command, "mod", "download", "-json", version)
	run.Dir, run.Stdout, run.Stderr = empty, &out, &problems
	run.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off", "GO111MODULE=on", "PWD="+empty)
	run.WaitDelay = 5 * time.Second
	failed := run.Run()
	if ctx.Err() != nil {
		return "", fmt.Errorf("go mod download: %w", context.Cause(ctx))
	}
	// On failure too the answer is on stdout, with Error set.
	var answer struct{ Dir, Error string }
	if err := json.Unmarshal(out.Bytes(), &answer); err != nil && failed == nil {
		return "", fmt.Errorf("go mod download: answer is not JSON: %w", err)
	}
	switch {
	case answer.Error != "":
		return "", fmt.Errorf("go mod download: %s", answer.Error)
	case failed != nil:
		return "", fmt.Errorf("go mod download: %w: %s", failed, strings.TrimSpace(problems.String()))
	case answer.Dir == "":
		return "", errors.New("go mod download: answer names no folder")
	}
	return answer.Dir, nil
}

// mirror is a web folder with the files.
func mirror(client *http.Client, base string) source {
	from := func(ctx context.Context, name string, offset int64) (io.ReadCloser, int64, error) {
		return openWeb(ctx, client, base+name, offset)
	}
	return source{name: base, from: from, open: func(ctx context.Context, name string) (io.ReadCloser, error) {
		r, _, err := from(ctx, name, 0)
		return r, err
	}}
}

// newClient returns a client that gives up on a server that is silent or slow, and does not leave HTTPS.
func newClient() *http.Client {
	return &http.Client{
		Timeout: 5 * time.Minute,
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSHandshakeTimeout:   10 * time.Second,
			ResponseHeaderTimeout: 20 * time.Second,
			ForceAttemptHTTP2:     true,
			// The files are gzip themselves, and their checksums are of the gzip.
			DisableCompression: true,
		},
		CheckRedirect: func(request *http.Request, via []*http.Request) error {
			if request.URL.Scheme != "https" {
				return fmt.Errorf("redirected to %s, expected https", request.URL)
			}
			if len(via) >= 5 {
				return errors.New("redirected more than 5 times")
			}
			return nil
		},
	}
}
