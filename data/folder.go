package data

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func init() { Register("folder:PATH", openFolder) }

// openFolder opens a folder of pictures: a folder for each class, whose name is the class's; or, for a regression, pictures
// and a file targets.csv. There may be such folders for each of train, val and test; without, all is to train on.
func openFolder(ctx context.Context, root string, opts Options) (*Sets, error) {
	info, err := PictureInfo("folder:"+root, opts)
	if err != nil {
		return nil, err
	}
	if err := checkFolder(root); err != nil {
		return nil, fmt.Errorf("folder: %w", err)
	}
	w := walker{ctx: ctx, log: opts.log}
	parts := map[string]string{}
	for part, names := range partNames {
		if dir := firstFolder(root, names...); dir != "" {
			parts[part] = dir
		}
	}
	if parts["train"] == "" {
		if len(parts) > 0 && firstFolder(root, partNames["test"]...) != "" && firstFolder(root, partNames["val"]...) != "" {
			return nil, fmt.Errorf("folder %s: no folder train beside val and test", root)
		}
		parts = map[string]string{"train": root} // a class may be called test
	}
	open := w.classes
	if _, err := os.Stat(filepath.Join(parts["train"], targetsFile)); err == nil {
		open = w.regression
	}
	sets := &Sets{}
	train, err := open(info, parts["train"])
	if err != nil {
		return nil, fmt.Errorf("folder %w", err)
	}
	sets.Train = train
	for part, to := range map[string]*Set{"val": &sets.Validation, "test": &sets.Test} {
		if parts[part] == "" {
			continue
		}
		about := train.info
		about.Name += " (" + part + ")"
		set, err := open(about, parts[part])
		if err != nil {
			return nil, fmt.Errorf("folder %w", err)
		}
		*to = set
	}
	return sets, nil
}

var partNames = map[string][]string{"train": {"train"}, "val": {"val", "validation", "valid"}, "test": {"test"}}

// checkFolder says why dir cannot be one.
func checkFolder(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a folder", dir)
	}
	return nil
}

// firstFolder is the first of the folders in root that is there.
func firstFolder(root string, names ...string) string {
	for _, name := range names {
		if dir := filepath.Join(root, name); checkFolder(dir) == nil {
			return dir
		}
	}
	return ""
}

// firstFile is the first of the files in root that is there.
func firstFile(root string, names ...string) string {
	for _, name := range names {
		if info, err := os.Stat(filepath.Join(root, name)); err == nil && info.Mode().IsRegular() {
			return filepath.Join(root, name)
		}
	}
	return ""
}

// walker finds pictures.
type walker struct {
	ctx     context.Context
	log     func(format string, args ...any)
	ignored int // files that are no pictures, by their names
}

// maxDepth bounds folders within folders: links may lead in a circle.
const maxDepth = 16

// IsPicture goes by a file's name alone; what it holds decides when it is read.
func IsPicture(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".jpg", ".jpeg", ".png", ".gif":
		return true
	}
	return false
}

// classes makes a set of the pictures in dir, a folder for each class in the order of their names. If info has classes
// already, dir may have no others.
func (w *walker) classes(info Info, dir string) (*pictures, error) {
	names, err := w.folders(dir)
	if err != nil {
		return nil, err
	}
	known := info.ClassNames
	if known == nil {
		if len(names) == 0 {
			return nil, fmt.Errorf("%s: no folders in it, expected one for each class (or %s, for a regression)", dir, targetsFile)
		}
		info.ClassNames, info.Classes = names, len(names)
	}
	set := &pictures{info: info, dir: dir}
	for _, name := range names {
		label, found := slices.BinarySearch(info.ClassNames, name)
		if !found {
			return nil, fmt.Errorf("%s: folder %q is none of the %d classes to train on", dir, name, info.Classes)
		}
		before := len(set.files)
		if set.files, err = w.walk(set.files, dir, name, 0); err != nil {
			return nil, err
		}
		if len(set.files) == before && known == nil {
			return nil, fmt.Errorf("%s: no pictures in it, expected %s files", filepath.Join(dir, name), pictureFormats)
		}
		for range len(set.files) - before {
			set.labels = append(set.labels, int32(label))
		}
	}
	if len(set.files) == 0 {
		return nil, fmt.Errorf("%s: no pictures in its folders, expected %s files", dir, pictureFormats)
	}
	if w.ignored > 0 {
		w.log("%s: %d files passed over that are not called .jpg, .jpeg, .png or .gif", dir, w.ignored)
		w.ignored = 0
	}
	return set, nil
}

// folders are the folders in dir, sorted, without hidden ones.
func (w *walker) folders(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if e.IsDir() || e.Type()&fs.ModeSymlink != 0 && checkFolder(filepath.Join(dir, e.Name())) == nil {
			names = append(names, e.Name())
		} else {
			w.ignored++
		}
	}
	return names, nil
}

// walk adds the pictures below dir/name, sorted.
func (w *walker) walk(files []string, dir, name string, depth int) ([]string, error) {
	if err := context.Cause(w.ctx); err != nil {
		return nil, err
	}
	at := filepath.Join(dir, name)
	if depth > maxDepth {
		return nil, fmt.Errorf("%s: folders within folders, expected at most %d", at, maxDepth)
	}
	entries, err := os.ReadDir(at)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		path := name + string(filepath.Separator) + e.Name()
		switch {
		case strings.HasPrefix(e.Name(), "."):
		case e.IsDir() || e.Type()&fs.ModeSymlink != 0 && checkFolder(filepath.Join(dir, path)) == nil:
			if files, err = w.walk(files, dir, path, depth+1); err != nil {
				return nil, err
			}
		case IsPicture(e.Name()):
			files = append(files, path)
		default:
			w.ignored++
		}
	}
	return files, nil
}

// local refuses a name in a list that leads out of its folder.
func local(name string) (string, error) {
	name = filepath.FromSlash(strings.TrimLeft(name, "/"))
	if !filepath.IsLocal(name) {
		return "", errors.New("file " + fmt.Sprintf("%.80q", name) + ", expected one within its folder")
	}
	return name, nil
}
