package data

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device/philox"
)

// tree writes files: pictures of one grey, which their content says ("grey 51", a fifth of white), or texts.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
		var grey int
		if _, err := fmt.Sscanf(content, "grey %d", &grey); err != nil {
			require.NoError(t, os.WriteFile(path, []byte(content), 0o666))
			continue
		}
		m := image.NewGray(image.Rect(0, 0, 20, 14))
		for i := range m.Pix {
			m.Pix[i] = color.Gray{uint8(grey)}.Y
		}
		f, err := os.Create(path)
		require.NoError(t, err)
		require.NoError(t, png.Encode(f, m)) // the name may say JPEG: the content decides
		require.NoError(t, f.Close())
	}
	return root
}

// shown lists a set: "class grey" of each sample, or "targets grey".
func shown(t testing.TB, set Set) []string {
	t.Helper()
	if set == nil {
		return nil
	}
	info := set.Info()
	x, y := make([]float32, info.Sample.TotalSize()), make([]float32, info.Targets)
	var all []string
	for i := range set.Len() {
		require.NoError(t, set.Read(i, x))
		what := any(set.Label(i))
		if info.Targets > 0 {
			set.Target(i, y)
			what = y
		}
		all = append(all, fmt.Sprintf("%v %.0f", what, 255*x[0]))
	}
	return all
}

func TestFolder(t *testing.T) {
	for _, row := range []struct {
		name             string
		files            map[string]string
		classes          []string
		train, val, test []string
	}{
		{"classes", map[string]string{"b/2.png": "grey 2", "a/1.JPEG": "grey 1", "b/deep/er/3.jpg": "grey 3", "b/notes.txt": "x", "readme": "x", ".git/4.png": "grey 4", "a/.5.png": "grey 5"},
			[]string{"a", "b"}, []string{"0 1", "1 2", "1 3"}, nil, nil},
		{"parts", map[string]string{"train/b/2.png": "grey 2", "train/a/1.png": "grey 1", "val/b/3.png": "grey 3", "test/a/4.png": "grey 4", "test/b/5.png": "grey 5"},
			[]string{"a", "b"}, []string{"0 1", "1 2"}, []string{"1 3"}, []string{"0 4", "1 5"}},
		{"validation", map[string]string{"train/a/1.png": "grey 1", "validation/a/2.png": "grey 2"}, []string{"a"}, []string{"0 1"}, []string{"0 2"}, nil},
		{"a class called test", map[string]string{"test/1.png": "grey 1", "other/2.png": "grey 2"}, []string{"other", "test"}, []string{"0 2", "1 1"}, nil, nil},
		{"targets", map[string]string{"targets.csv": "file,x,y\nsub/2.png,0.5,-1\n1.png,1e3,2\n", "sub/2.png": "grey 2", "1.png": "grey 1", "3.png": "grey 3"},
			nil, []string{"[0.5 -1] 2", "[1000 2] 1"}, nil, nil},
		{"targets in parts", map[string]string{"train/targets.csv": "2.png,0.5\n", "train/2.png": "grey 2", "test/targets.csv": "\"1.png\",7\n", "test/1.png": "grey 1"},
			nil, []string{"[0.5] 2"}, nil, []string{"[7] 1"}},
	} {
		sets, err := Open(t.Context(), "folder:"+tree(t, row.files), Options{Sample: tensor.Shape{1, 6, 8}})
		require.NoError(t, err, row.name)
		info := sets.Train.Info()
		require.Equal(t, row.classes, info.ClassNames, row.name)
		require.Equal(t, len(row.classes), info.Classes, row.name)
		require.Equal(t, row.train, shown(t, sets.Train), row.name)
		require.Equal(t, row.val, shown(t, sets.Validation), row.name)
		require.Equal(t, row.test, shown(t, sets.Test), row.name)
		require.Equal(t, 7, info.Resize, row.name) // 8/7 of 6
		require.Equal(t, greyMean, info.Mean)
	}
}

