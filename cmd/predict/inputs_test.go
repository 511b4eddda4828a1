package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fovea/cmd/internal/programtest"
)

// gallery is a folder of pictures: bars whose class is their file's number, in folders and links, and much that is none.
func gallery(t *testing.T) (root string) {
	t.Helper()
	root = t.TempDir()
	picture := func(path string, class int) {
		content, err := os.ReadFile(encode(t, "m"+filepath.Ext(path), bar(class, 24)))
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Join(root, filepath.Dir(path)), 0o777))
		require.NoError(t, os.WriteFile(filepath.Join(root, path), content, 0o666))
	}
	for path, class := range map[string]int{"b/1.png": 0, "b/deep/er/2.JPG": 1, "a.png": 2, "c.gif": 3, ".hidden.png": 0, ".git/x.png": 0} {
		picture(path, class)
	}
	require.NoError(t, os.WriteFile(filepath.Join(root, "b/notes.txt"), []byte("no picture"), 0o666))
	require.NoError(t, os.Symlink(root, filepath.Join(root, "b/deep/circle")))
	require.NoError(t, os.Symlink("../a.png", filepath.Join(root, "b/link.png")))
	return root
}

// Folders give their pictures in the order of names, however many are decoded at once; pictures, folders and arrays may be
// mixed.
func TestFolders(t *testing.T) {
	path, _ := save(t, &names, true, learn)
	root := gallery(t)
	x, _ := programtest.Bars(2, 8, 3)
	batch := npy(t, x, 2, 1, 8, 8)
	want := []string{"a.png: third", "b/1.png: first", "b/deep/er/2.JPG: second", "b/link.png: third", "c.gif: fourth"}
	var expected []string
	for _, w := range want {
		expected = append(expected, regexp.QuoteMeta(filepath.Join(root, w)))
	}
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(root, link))
	for _, row := range []struct {
		args []string
		want []string
	}{
		{[]string{root}, expected},
		{[]string{root + "/", "--workers", "3", "--batch", "2"}, expected},
		{[]string{link, "--workers", "1", "--batch", "1"}, []string{regexp.QuoteMeta(filepath.Join(link, want[0])), "", "", "", ""}},
		{[]string{filepath.Join(root, "c.gif"), batch, root, filepath.Join(root, "b")}, append(append([]string{expected[4],
			regexp.QuoteMeta(batch) + `\[0\]: first`, regexp.QuoteMeta(batch) + `\[1\]: second`}, expected...), expected[1:4]...)},
	} {
		r := programtest.Succeed(t, predict, append([]string{"--run", filepath.Dir(path), "--top-k", "1"}, row.args...)...)
		lines := strings.Split(strings.TrimSpace(r.Stdout), "\n")
		require.Len(t, lines, len(row.want), "%v: %s", row.args, r.Stdout)
		for i, line := range lines {
			require.Regexp(t, "^"+row.want[i], line, "%v", row.args)
		}
		require.Contains(t, r.Stderr, ": 2 files passed over that are not called .jpg", "notes.txt and the circle")
	}
}

// One damaged picture ends the program with its name; or it is passed over, named and counted, and all others are there.
func TestDamagedPicturesInFolders(t *testing.T) {
	path, _ := save(t, &names, true, learn)
	root := gallery(t)
	cut := filepath.Join(root, "b/1.png")
	content, err := os.ReadFile(cut)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(cut, content[:len(content)-20], 0o666))
	r := programtest.Run(predict, "--run", filepath.Dir(path), "--batch", "1", root)
	require.Equal(t, 1, r.Code)
	require.Regexp(t, `(?m)^program: `+regexp.QuoteMeta(cut)+`: damaged picture: .*unexpected EOF$`, r.Stderr)
	out := filepath.Join(t.TempDir(), "logits.npy")
	r = programtest.Succeed(t, predict, "--run", filepath.Dir(path), "--top-k", "1", "--on-bad-image", "skip", "--logits", out, "/nowhere.jpg", root)
	require.Len(t, strings.Split(strings.TrimSpace(r.Stdout), "\n"), 4)
	require.NotContains(t, r.Stdout, cut)
	require.Regexp(t, "passed over: "+regexp.QuoteMeta(cut)+": damaged picture: .*unexpected EOF\n", r.Stderr)
	require.Contains(t, r.Stderr, "passed over: /nowhere.jpg: no such file or directory\n")
	require.Contains(t, r.Stderr, "\n2 of 6 inputs passed over\n")
	require.Len(t, logits(t, out, 4, 4), 16, "rows of those that are printed")
}

// Standard input is a picture or an array, whatever it holds.
func TestStandardInput(t *testing.T) {
	path, _ := save(t, &names, true, learn)
	program := programtest.Build(t)
	read := func(file string) []byte {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		return content
	}
	x, _ := programtest.Bars(2, 8, 3)
	array, picture := read(npy(t, x, 2, 1, 8, 8)), read(encode(t, "m.jpg", bar(2, 32)))
	another := encode(t, "m.png", bar(3, 32))
	for _, row := range []struct {
		input  []byte
		more   []string
		code   int
		stdout string
		stderr string
	}{
		{picture, nil, 0, `^-: third \S+%\n$`, ""},
		{picture, []string{another}, 0, `^-: third \S+%\n.*m.png: fourth \S+%\n$`, ""},
		{array, nil, 0, `^-\[0\]: first \S+%\n-\[1\]: second \S+%\n$`, ""},
		{picture[:len(picture)/2], nil, 1, `^$`, `standard input: damaged picture: `},
		{array[:len(array)-1], nil, 1, `^$`, `npy "-": shape`},
		{nil, nil, 1, `^$`, `standard input: not a picture, expected PNG, JPEG or GIF`},
		{picture[:9], []string{"--on-bad-image", "skip", another}, 0, `^.*m.png: fourth \S+%\n$`, `passed over: standard input: `},
	} {
		cmd := exec.Command(program, append([]string{"--run", filepath.Dir(path), "--top-k", "1", "-"}, row.more...)...)
		var stdout, stderr bytes.Buffer
		cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(row.input), &stdout, &stderr
		cmd.Run()
		require.Equal(t, row.code, cmd.ProcessState.ExitCode(), stderr.String())
		require.Regexp(t, row.stdout, stdout.String())
		require.Contains(t, stderr.String(), row.stderr)
	}
}
