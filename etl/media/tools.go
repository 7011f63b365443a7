package media

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/netflixathome/cinema/internal/blob"
	"github.com/netflixathome/cinema/internal/fault"
)

// ToolsConfig says where ffmpeg is and how tightly it is held.
type ToolsConfig struct {
	FFmpeg, FFprobe string // absolute paths; engines/ffmpeg finds them
	// WorkDir is a folder for private work, made when missing. On the object
	// store's file system a film is linked into it, elsewhere copied. For the
	// tools to run as Nobody each of its parents must be open to others (o+x).
	WorkDir string
	Nice    int // 0 means 10
	// MemoryBytes bounds the address space; 0 means 6 GiB.
	MemoryBytes int64
	Threads     int // of the encoder; 0 means one per core
	// Nobody is the user and group the tools run as when we are root; 0 means
	// 65534.
	Nobody uint32
	Log    *slog.Logger
}

// Tools runs ffmpeg and ffprobe on files from outside.
type Tools struct {
	c ToolsConfig
	// drop is set when the tools run as c.Nobody.
	drop bool
}

// NewTools checks the configuration and makes the work folder.
func NewTools(c ToolsConfig) (*Tools, error) {
	if c.FFmpeg == "" || c.FFprobe == "" || c.WorkDir == "" || c.Log == nil {
		return nil, errors.New("media: the tools need ffmpeg, ffprobe, a work folder and a log")
	}
	if c.Nice == 0 {
		c.Nice = 10
	}
	if c.MemoryBytes == 0 {
		c.MemoryBytes = 6 << 30
	}
	if c.Nobody == 0 {
		c.Nobody = 65534
	}
	var err error
	if c.WorkDir, err = filepath.Abs(c.WorkDir); err != nil {
		return nil, fmt.Errorf("media: %w", err)
	}
	if err := os.MkdirAll(c.WorkDir, 0o711); err != nil {
		return nil, fmt.Errorf("media: make the work folder: %w", err)
	}
	// What a killed process left; a day is longer than any step may take.
	left, err := os.ReadDir(c.WorkDir)
	if err != nil {
		return nil, fmt.Errorf("media: read the work folder: %w", err)
	}
	for _, e := range left {
		name := e.Name()
		ours := strings.HasPrefix(name, "job-") || strings.HasPrefix(name, "inspect-")
		if st, err := e.Info(); err == nil && ours && time.Since(st.ModTime()) > 24*time.Hour {
			_ = os.RemoveAll(filepath.Join(c.WorkDir, name))
		}
	}
	t := &Tools{c: c}
	if os.Geteuid() == 0 {
		t.drop = reachable(c.WorkDir) && reachable(filepath.Dir(c.FFmpeg)) && reachable(filepath.Dir(c.FFprobe))
		if !t.drop {
			c.Log.Warn("ffmpeg runs as root: a parent of the work folder or of ffmpeg is closed to others", "workDir", c.WorkDir)
		}
	}
	return t, nil
}

// reachable reports whether any user may pass through dir and its parents.
func reachable(dir string) bool {
	for {
		st, err := os.Stat(dir)
		if err != nil || st.Mode()&0o001 == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
		dir = filepath.Dir(dir)
	}
}

// run is one run of a tool.
type run struct {
	bin  string
	args []string
	dir  string // private folder with the input; the working directory
	wall time.Duration
	// outBytes bounds all files in dir together, and each of them.
	outBytes int64
	// progress gets ffmpeg's progress; nil for ffprobe, whose output is
	// returned instead.
	progress func(Progress)
}

// Progress is what ffmpeg says of itself, twice a second.
type Progress struct {
	OutMs int64
	Speed float64 // times real time; 0 when not known
}

const (
	maxAnswer  = 8 << 20 // of ffprobe
	maxStderr  = 8 << 10
	watchEvery = time.Second
)

var (
	errOutput = errors.New("the output grew over its bound")
	errWall   = errors.New("the tool took too long")
)

// do runs a tool to its end. The whole process group is killed when ctx ends
// or a bound is reached.
func (t *Tools) do(ctx context.Context, r run) ([]byte, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	wall := time.AfterFunc(r.wall, func() { cancel(errWall) })
	defer wall.Stop()

	// sh sets the limits on itself and then becomes nice and the tool: there
	// is no moment in which the tool runs without them. Arguments pass as
	// "$@", unread by the shell. A system that lacks one limit goes without.
	const script = `ulimit -c 0 2>/dev/null; ulimit -v "$1" 2>/dev/null; ulimit -f "$2" 2>/dev/null; ulimit -t "$3" 2>/dev/null; n="$4"; shift 4; exec nice -n "$n" "$@"`
	cpu := int64(r.wall.Seconds())*int64(runtime.NumCPU()) + 10
	args := append([]string{"-c", script, "sh",
		strconv.FormatInt(t.c.MemoryBytes>>10, 10), strconv.FormatInt(r.outBytes/512+1, 10),
		strconv.FormatInt(cpu, 10), strconv.Itoa(t.c.Nice), r.bin}, r.args...)
	cmd := exec.CommandContext(ctx, "/bin/sh", args...)
	cmd.Dir = r.dir
	cmd.Env = []string{} // nothing: no proxy, no library path, no secret
	cmd.SysProcAttr = sysProcAttr()
	if t.drop {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: t.c.Nobody, Gid: t.c.Nobody}
	}
	// The child is in a group of its own: a kill takes all of it.
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	out := &lines{limit: maxAnswer, progress: r.progress, full: func() { cancel(errOutput) }}
	stderr := &tail{limit: maxStderr}
	cmd.Stdout, cmd.Stderr = out, stderr

	done := make(chan error, 1)
	go func() {
		// The child dies with the thread that started it (Pdeathsig), so that
		// thread must live until the child has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			done <- err
			return
		}
		err := cmd.Wait()
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what the tool itself left behind
		done <- err
	}()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	var err error
