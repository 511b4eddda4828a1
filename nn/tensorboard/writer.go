package tensorboard

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Pattern matches the names of event files, as path/filepath.Match does.
const Pattern = "events.out.tfevents.*"

// Writer writes an event file, for one goroutine. What is added is in the file when Add returns: TensorBoard, which keeps
// the file open, sees it soon, and a process that is killed leaves at most a last event that is cut, which TensorBoard
// passes over.
type Writer struct {
	file *os.File
	size int64 // of whole events
	err  error // of the first write that failed
}

// Create makes a new event file in a folder. Of earlier files, which are those of a training that is resumed, TensorBoard
// forgets all that they have from step from on. It reads a folder's files in the order of their names, which is that of
// time. (Its data server forgets a tag's values when a value of the same step or an earlier one comes: whoever resumes
// adds the value of step from again.)
func Create(dir string, from int) (*Writer, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	now := time.Now()
	for n := 0; ; n++ {
		name := fmt.Sprintf("%s%d.%s.%d.%d", strings.TrimSuffix(Pattern, "*"), now.Unix(), host, os.Getpid(), n)
		file, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		w := &Writer{file: file}
		if err := w.begin(now, from); err != nil {
			file.Close()
			os.Remove(file.Name())
			return nil, err
		}
		return w, nil
	}
}

// begin writes what TensorBoard expects first. It takes a folder's first start for the beginning and each other one as the
// sign that events from its step on are void.
func (w *Writer) begin(now time.Time, from int) error {
	if err := w.write(versionEvent(now)); err != nil {
		return err
	}
	return w.write(startEvent(now, from))
}

// Path is that of the file.
func (w *Writer) Path() string { return w.file.Name() }

// Add adds values at a step, which is usually the number of updates made.
func (w *Writer) Add(step int, values ...Value) error {
	for _, v := range values {
		if v.err != nil {
			return fmt.Errorf("%s: %w", w.Path(), v.err)
		}
	}
	return w.write(summaryEvent(time.Now(), step, values))
}

// write adds an event whole or not at all: after a cut one, a reader finds nothing any more.
func (w *Writer) write(event []byte) error {
	if w.err != nil {
		return w.err
	}
	framed := record(event)
	if _, err := w.file.Write(framed); err != nil {
		w.err = err
		w.file.Truncate(w.size)
		return err
	}
	w.size += int64(len(framed))
	return nil
}

// Close closes the file.
func (w *Writer) Close() error { return errors.Join(w.file.Sync(), w.file.Close()) }