func TestFoldersThatDoNotFit(t *testing.T) {
	const pic = "grey 1"
	for _, row := range []struct {
		name  string
		files map[string]string
		opts  Options
		want  string
	}{
		{"nothing", map[string]string{"x.txt": ""}, Options{}, "ROOT: no folders in it, expected one for each class (or targets.csv, for a regression)"},
		{"no pictures", map[string]string{"a/x.txt": ""}, Options{}, "ROOT/a: no pictures in it, expected PNG, JPEG or GIF files"},
		{"one class empty", map[string]string{"a/1.png": pic, "b/x.txt": ""}, Options{}, "ROOT/b: no pictures in it"},
		{"another class", map[string]string{"train/a/1.png": pic, "test/b/1.png": pic}, Options{}, `ROOT/test: folder "b" is none of the 1 classes to train on`},
		{"empty test", map[string]string{"train/a/1.png": pic, "test/a/x": ""}, Options{}, "ROOT/test: no pictures in its folders"},
		{"no train", map[string]string{"val/a/1.png": pic, "test/a/1.png": pic}, Options{}, "folder ROOT: no folder train beside val and test"},
		{"targets of different number", map[string]string{"targets.csv": "a.png,1,2\nb.png,1\n"}, Options{}, "ROOT/targets.csv: line 2: 1 targets, expected 2, as the lines before"},
		{"no targets", map[string]string{"targets.csv": "a.png\n"}, Options{}, "ROOT/targets.csv: line 1: 0 targets, expected 1 to 4096"},
		{"target NaN", map[string]string{"targets.csv": "a.png,1\nb.png,nan\n"}, Options{}, `ROOT/targets.csv: line 2: target 1 is "nan", expected a finite number`},
		{"target text", map[string]string{"targets.csv": "f,x,y\na.png,1,two\n"}, Options{}, `line 2: target 2 is "two"`},
		{"foreign file", map[string]string{"targets.csv": "../a.png,1\n"}, Options{}, `line 1: file "../a.png", expected one within its folder`},
		{"only a heading", map[string]string{"targets.csv": "file,x\n"}, Options{}, "no pictures in it"},
		{"sample", map[string]string{"a/1.png": pic}, Options{Sample: tensor.Shape{2, 8, 8}}, "samples [2,8,8] of pictures, expected 1 or 3 channels"},
		{"resize", map[string]string{"a/1.png": pic}, Options{Sample: tensor.Shape{1, 8, 8}, Resize: 7}, "resized to a shorter side of 7, expected 8 (the sample's) to 65536"},
	} {
		root := tree(t, row.files)
		sets, err := Open(t.Context(), "folder:"+root, row.opts)
		require.ErrorContains(t, err, strings.ReplaceAll(row.want, "ROOT", root), row.name)
		require.Nil(t, sets)
		require.Equal(t, row.name == "sample" || row.name == "resize", errors.Is(err, ErrUsage), row.name)
	}
	_, err := Open(t.Context(), "folder:nowhere", Options{})
	require.EqualError(t, err, "folder: stat nowhere: no such file or directory")
	_, err = Open(t.Context(), "folder:folder_test.go", Options{})
	require.EqualError(t, err, "folder: folder_test.go is not a folder")
	// Links in a circle end.
	root := tree(t, map[string]string{"a/1.png": pic})
	require.NoError(t, os.Symlink(filepath.Join(root, "a"), filepath.Join(root, "a", "again")))
	_, err = Open(t.Context(), "folder:"+root, Options{})
	require.ErrorContains(t, err, "folders within folders, expected at most 16")
}

