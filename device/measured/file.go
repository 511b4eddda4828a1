package measured

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode"
)

// File is what was chosen, by a text that says for what, in a file of the user's cache folder. A file that is missing, damaged
// or of a machine without a cache folder only costs measuring again.
type File[Choice any] struct {
	path  string
	known map[string]Choice
	dirty bool
}

// maxSize bounds the file; a large network adds about 20 kB.
const maxSize = 16 << 20

// Load reads the choices that were made on hardware of a name; kind says by which device or library.
func Load[Choice any](kind, hardware string) *File[Choice] {
	f := &File[Choice]{known: map[string]Choice{}}
	cache, err := os.UserCacheDir()
	if err != nil {
		return f
	}
	plain := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return '-'
	}, hardware)
	f.path = filepath.Join(cache, "fovea", fmt.Sprintf("%s-%s.json", kind, plain))
	if info, err := os.Stat(f.path); err != nil || info.Size() > maxSize {
		return f
	}
	content, err := os.ReadFile(f.path)
	if err != nil {
		return f
	}
	if json.Unmarshal(content, &f.known) != nil || f.known == nil { // nil: the file says null
		f.known = map[string]Choice{}
	}
	return f
}

// Find returns what was chosen for key.
func (f *File[Choice]) Find(key string) (c Choice, known bool) {
	c, known = f.known[key]
	return c, known
}

// Keys lists for what there are choices.
func (f *File[Choice]) Keys() []string {
	var keys []string
	for key := range f.known {
		keys = append(keys, key)
	}
	return keys
}

// Keep remembers a choice; Save writes it.
func (f *File[Choice]) Keep(key string, c Choice) { f.known[key], f.dirty = c, true }

// Save writes what is new. Two programs that save at once lose one's additions, no more. A folder that cannot be written (a
// container's, a full disk's) is no reason for a program to fail whose work is done.
func (f *File[Choice]) Save() {
	if !f.dirty || f.path == "" || os.MkdirAll(filepath.Dir(f.path), 0o777) != nil {
		return
	}
	text, err := json.Marshal(f.known)
	if err != nil {
		return
	}
	temporary := fmt.Sprintf("%s.%d.tmp", f.path, os.Getpid())
	if os.WriteFile(temporary, text, 0o666) != nil || os.Rename(temporary, f.path) != nil {
		_ = os.Remove(temporary)
		return
	}
	f.dirty = false
}