wait:
	for {
		select {
		case err = <-done:
			break wait
		case <-tick.C:
			if size, full := folder(r.dir); size > r.outBytes || full {
				cancel(errOutput)
			}
		}
	}
	if err == nil {
		return out.buf.Bytes(), nil
	}
	said := stderr.String()
	cause := context.Cause(ctx)
	switch {
	case errors.Is(cause, errWall), errors.Is(cause, errOutput):
		return nil, refuse(ReasonLimit, "The film could not be worked on within the limits: %s.", cause).Because(errors.New(said))
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case strings.Contains(said, "No space left on device"):
		return nil, fault.New(fault.Unavailable, "The disk is full: free some space and try again.").WithReason(blob.ReasonDiskFull).Because(errors.New(said))
	}
	return nil, &toolError{bin: filepath.Base(r.bin), err: err, said: said}
}

// toolError is a tool that ended with a failure of its own.
type toolError struct {
	bin, said string
	err       error
}

func (e *toolError) Error() string { return e.bin + ": " + e.err.Error() + ": " + e.said }
func (e *toolError) Unwrap() error { return e.err }

// folder sums the files under dir but for the input; full when there are too
// many of them to be ours.
func folder(dir string) (size int64, full bool) {
	n := 0
	_ = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == input {
			return nil //nolint:nilerr // a file may vanish meanwhile
		}
		if st, err := d.Info(); err == nil {
			size += st.Size()
		}
		n++
		return nil
	})
	return size, n > 200_000
}

// lines collects standard output, or reads ffmpeg's key=value progress off it.
type lines struct {
	buf      bytes.Buffer
	limit    int
	progress func(Progress)
	full     func()
	p        Progress
}

func (l *lines) Write(b []byte) (int, error) {
	if l.buf.Len()+len(b) > l.limit {
		l.full()
		return 0, io.ErrShortWrite
	}
	l.buf.Write(b)
	if l.progress == nil {
		return len(b), nil
	}
	for {
		i := bytes.IndexByte(l.buf.Bytes(), '\n')
		if i < 0 {
			return len(b), nil
		}
		key, value, _ := strings.Cut(strings.TrimSpace(string(l.buf.Next(i+1))), "=")
		switch key {
		case "out_time_us":
			if n, err := strconv.ParseInt(value, 10, 64); err == nil && n > 0 {
				l.p.OutMs = n / 1000
			}
		case "speed":
			if f, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(value, "x")), 64); err == nil && f > 0 && f < 1000 {
				l.p.Speed = f // more is a step of an instant, and says nothing
			}
		case "progress":
			l.progress(l.p)
		}
	}
}

// tail keeps the last bytes of standard error, printable ones only.
type tail struct {
	b     []byte
	limit int
}

func (t *tail) Write(b []byte) (int, error) {
	t.b = append(t.b, b...)
	if len(t.b) > t.limit {
		t.b = append(t.b[:0], t.b[len(t.b)-t.limit:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == '\n' || r >= ' ' && r != 0x7f && r != '\ufffd' {
			return r
		}
		return '.'
	}, string(t.b)))
}

// workspace makes a private folder for the tools under the work folder.
func (t *Tools) workspace(name string) (string, error) {
	dir := filepath.Join(t.c.WorkDir, name)
	if err := os.RemoveAll(dir); err != nil {
		return "", fmt.Errorf("clear %s: %w", dir, err)
	}
	if err := t.mkdir(dir); err != nil {
		return "", err
	}
	return dir, nil
}

// mkdir makes one folder that belongs to the user the tools run as.
func (t *Tools) mkdir(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("make the work folder: %w", err)
	}
	if t.drop {
		if err := os.Lchown(dir, int(t.c.Nobody), int(t.c.Nobody)); err != nil {
			return fmt.Errorf("give the work folder away: %w", err)
		}
	}
	return nil
}

// own takes a finished file back, so that what is stored is ours.
func (t *Tools) own(path string) error {
	if !t.drop {
		return nil
	}
	if err := os.Lchown(path, os.Getuid(), os.Getgid()); err != nil {
		return fmt.Errorf("take %s: %w", filepath.Base(path), err)
	}
	return nil
}