// numberedPictures are n pictures of two classes, of which bad are damaged.
func numberedPictures(t testing.TB, n int, bad ...int) (Set, string) {
	files := map[string]string{}
	for i := range n {
		files[fmt.Sprintf("%c/%03d.png", 'a'+i*2/n, i)] = fmt.Sprintf("grey %d", i+1)
	}
	for _, i := range bad {
		files[fmt.Sprintf("%c/%03d.png", 'a'+i*2/n, i)] = "no picture"
	}
	root := tree(t, files)
	sets, err := Open(t.Context(), "folder:"+root, Options{Sample: tensor.Shape{1, 6, 8}})
	require.NoError(t, err)
	return sets.Train, root
}

// noisy is a transform that shows whether its numbers are those of the sample, not of the worker or of the time.
type noisy struct{}

func (noisy) String() string { return "noisy" }
func (noisy) Apply(p Picture, random *philox.Source) {
	for i := range p.Values {
		p.Values[i] += float32(random.Float64())
	}
}

// gathered is an epoch as one text: what each batch has, bit by bit.
func gathered(t testing.TB, l *Loader, epoch int) string {
	t.Helper()
	var b strings.Builder
	for batch, err := range l.Epoch(t.Context(), epoch) {
		require.NoError(t, err)
		fmt.Fprintln(&b, batch.Indices, batch.Labels, batch.X.Data())
	}
	return b.String()
}

func TestSamplesDoNotDependOnWorkers(t *testing.T) {
	whole, _ := numberedPictures(t, 40, 3, 4, 39)
	train, _, err := Split(whole, 0.25, philox.Stream{Seed: 2}, true)
	require.NoError(t, err)
	count := 0
	var mu sync.Mutex
	tolerant := &Tolerant{Set: train, OnBad: func(*PictureError) {
		mu.Lock()
		defer mu.Unlock()
		count++
	}}
	make := func(workers int, seed uint64) *Loader {
		return &Loader{Set: tolerant, Batch: 7, Shuffle: true, Seed: seed, Crop: Resized{0.1, 1}, Transforms: []Transform{noisy{}}, Workers: workers}
	}
	first := gathered(t, make(1, 5), 3)
	bad := count
	require.NotZero(t, bad)
	for _, workers := range []int{0, 2, 3, 16} {
		count = 0
		require.Equal(t, first, gathered(t, make(workers, 5), 3), "%d workers", workers)
		require.Equal(t, bad, count, "%d workers", workers)
	}
	require.NotEqual(t, first, gathered(t, make(2, 5), 4), "another epoch")
	require.NotEqual(t, first, gathered(t, make(2, 6), 3), "another seed")
	// Resumed, it goes on as it was.
	var rest strings.Builder
	for batch, err := range make(2, 5).EpochFrom(t.Context(), 3, 2) {
		require.NoError(t, err)
		fmt.Fprintln(&rest, batch.Indices, batch.Labels, batch.X.Data())
	}
	require.True(t, strings.HasSuffix(first, rest.String()) && rest.Len() > 0, "what is read after two batches")
}

