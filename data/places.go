package data

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"
)

func init() { Register("places:PATH", openPlaces) }

// What Places365 is made of: lists of pictures with their labels, and the folders that they unpack to.
var (
	placesTrain      = []string{"places365_train_standard.txt", "places365_train_challenge.txt", "places365_train.txt"}
	placesVal        = []string{"places365_val.txt"}
	placesCategories = []string{"categories_places365.txt"}
	placesTrainIn    = []string{"data_256_standard", "data_large_standard", "data_256_challenge", "data_large_challenge", "data_256", "data_large", "train"}
	placesValIn      = []string{"val_256", "val_large", "val"}
	placesLists      = []string{"", "filelist_places365-standard", "filelist_places365-challenge"}
)

// openPlaces opens Places365: its lists of pictures, or, where they are not, a folder for each class in train and val.
func openPlaces(ctx context.Context, root string, opts Options) (*Sets, error) {
	info, err := PictureInfo("places", opts)
	if err != nil {
		return nil, err
	}
	if err := checkFolder(root); err != nil {
		return nil, fmt.Errorf("places: %w", err)
	}
	list := placesFile(root, placesTrain)
	if list == "" {
		w := walker{ctx: ctx, log: opts.log}
		sets, err := w.placesFolders(info, root)
		if err != nil {
			return nil, fmt.Errorf("places: %w", err)
		}
		return sets, nil
	}
	sets, err := placesListed(info, root, list)
	if err != nil {
		return nil, fmt.Errorf("places: %w", err)
	}
	return sets, nil
}

func placesFile(root string, names []string) string {
	for _, place := range placesLists {
		if path := firstFile(filepath.Join(root, place), names...); path != "" {
			return path
		}
	}
	return ""
}

func (w *walker) placesFolders(info Info, root string) (*Sets, error) {
	dir := firstFolder(root, "train")
	if dir == "" {
		return nil, fmt.Errorf("%s: no list %s, and no folder train", root, strings.Join(placesTrain, " or "))
	}
	train, err := w.classes(info, dir)
	if err != nil {
		return nil, err
	}
	sets := &Sets{Train: train}
	if dir := firstFolder(root, "val"); dir != "" {
		about := train.info
		about.Name = "places (validation)"
		validation, err := w.classes(about, dir)
		if err != nil {
			return nil, err
		}
		sets.Validation = validation
	}
	return sets, nil
}

func placesListed(info Info, root, list string) (*Sets, error) {
	if path := placesFile(root, placesCategories); path != "" {
		if err := info.readCategories(path); err != nil {
			return nil, err
		}
	}
	train, err := listed(info, root, list, placesTrainIn)
	if err != nil {
		return nil, err
	}
	sets := &Sets{Train: train}
	if list := placesFile(root, placesVal); list != "" {
		about := train.info
		about.Name = "places (validation)"
		validation, err := listed(about, root, list, placesValIn)
		if err != nil {
			return nil, err
		}
		sets.Validation = validation
	}
	return sets, nil
}

// readCategories reads the names of the classes: "/a/airfield 0" in each line, in the order of the numbers.
func (i *Info) readCategories(path string) error {
	return eachLine(path, func(line string) error {
		name, number, err := nameAndNumber(line)
		if err != nil {
			return err
		}
		if number != i.Classes {
			return fmt.Errorf("class %d, expected %d", number, i.Classes)
		}
		name = strings.TrimPrefix(name, "/")
		if len(name) > 2 && name[1] == '/' { // the letter it begins with
			name = name[2:]
		}
		i.ClassNames = append(i.ClassNames, name)
		i.Classes++
		return nil
	})
}

// nameAndNumber takes a line of a list apart: all before the last space, and the number after it.
func nameAndNumber(line string) (name string, number int, err error) {
	space := strings.LastIndexAny(line, " \t")
	if space > 0 {
		name = strings.TrimSpace(line[:space])
		if number, err = strconv.Atoi(line[space+1:]); err == nil && number >= 0 && number <= math.MaxInt32 && name != "" {
			return name, number, nil
		}
	}
	return "", 0, fmt.Errorf("%.80q, expected a name, a space and a number", line)
}

// listed makes a set of the pictures in a list, which lie in the first of the folders that is there.
func listed(info Info, root, list string, folders []string) (*pictures, error) {
	dir := firstFolder(root, folders...)
	if dir == "" {
		return nil, fmt.Errorf("%s: no pictures for %s, expected one of the folders %s", root, filepath.Base(list), strings.Join(folders, ", "))
	}
	set := &pictures{info: info, dir: dir}
	most := 0
	err := eachLine(list, func(line string) error {
		name, label, err := nameAndNumber(line)
		if err != nil {
			return err
		}
		if info.Classes > 0 && label >= info.Classes {
			return fmt.Errorf("label %d, expected 0 to %d", label, info.Classes-1)
		}
		if name, err = local(name); err != nil {
			return err
		}
		set.files, set.labels, most = append(set.files, name), append(set.labels, int32(label)), max(most, label)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(set.files) == 0 {
		return nil, fmt.Errorf("%s: no pictures in it", list)
	}
	if info.Classes == 0 {
		set.info.Classes = most + 1
	}
	return set, nil
}
