package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"fovea/cmd/internal/cli"
	"fovea/device"
	"fovea/nn/zoo"
)

// The peers' programs. Each is protocol and networks, then its own part.
var (
	//go:embed peers/protocol.py
	protocolPy string
	//go:embed peers/networks.py
	networksPy string
	//go:embed peers/pytorch.py
	pytorchPy string
	//go:embed peers/onnxruntime.py
	onnxruntimePy string
)

// pythonVariable names the Python that has the peers.
const pythonVariable = "FOVEA_PEER_PYTHON"

// peer is another framework, driven through Python.
type peer struct {
	name    string
	program string
	cuda    bool // it is measured on GPUs too
	python  string
}

func (s *settings) findPeer(name string) (*peer, error) {
	p := &peer{name: name, python: cmp.Or(os.Getenv(pythonVariable), "python3")}
	switch name {
	case "pytorch":
		p.program, p.cuda = pytorchPy, true
	case "onnxruntime":
		p.program = onnxruntimePy
	default:
		return nil, cli.Usagef("--peer: %q, expected pytorch or onnxruntime", name)
	}
	switch {
	case s.ops:
		return nil, cli.Usagef("--peer and --ops: expected one or the other: peers are compared by whole steps")
	case s.scaling:
		return nil, cli.Usagef("--peer and --scaling: expected one or the other")
	case name == "onnxruntime" && s.training:
		return nil, cli.Usagef("--peer onnxruntime: it infers only, expected --work infer")
	}
	p.program = protocolPy + networksPy + p.program
	return p, nil
}

// fits refuses devices on which the peer has nothing to compare with.
func (p *peer) fits(name string) error {
	if name == "cpu" || p.cuda && strings.HasPrefix(name, "cuda:") {
		return nil
	}
	if p.cuda {
		return cli.Usagef("--peer %s: device %s, expected cpu or cuda", p.name, name)
	}
	return cli.Usagef("--peer %s: device %s, expected cpu", p.name, name)
}

// setting is one way to run the peer; the fastest counts.
type setting struct {
	ChannelsLast bool `json:"channels_last"`
	Compile      bool `json:"compile"`
	tuned        bool // glibc's allocator keeps what it took
}

func (s setting) String() string {
	words := []string{"NCHW"}
	if s.ChannelsLast {
		words[0] = "channels_last"
	}
	if s.Compile {
		words = append(words, "compiled")
	}
	if s.tuned {
		words = append(words, "malloc tuned")
	}
	return strings.Join(words, ", ")
}

// settingsOn lists the ways to run the peer's model on a device: on processors its layouts, each with the usual allocator
// and the tuned one, small networks compiled too; on GPUs channels_last, which is the faster there, piece by piece and
// compiled.
func (p *peer) settingsOn(name string, model zoo.Model) []setting {
	switch {
	case name != "cpu":
		return []setting{{ChannelsLast: true}, {ChannelsLast: true, Compile: true}}
	case p.name == "onnxruntime" || len(model.Sample) < 3: // lays its maps out as it likes, or there are none
		return []setting{{}, {tuned: true}}
	}
	all := []setting{{}, {ChannelsLast: true}, {tuned: true}, {ChannelsLast: true, tuned: true}}
	if small(model.Name) {
		all = append(all, setting{Compile: true, tuned: true}, setting{ChannelsLast: true, Compile: true, tuned: true})
	}
	return all
}

// job is what the peer is to prepare: our work.
type job struct {
	Work      string `json:"work"`
	Model     string `json:"model"`
	Classes   int    `json:"classes"`
	Sample    []int  `json:"sample"`
	Batch     int    `json:"batch"`
	Threads   int    `json:"threads"`
	Device    string `json:"device"`
	Precision string `json:"precision"` // fp32, tf32 or bf16
	Optimizer string `json:"optimizer"` // sgd or adam
	setting
}

// process is the peer at work: idle until it is told to run.
type process struct {
	*peer
	cmd        *exec.Cmd
	in         io.WriteCloser
	out        *bufio.Reader
	stderr     bytes.Buffer
	closeAtEnd func() bool // of the context; calling it takes that back
}

// answer is a line from the peer: about its modules, then about the job, then about each block.
type answer struct {
	Missing    []string `json:"missing"`
	Version    string   `json:"version"`
	Parameters int      `json:"parameters"`
	Seconds    float64  `json:"seconds"`
	Error      string   `json:"error"`
}