func TestDamagedPictures(t *testing.T) {
	set, root := numberedPictures(t, 12, 2, 3, 11)
	l := &Loader{Set: set, Batch: 5, Workers: 2}
	var failed error
	for _, err := range l.Epoch(t.Context(), 0) {
		failed = err
	}
	require.EqualError(t, failed, fmt.Sprintf(`loader of "folder:%s": sample 2: %s: not a picture, expected PNG, JPEG or GIF`, root, filepath.Join(root, "a", "002.png")))

	told := map[string]int{}
	var mu sync.Mutex
	l.Set = &Tolerant{Set: set, OnBad: func(err *PictureError) {
		mu.Lock()
		defer mu.Unlock()
		told[filepath.Base(err.Path)]++
	}}
	var indices []int
	var labels []int32
	for b, err := range l.Epoch(t.Context(), 0) {
		require.NoError(t, err)
		for k, i := range b.Indices {
			x := b.X.Data().([]float32)[k*48]
			require.InDelta(t, (float32(i+1)/255-greyMean[0])/greyDeviation[0], x, 1e-3, "sample %d", i)
		}
		indices, labels = append(indices, b.Indices...), append(labels, b.Labels...)
	}
	require.Equal(t, []int{0, 1, 4, 4, 4, 5, 6, 7, 8, 9, 10, 0}, indices) // the next good one, from the end on from the beginning
	require.Equal(t, []int32{0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0}, labels)
	require.Equal(t, map[string]int{"002.png": 1, "003.png": 2, "011.png": 1}, told)

	all, root := numberedPictures(t, 3, 0, 1, 2)
	for _, err := range (&Loader{Set: &Tolerant{Set: all, OnBad: func(*PictureError) {}}, Batch: 2}).Epoch(t.Context(), 0) {
		failed = err
	}
	require.ErrorContains(t, failed, "sample 0 and the 2 after it are damaged: "+filepath.Join(root, "b", "002.png"))
	// What is no picture's fault is an error in any case.
	for _, err := range (&Loader{Set: &Tolerant{Set: numbered{n: 3, broken: map[int]error{0: errors.New("broken")}}, OnBad: func(*PictureError) {}}, Batch: 2}).Epoch(t.Context(), 0) {
		failed = err
	}
	require.EqualError(t, failed, `loader of "numbered": sample 0: broken`)
}

// Workers that are fast wait for the consumer: memory is that of the buffers.
func TestWorkersAreHeldBack(t *testing.T) {
	set, _ := numberedPictures(t, 200)
	var before, after runtime.MemStats
	steps := 0
	for b, err := range (&Loader{Set: set, Batch: 4, Workers: 8, Crop: Resized{0.1, 1}}).Epoch(t.Context(), 0) {
		require.NoError(t, err)
		require.Len(t, b.Indices, 4)
		if steps++; steps == 5 {
			runtime.GC()
			runtime.ReadMemStats(&before)
		}
		if steps == 45 {
			runtime.GC()
			runtime.ReadMemStats(&after)
		}
	}
	require.Equal(t, 50, steps)
	require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(1<<20))
}

func TestNormaliseIsChecked(t *testing.T) {
	for _, info := range []Info{
		{Name: "s", Sample: tensor.Shape{2, 1, 1}, Mean: []float32{1}, Deviation: []float32{1}},
		{Name: "s", Sample: tensor.Shape{1, 1, 1}, Mean: []float32{1}},
		{Name: "s", Sample: tensor.Shape{1, 1, 1}, Mean: []float32{1}, Deviation: []float32{0}},
	} {
		for _, err := range (&Loader{Set: shaped{info}, Batch: 1}).Epoch(t.Context(), 0) {
			require.ErrorContains(t, err, `data set "s": `)
		}
	}
}

