package data

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// shaky is a web server that answers in a way of its own each time.
type shaky struct {
	content []byte
	answers []func(w http.ResponseWriter, r *http.Request, content []byte)
	ranges  []string // asked for
}

func (s *shaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := min(len(s.ranges), len(s.answers)-1)
	s.ranges = append(s.ranges, r.Header.Get("Range"))
	s.answers[n](w, r, s.content)
}

// Ways to answer.
var (
	honest = func(w http.ResponseWriter, r *http.Request, content []byte) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}
	ignoresRange = func(w http.ResponseWriter, _ *http.Request, content []byte) { w.Write(content) }
	refuses      = func(w http.ResponseWriter, _ *http.Request, _ []byte) { http.Error(w, "no", http.StatusForbidden) }
	// What comes is right, but the connection breaks n bytes after where it began.
	breaksAfter = func(n int) func(http.ResponseWriter, *http.Request, []byte) {
		return func(w http.ResponseWriter, r *http.Request, content []byte) {
			from, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(r.Header.Get("Range"), "bytes="), "-"))
			w.Header().Set("Content-Length", strconv.Itoa(len(content)-from))
			if from > 0 {
				w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(content)-1, len(content)))
				w.WriteHeader(http.StatusPartialContent)
			}
			w.Write(content[from : from+n])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
	}
	otherRange = func(w http.ResponseWriter, _ *http.Request, content []byte) {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", len(content)-1, len(content)))
		w.WriteHeader(http.StatusPartialContent)
		w.Write(content)
	}
	lies = func(w http.ResponseWriter, r *http.Request, content []byte) {
		wrong := bytes.Clone(content)
		wrong[len(wrong)-1] ^= 1
		honest(w, r, wrong)
	}
	tooMuch = func(w http.ResponseWriter, _ *http.Request, content []byte) {
		w.Write(content)
		w.Write(content)
	}
)

func TestDownloadsGoOn(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789"), 100)
	f := fileOf("f", content)
	type answers = []func(http.ResponseWriter, *http.Request, []byte)
	for _, row := range []struct {
		name    string
		part    string // there before
		answers answers
		ranges  []string
		want    string // of the error
		left    string // in the part file
	}{
		{"at once", "", answers{honest}, []string{""}, "", ""},
		{"behind what is there", string(content[:300]), answers{honest}, []string{"bytes=300-"}, "", ""},
		{"all is there", string(content), answers{refuses}, nil, "", ""},
		{"breaks off twice", "", answers{breaksAfter(100), breaksAfter(250), honest}, []string{"", "bytes=100-", "bytes=350-"}, "", ""},
		{"breaks off for good", "", answers{breaksAfter(100), refuses}, []string{"", "bytes=100-"},
			`broke off after 100 bytes of 1000 (kept; the next attempt goes on there): answered "403 Forbidden", expected 200 OK`, string(content[:100])},
		{"makes no progress", "", answers{breaksAfter(100), breaksAfter(0)}, []string{"", "bytes=100-"}, "broke off after 100 bytes of 1000", string(content[:100])},
		{"ignores Range", string(content[:300]), answers{ignoresRange}, []string{"bytes=300-"}, "", ""},
		{"ignores Range and breaks off", strings.Repeat("x", 300), answers{func(w http.ResponseWriter, r *http.Request, content []byte) {
			r.Header.Del("Range")
			breaksAfter(100)(w, r, content)
		}}, []string{"bytes=300-"}, "broke off after 100 bytes of 1000", string(content[:100])},
		{"another range", string(content[:300]), answers{otherRange}, []string{"bytes=300-"},
			`answered with the range "bytes 0-999/1000", expected one from byte 300`, string(content[:300])},
		{"refuses", "", answers{refuses}, []string{""}, `answered "403 Forbidden"`, ""},
		{"wrong bytes", "", answers{lies}, []string{""}, "f is damaged: expected MD5", ""},
		{"wrong bytes in the part", strings.Repeat("x", 300), answers{honest}, []string{"bytes=300-", ""}, "", ""},
		{"wrong bytes twice", strings.Repeat("x", 300), answers{lies}, []string{"bytes=300-", ""}, "f is damaged: expected MD5", ""},
		{"a part too long", strings.Repeat("x", 3000), answers{honest}, []string{""}, "", ""},
		{"too much", "", answers{tooMuch}, []string{""}, "f is damaged: expected 1000 bytes, found more", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			server := &shaky{content: content, answers: row.answers}
			web := httptest.NewServer(server)
			defer web.Close()
			dir := t.TempDir()
			part := filepath.Join(dir, "f.part")
			if row.part != "" {
				require.NoError(t, os.WriteFile(part, []byte(row.part), 0o666))
			}
			s := newFetcher(dir, false)
			s.sources = []source{mirror(web.Client(), web.URL+"/")}
			got, err := s.get(t.Context(), f)
			require.Equal(t, row.ranges, server.ranges)
			left := files(t, dir)
			if row.want == "" {
				require.NoError(t, err)
				require.Equal(t, content, got)
				require.Equal(t, map[string]string{"f": string(content)}, left)
				return
			}
			require.ErrorContains(t, err, row.want)
			if row.left == "" {
				require.Empty(t, left)
				return
			}
			require.Equal(t, map[string]string{"f.part": row.left}, left)
			// Another run, with a server that is well again.
			server.answers, server.ranges = answers{honest}, nil
			got, err = s.get(t.Context(), f)
			require.NoError(t, err)
			require.Equal(t, content, got)
			require.Equal(t, []string{fmt.Sprintf("bytes=%d-", len(row.left))}, server.ranges)
			require.Equal(t, map[string]string{"f": string(content)}, files(t, dir))
		})
	}
}
