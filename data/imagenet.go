package data

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

func init() { Register("imagenet:PATH", openImageNet) }

// Where the parts of ImageNet (ILSVRC 2012) lie: as its archives unpack, as most programs want them, as Kaggle has them.
var (
	imageNetTrain = []string{"ILSVRC2012_img_train", "train", "ILSVRC/Data/CLS-LOC/train", "Data/CLS-LOC/train"}
	imageNetVal   = []string{"ILSVRC2012_img_val", "val", "ILSVRC/Data/CLS-LOC/val", "Data/CLS-LOC/val"}
	imageNetTruth = []string{"ILSVRC2012_validation_ground_truth.txt"}
	imageNetMeta  = []string{"meta.mat", "meta.txt"}
	imageNetWords = []string{"LOC_synset_mapping.txt", "synset_words.txt"}
	devkit        = []string{"", "ILSVRC2012_devkit_t12/data", "data", "devkit/data", "ILSVRC2012_devkit_t12"}
	kaggleTruth   = []string{"LOC_val_solution.csv"}
)

// openImageNet opens ImageNet: training pictures in a folder for each class, called by its WordNet number; validation
// pictures likewise, or all in one folder with the devkit's list of what they show. The classes are in the order of their
// WordNet numbers, as torchvision's networks have them.
func openImageNet(ctx context.Context, root string, opts Options) (*Sets, error) {
	info, err := PictureInfo("imagenet", opts)
	if err != nil {
		return nil, err
	}
	sets, err := imageNet(ctx, info, root, opts)
	if err != nil {
		return nil, fmt.Errorf("imagenet: %w", err)
	}
	return sets, nil
}

func imageNet(ctx context.Context, info Info, root string, opts Options) (*Sets, error) {
	if err := checkFolder(root); err != nil {
		return nil, err
	}
	dir := firstFolder(root, imageNetTrain...)
	if dir == "" {
		return nil, fmt.Errorf("%s: no training pictures, expected one of the folders %s", root, strings.Join(imageNetTrain, ", "))
	}
	w := walker{ctx: ctx, log: opts.log}
	train, err := w.classes(info, dir)
	if err != nil {
		return nil, err
	}
	sets := &Sets{Train: train}
	about := train.info
	about.Name = "imagenet (validation)"
	var validation *pictures
	if dir := firstFolder(root, imageNetVal...); dir != "" {
		if validation, err = w.imageNetVal(about, root, dir); err != nil {
			return nil, err
		}
		sets.Validation = validation
	}
	words, err := imageNetNames(root)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(train.info.ClassNames))
	for i, number := range train.info.ClassNames {
		names[i] = number
		if known := words[number]; known != "" {
			names[i] = known
		}
	}
	train.info.ClassNames = names
	if validation != nil {
		validation.info.ClassNames = names
	}
	return sets, nil
}

// imageNetVal makes the validation set of the pictures in dir.
func (w *walker) imageNetVal(info Info, root, dir string) (*pictures, error) {
	folders, err := w.folders(dir)
	if err != nil {
		return nil, err
	}
	w.ignored = 0
	if len(folders) > 0 {
		return w.classes(info, dir)
	}
	set := &pictures{info: info, dir: dir}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if IsPicture(e.Name()) {
			set.files = append(set.files, e.Name())
		}
	}
	if len(set.files) == 0 {
		return nil, fmt.Errorf("%s: no pictures in it", dir)
	}
	if set.labels, err = imageNetLabels(info.ClassNames, root, dir, set.files); err != nil {
		return nil, err
	}
	return set, nil
}

