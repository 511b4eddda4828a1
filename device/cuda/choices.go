//go:build cuda

package cuda

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode"
)

// choices remembers which algorithm was measured to be fastest, in a file per GPU model and version of cuDNN in the user's
// cache folder. A file that is missing, damaged or of a machine without a cache folder only costs measuring again.
type choices struct {
	path  string
	known map[string]choice
	dirty bool
}

type choice struct {
	Number       int     `json:"algorithm"`
	Math         int     `json:"math"` // whether on tensor cores
	Milliseconds float64 `json:"milliseconds"`
}

// maxChoices bounds the file; a large network adds about 20 kB.
const maxChoices = 16 << 20

func loadChoices(gpu string, cudnn int) choices {
	c := choices{known: map[string]choice{}}
	cache, err := os.UserCacheDir()
	if err != nil {
		return c
	}
	plain := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return '-'
	}, gpu)
	c.path = filepath.Join(cache, "fovea", fmt.Sprintf("cudnn-%d-%s.json", cudnn, plain))
	if info, err := os.Stat(c.path); err != nil || info.Size() > maxChoices {
		return c
	}
	content, err := os.ReadFile(c.path)
	if err != nil {
		return c
	}
	if json.Unmarshal(content, &c.known) != nil || c.known == nil { // nil: the file says null
		c.known = map[string]choice{}
	}
	return c
}

func (c *choices) find(key string) (choice, bool) {
	found, known := c.known[key]
	return found, known
}

func (c *choices) keep(key string, v choice) { c.known[key], c.dirty = v, true }

// save writes what was measured. Two programs that save at once lose one's additions, no more. A folder that cannot be
// written (a container's, a full disk's) is no reason for a program to fail whose work is done.
func (c *choices) save() {
	if !c.dirty || c.path == "" || os.MkdirAll(filepath.Dir(c.path), 0o777) != nil {
		return
	}
	text, err := json.Marshal(c.known)
	if err != nil {
		return
	}
	temporary := fmt.Sprintf("%s.%d.tmp", c.path, os.Getpid())
	if os.WriteFile(temporary, text, 0o666) != nil || os.Rename(temporary, c.path) != nil {
		_ = os.Remove(temporary)
	}
}