// start runs the peer's program, which says at once whether it has what it needs.
func (p *peer) start(ctx context.Context, threads int, tuned bool) (*process, error) {
	run := &process{peer: p, cmd: exec.CommandContext(ctx, p.python, "-u", "-c", p.program)}
	run.cmd.Env = environment(threads, tuned)
	run.cmd.Stderr = &run.stderr
	run.cmd.WaitDelay = time.Second // children of the peer may hold that open
	var err error
	if run.in, err = run.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("--peer %s: %w", p.name, err)
	}
	out, err := run.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("--peer %s: %w", p.name, err)
	}
	run.out = bufio.NewReader(out)
	run.closeAtEnd = context.AfterFunc(ctx, func() { out.Close() }) // children of the peer may hold it open
	if err := run.cmd.Start(); err != nil {
		run.closeAtEnd()
		return nil, fmt.Errorf("--peer %s: Python cannot be started: %w (%s names another)", p.name, err, pythonVariable)
	}
	first, err := run.read()
	if err == nil && len(first.Missing) > 0 {
		err = fmt.Errorf("--peer %s: %s has no module %s: install it there, or name another Python with %s",
			p.name, p.python, strings.Join(first.Missing, ", "), pythonVariable)
	}
	if err != nil {
		run.stop()
		return nil, err
	}
	return run, nil
}

// environment pins the peer's threads, and sets or clears the allocator's limits.
func environment(threads int, tuned bool) []string {
	ours := map[string]string{"OMP_NUM_THREADS": fmt.Sprint(threads), "MKL_NUM_THREADS": fmt.Sprint(threads),
		"MALLOC_MMAP_THRESHOLD_": "", "MALLOC_TRIM_THRESHOLD_": ""}
	if tuned {
		ours["MALLOC_MMAP_THRESHOLD_"], ours["MALLOC_TRIM_THRESHOLD_"] = "1073741824", "4294967296"
	}
	var all []string
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if _, set := ours[name]; !set {
			all = append(all, entry)
		}
	}
	for name, value := range ours {
		if value != "" {
			all = append(all, name+"="+value)
		}
	}
	return all
}

// send tells the peer something. That it went away shows when its answer is read.
func (r *process) send(line string) { io.WriteString(r.in, line+"\n") }

func (r *process) read() (a answer, err error) {
	line, err := r.out.ReadBytes('\n')
	if err != nil {
		r.in.Close()
		ended := r.cmd.Wait()
		return a, fmt.Errorf("--peer %s: %s ended before it answered (%v)%s", r.name, r.python, ended, lastLines(r.stderr.String()))
	}
	if err := json.Unmarshal(line, &a); err != nil {
		return a, fmt.Errorf("--peer %s: answer %.200q, expected a line of JSON", r.name, line)
	}
	if a.Error != "" {
		return a, &refusal{a.Error}
	}
	return a, nil
}

// refusal is a failure that the peer itself reports; another of its settings may do better.
type refusal struct{ text string }

func (e *refusal) Error() string { return e.text }

// lastLines is the end of what a program printed.
func lastLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if lines = lines[max(0, len(lines)-5):]; lines[0] == "" {
		return ""
	}
	return ":\n" + strings.Join(lines, "\n")
}

// run makes a block of n steps and returns its seconds.
func (r *process) run(n int) (float64, error) {
	r.send(fmt.Sprint(n))
	a, err := r.read()
	if err == nil && a.Seconds <= 0 {
		err = fmt.Errorf("--peer %s: %d steps in %v seconds, expected more than 0", r.name, n, a.Seconds)
	}
	return a.Seconds, err
}

func (r *process) stop() {
	r.in.Close()
	r.closeAtEnd()
	r.cmd.Process.Kill() // it holds nothing that must be put away
	r.cmd.Wait()
}

// present says whether the peer can be run at all.
func (p *peer) present(ctx context.Context) error {
	run, err := p.start(ctx, 1, false)
	if err != nil {
		return err
	}
	run.stop()
	return nil
}

// comparison is ours against the peer, in the JSON line of ours.
type comparison struct {
	Name     string           `json:"name"`
	Version  string           `json:"version"`
	Setting  string           `json:"setting"` // the fastest by its median
	Median   float64          `json:"median_images_per_s"`
	Ratio    float64          `json:"ratio"` // ours, beside it, to that setting's: above 1 ours is faster
	Settings []*settingResult `json:"settings"`
}