// imageNetLabels finds out what the pictures in one folder show.
func imageNetLabels(classes []string, root, dir string, files []string) ([]int32, error) {
	if truth := firstWithin(root, imageNetTruth); truth != "" {
		meta := firstWithin(root, imageNetMeta)
		if meta == "" {
			return nil, fmt.Errorf("%s: no %s beside it, expected the devkit's, or a %s with a line for each class: its number in the devkit, its WordNet number", truth, imageNetMeta[0], imageNetMeta[1])
		}
		return devkitLabels(classes, truth, meta, files)
	}
	if truth := firstWithin(root, kaggleTruth); truth != "" {
		return kaggleLabels(classes, truth, files)
	}
	return nil, fmt.Errorf("%s: pictures without folders, expected one for each class, or the devkit's %s", dir, imageNetTruth[0])
}

// firstWithin looks for a file at the places of the devkit.
func firstWithin(root string, names []string) string {
	for _, place := range devkit {
		if path := firstFile(filepath.Join(root, place), names...); path != "" {
			return path
		}
	}
	return ""
}

// devkitLabels reads the devkit's list: a number in each line, for the pictures in the order of their names. Which class a
// number stands for is in meta.
func devkitLabels(classes []string, truth, meta string, files []string) ([]int32, error) {
	all, err := devkitClasses(meta)
	if err != nil {
		return nil, err
	}
	byNumber := map[int]string{}
	for _, c := range all {
		if byNumber[c.number] != "" {
			return nil, fmt.Errorf("%s: class %d for the second time", meta, c.number)
		}
		byNumber[c.number] = c.wordNet
	}
	labels := make([]int32, 0, len(files))
	err = eachLine(truth, func(line string) error {
		number, err := strconv.Atoi(line)
		if err != nil || byNumber[number] == "" {
			return fmt.Errorf("%.40q, expected the number of a class in %s", line, meta)
		}
		label, found := slices.BinarySearch(classes, byNumber[number])
		if !found {
			return fmt.Errorf("class %d is %s, which is none of the %d classes to train on", number, byNumber[number], len(classes))
		}
		if len(labels) == len(files) {
			return fmt.Errorf("more labels than the %d pictures", len(files))
		}
		labels = append(labels, int32(label))
		return nil
	})
	if err == nil && len(labels) != len(files) {
		err = fmt.Errorf("%s: %d labels, expected %d, one for each picture", truth, len(labels), len(files))
	}
	return labels, err
}

// kaggleLabels reads Kaggle's list: the picture's name, a comma, and what is in it, first of all the WordNet number.
func kaggleLabels(classes []string, truth string, files []string) ([]int32, error) {
	shown := map[string]int32{}
	first := true
	err := eachLine(truth, func(line string) error {
		name, what, _ := strings.Cut(line, ",")
		if heading := first; heading {
			if first = false; name == "ImageId" {
				return nil
			}
		}
		words := strings.Fields(what)
		if len(words) == 0 {
			return fmt.Errorf("%.80q, expected a picture, a comma, and the WordNet number of what it shows", line)
		}
		label, found := slices.BinarySearch(classes, words[0])
		if !found {
			return fmt.Errorf("%.40q is none of the %d classes to train on", words[0], len(classes))
		}
		shown[name] = int32(label)
		return nil
	})
	if err != nil {
		return nil, err
	}
	labels := make([]int32, len(files))
	for i, file := range files {
		label, known := shown[strings.TrimSuffix(file, filepath.Ext(file))]
		if !known {
			return nil, fmt.Errorf("%s: nothing about picture %q", truth, file)
		}
		labels[i] = label
	}
	return labels, nil
}

// imageNetNames are the words for each WordNet number, where a file has them: the devkit's, or one with a number in each line, then
// its words.
func imageNetNames(root string) (map[string]string, error) {
	names := map[string]string{}
	if path := firstWithin(root, imageNetMeta); path != "" {
		all, err := devkitClasses(path)
		if err != nil {
			return nil, err
		}
		for _, c := range all {
			names[c.wordNet] = c.words
		}
	}
	if path := firstWithin(root, imageNetWords); path != "" {
		err := eachLine(path, func(line string) error {
			if words := strings.Fields(line); len(words) > 1 {
				names[words[0]] = strings.Join(words[1:], " ")
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return names, nil
}