func TestImageNet(t *testing.T) {
	train := map[string]string{"n01/a.JPEG": "grey 1", "n02/b.JPEG": "grey 2", "n03/c.JPEG": "grey 3"}
	under := func(folder string, files ...map[string]string) map[string]string {
		all := map[string]string{}
		for name, content := range train {
			all[folder+"/"+name] = content
		}
		for _, more := range files {
			maps.Copy(all, more)
		}
		return all
	}
	flat := func(folder string) map[string]string {
		return map[string]string{folder + "/ILSVRC2012_val_00000001.JPEG": "grey 11", folder + "/ILSVRC2012_val_00000002.JPEG": "grey 12"}
	}
	const kit = "ILSVRC2012_devkit_t12/data/"
	meta := map[string]string{kit + "meta.txt": "1\tn03\tthird, last\n2 n01 first\n3 n02\n"}
	truth := func(text string) map[string]string {
		return map[string]string{kit + "ILSVRC2012_validation_ground_truth.txt": text}
	}
	for _, row := range []struct {
		name  string
		files map[string]string
		names []string
		val   []string
		want  string
	}{
		{"devkit", under("ILSVRC2012_img_train", flat("ILSVRC2012_img_val"), meta, truth("1\n2\n")), []string{"first", "n02", "third, last"}, []string{"2 11", "0 12"}, ""},
		{"folders", under("train", map[string]string{"val/n02/x.JPEG": "grey 9", "val/n01/y.JPEG": "grey 8"}), []string{"n01", "n02", "n03"}, []string{"0 8", "1 9"}, ""},
		{"words", under("train", map[string]string{"synset_words.txt": "n01 one\nn02 two, too\nn09 nine\n"}), []string{"one", "two, too", "n03"}, nil, ""},
		{"kaggle", under("ILSVRC/Data/CLS-LOC/train", flat("ILSVRC/Data/CLS-LOC/val"), map[string]string{
			"LOC_val_solution.csv":   "ImageId,PredictionString\nILSVRC2012_val_00000002,n03 1 2 3 4\nILSVRC2012_val_00000001,n02 1 2 3 4 n02 5 6 7 8\n",
			"LOC_synset_mapping.txt": "n01 one\nn02 two\nn03 three\n"}), []string{"one", "two", "three"}, []string{"1 11", "2 12"}, ""},
		{"no training pictures", map[string]string{"x": ""}, nil, nil, "no training pictures, expected one of the folders ILSVRC2012_img_train, train,"},
		{"flat without truth", under("train", flat("val")), nil, nil, "ROOT/val: pictures without folders, expected one for each class, or the devkit's ILSVRC2012_validation_ground_truth.txt"},
		{"no meta", under("train", flat("val"), truth("1\n2\n")), nil, nil, "no meta.mat beside it"},
		{"few labels", under("train", flat("val"), meta, truth("1\n")), nil, nil, "1 labels, expected 2, one for each picture"},
		{"many labels", under("train", flat("val"), meta, truth("1\n2\n3\n")), nil, nil, "line 3: more labels than the 2 pictures"},
		{"no such class", under("train", flat("val"), meta, truth("1\n9\n")), nil, nil, `line 2: "9", expected the number of a class in`},
		{"meta of others", under("train", flat("val"), map[string]string{kit + "meta.txt": "1 n99\n"}, truth("1\n1\n")), nil, nil, "line 1: class 1 is n99, which is none of the 3 classes to train on"},
		{"meta twice", under("train", flat("val"), map[string]string{kit + "meta.txt": "1 n01\n1 n02\n"}, truth("1\n1\n")), nil, nil, "meta.txt: class 1 for the second time"},
		{"meta binary", under("train", flat("val"), map[string]string{kit + "meta.txt": "MATLAB 5.0\n"}, truth("1\n1\n")), nil, nil, "line 1: \"MATLAB 5.0\", expected a class's number"},
		{"kaggle incomplete", under("train", flat("val"), map[string]string{"LOC_val_solution.csv": "ILSVRC2012_val_00000002,n03 1\n"}), nil, nil, `nothing about picture "ILSVRC2012_val_00000001.JPEG"`},
	} {
		root := tree(t, row.files)
		sets, err := Open(t.Context(), "imagenet:"+root, Options{Sample: tensor.Shape{1, 6, 8}})
		if row.want != "" {
			require.ErrorContains(t, err, strings.ReplaceAll(row.want, "ROOT", root), row.name)
			require.True(t, strings.HasPrefix(err.Error(), "imagenet: "), row.name)
			continue
		}
		require.NoError(t, err, row.name)
		require.Equal(t, []string{"0 1", "1 2", "2 3"}, shown(t, sets.Train), row.name)
		require.Equal(t, row.val, shown(t, sets.Validation), row.name)
		require.Equal(t, row.names, sets.Train.Info().ClassNames, row.name)
		require.Nil(t, sets.Test)
	}
}