// settingResult is one setting of the peer, and what ours did in turns with it.
type settingResult struct {
	Setting    string  `json:"setting"`
	ImagesPerS float64 `json:"images_per_s,omitempty"`
	Median     float64 `json:"median_images_per_s,omitempty"`
	Ours       float64 `json:"ours_median_images_per_s,omitempty"`
	Ratio      float64 `json:"ratio,omitempty"` // of the medians
	RSS        float64 `json:"rss_mb,omitempty"`
	Error      string  `json:"error,omitempty"`
}

// compare measures ours in turns with each setting of the peer, of which one at a time is in memory.
func (p *peer) compare(ctx context.Context, ours *runner, s *settings, model zoo.Model, name string) (*comparison, error) {
	all := &comparison{Name: p.name}
	parameters := 0
	for _, v := range ours.net.Parameters {
		parameters += device.Size(v.Shape())
	}
	for _, set := range p.settingsOn(name, model) {
		j := job{Work: s.work(), Model: model.Name, Classes: model.Classes, Sample: model.Sample, Batch: s.batchOf(model.Name), Threads: s.options.Threads,
			Device: name, Precision: s.options.Precision.String(), Optimizer: optimiser(model.Name).Method, setting: set}
		result, version, err := p.alternate(ctx, ours, s.steps, j, parameters)
		var refused *refusal
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case errors.As(err, &refused):
			all.Settings = append(all.Settings, &settingResult{Setting: set.String(), Error: err.Error()})
			continue
		case err != nil:
			return nil, err
		}
		all.Settings = append(all.Settings, result)
		if result.Median > all.Median {
			all.Version, all.Setting, all.Median, all.Ratio = version, result.Setting, result.Median, result.Ratio
		}
	}
	if all.Median == 0 {
		return nil, fmt.Errorf("--peer %s: it failed in every setting; %s: %s", p.name, all.Settings[0].Setting, all.Settings[0].Error)
	}
	return all, nil
}

// alternate times blocks of ours and of the peer in turns: while one works the other is idle.
func (p *peer) alternate(ctx context.Context, ours *runner, steps int, j job, parameters int) (*settingResult, string, error) {
	run, err := p.start(ctx, j.Threads, j.tuned)
	if err != nil {
		return nil, "", err
	}
	defer func() {
		ours.load.guests += processSeconds(run.cmd.Process.Pid)
		run.stop()
	}()
	line, err := json.Marshal(j)
	if err != nil {
		return nil, "", err
	}
	run.send(string(line))
	ready, err := run.read() // after its first steps
	if err != nil {
		return nil, "", err
	}
	if ready.Parameters != parameters {
		return nil, "", fmt.Errorf("--peer %s: its %s has %d parameters, ours %d: that is not the same work", p.name, j.Model, ready.Parameters, parameters)
	}
	group, err := groupSize(run.run)
	if err != nil {
		return nil, "", err
	}
	var mine, theirs samples
	for range steps {
		if ctx.Err() != nil {
			return nil, "", context.Cause(ctx)
		}
		pause()
		seconds, err := ours.time()
		if err != nil {
			return nil, "", err
		}
		mine = append(mine, seconds)
		pause()
		if seconds, err = run.run(group); err != nil {
			return nil, "", err
		}
		theirs = append(theirs, seconds/float64(group))
	}
	batch := float64(j.Batch)
	return &settingResult{Setting: j.setting.String(), ImagesPerS: batch / theirs.best(), Median: batch / theirs.median(),
		Ours: batch / mine.median(), Ratio: theirs.median() / mine.median(), RSS: peakMB(run.cmd.Process.Pid)}, ready.Version, nil
}

// text says it for people.
func (c *comparison) text(l *stepLine) string {
	if c == nil {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s on %s: %.2f times as fast as %s %s (%s)\n", l.Work, l.Model, l.Device, c.Ratio, c.Name, c.Version, c.Setting)
	for _, s := range c.Settings {
		if s.Error != "" {
			fmt.Fprintf(&b, "  %s: failed: %s\n", s.Setting, s.Error)
			continue
		}
		fmt.Fprintf(&b, "  %s: median %.4g images/s (best %.4g), ours beside it %.4g, ratio %.2f, RSS %.0f MB\n", s.Setting, s.Median, s.ImagesPerS, s.Ours, s.Ratio, s.RSS)
	}
	return b.String()
}