func TestPlaces(t *testing.T) {
	pictures := map[string]string{"data_256_standard/a/airfield/1.jpg": "grey 1", "data_256_standard/z/zoo/2.jpg": "grey 2", "val_256/v1.jpg": "grey 3"}
	with := func(more map[string]string) map[string]string {
		all := maps.Clone(pictures)
		maps.Copy(all, more)
		return all
	}
	lists := map[string]string{"places365_train_standard.txt": "/z/zoo/2.jpg 1\n/a/airfield/1.jpg 0\n", "places365_val.txt": "v1.jpg 1\n"}
	changed := func(name, content string) map[string]string {
		more := maps.Clone(lists)
		more[name] = content
		return with(more)
	}
	for _, row := range []struct {
		name    string
		files   map[string]string
		classes []string
		train   []string
		val     []string
		want    string
	}{
		{"lists", changed("categories_places365.txt", "/a/airfield 0\n/z/zoo/outdoor 1\n"), []string{"airfield", "zoo/outdoor"}, []string{"1 2", "0 1"}, []string{"1 3"}, ""},
		{"without names", with(lists), nil, []string{"1 2", "0 1"}, []string{"1 3"}, ""},
		{"folders", map[string]string{"train/airfield/1.jpg": "grey 1", "train/zoo/2.jpg": "grey 2", "val/zoo/3.jpg": "grey 3"}, []string{"airfield", "zoo"}, []string{"0 1", "1 2"}, []string{"1 3"}, ""},
		{"nothing", map[string]string{"x": ""}, nil, nil, nil, "no list places365_train_standard.txt or"},
		{"no pictures", lists, nil, nil, nil, "no pictures for places365_train_standard.txt, expected one of the folders data_256_standard"},
		{"no label", changed("places365_val.txt", "v1.jpg\n"), nil, nil, nil, `places365_val.txt: line 1: "v1.jpg", expected a name, a space and a number`},
		{"large label", changed("places365_val.txt", "v1.jpg 2\n"), nil, nil, nil, "line 1: label 2, expected 0 to 1"},
		{"foreign", changed("places365_train_standard.txt", "/../../etc/passwd 0\n"), nil, nil, nil, "expected one within its folder"},
		{"gap in the names", changed("categories_places365.txt", "/a/airfield 0\n/z/zoo 2\n"), nil, nil, nil, "line 2: class 2, expected 1"},
		{"empty list", changed("places365_train_standard.txt", "\n"), nil, nil, nil, "no pictures in it"},
	} {
		sets, err := Open(t.Context(), "places:"+tree(t, row.files), Options{Sample: tensor.Shape{1, 6, 8}})
		if row.want != "" {
			require.ErrorContains(t, err, row.want, row.name)
			continue
		}
		require.NoError(t, err, row.name)
		require.Equal(t, row.train, shown(t, sets.Train), row.name)
		require.Equal(t, row.val, shown(t, sets.Validation), row.name)
		require.Equal(t, row.classes, sets.Train.Info().ClassNames, row.name)
		require.Equal(t, 2, sets.Train.Info().Classes, row.name)
	}
}

// Lists are read line by line, and a line that never ends is an error.
func TestLongLines(t *testing.T) {
	root := tree(t, map[string]string{"places365_train_standard.txt": strings.Repeat("x", 1<<20), "data_256/x.jpg": "grey 1"})
	_, err := Open(t.Context(), "places:"+root, Options{})
	require.ErrorContains(t, err, "token too long")
	require.True(t, slices.Contains(Names(), "places:PATH"))
}

func FuzzTargets(f *testing.F) {
	f.Add("file,x\na.png,1\n")
	f.Add("a.png,1,2\n\"b\n.png\",3,4\n")
	f.Fuzz(func(t *testing.T, text string) {
		p := &pictures{}
		if p.readTargets(strings.NewReader(text)) == nil {
			require.Len(t, p.targets, len(p.files)*p.info.Targets)
		}
	})
}
