package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// program says how a server's process is started and ended.
type program struct {
	name string // of the process and its log
	path string
	args []string
	env  []string // besides PATH and the like
	dir  string
	as   *account // nil: as this program

	stop syscall.Signal // asks it to end
	// death is sent by the kernel should this program be killed.
	death syscall.Signal
}

// process is a running program in a process group of its own, so that a Ctrl-C
// reaches this program only and whatever the process starts ends with it.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string // file
	stop syscall.Signal
	say  func(format string, args ...any)

	stopping atomic.Bool
	done     chan struct{} // closed at its end, when err is set
	err      error

	// How it was started, and what it has to answer: for starting it again.
	program program
	site    *site
	ask     func(context.Context) error
}

// launch starts a program whose output goes to a log, for the first time.
func (s *site) launch(p program) (*process, error) {
	running := &process{name: p.name, log: filepath.Join(s.logs, p.name+".log"), stop: p.stop, say: s.say, program: p, site: s}
	if err := running.launch(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.launched == nil {
		s.launched = map[string]*process{}
	}
	s.launched[p.name] = running
	return running, nil
}

// launch starts the program, or starts it again after its end.
func (p *process) launch() error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()                                      // the process has its own
	cmd := exec.Command(p.program.path, p.program.args...) //nolint:noctx // ended by its signals, see end
	cmd.Env = append(p.site.environment(), p.program.env...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.program.dir, log, log
	if cmd.Dir == "" {
		cmd.Dir = p.site.dir
	}
	p.cmd, p.err = cmd, nil
	p.stopping.Store(false)
	if err := p.begin(p.program.death, p.program.as); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	return nil
}

// kill ends it, and what it started, by a signal that it did not expect, and
// waits for its end.
func (p *process) kill(ctx context.Context, signal syscall.Signal) error {
	p.stopping.Store(true)
	target := p.cmd.Process.Pid
	if signal == syscall.SIGKILL {
		target = -target
	}
	if err := syscall.Kill(target, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill %s: %w", p.name, err)
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s did not end on signal %v", p.name, signal)
	}
}

// again starts it after its end and waits for its answer.
func (p *process) again(ctx context.Context) error {
	select {
	case <-p.done:
	default:
		return fmt.Errorf("%s still runs", p.name)
	}
	if err := p.launch(); err != nil {
		return err
	}
	if p.ask == nil {
		return nil
	}
	return p.await(ctx, p.ask)
}

// begin starts the process. The kernel sends the signal of death when the
// thread ends that started it, so that thread stays until the process is gone.
func (p *process) begin(death syscall.Signal, as *account) error {
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: death, Credential: as.credential()}
	p.done = make(chan struct{})
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = p.cmd.Wait()
		if !p.stopping.Load() {
			p.say("%s ended by itself: %v; the end of its log:\n%s", p.name, p.ended(), tail(p.log))
		}
		close(p.done)
	}()
	return <-started
}

func (p *process) ended() error {
	if p.err == nil {
		return errors.New("exit status 0")
	}
	return p.err
}

// await asks for an answer until there is one. It gives up when the process
// has ended or ctx ends, and then shows the log.
func (p *process) await(ctx context.Context, ask func(context.Context) error) error {
	p.ask = ask
	for {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := ask(attempt)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended before it answered: %w", p.name, p.ended())
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return ctx.Err()
			}
			return fmt.Errorf("%s does not answer in time: %w; the end of its log:\n%s", p.name, err, tail(p.log))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// end asks the process to end, and after the patience, or once it has ended,
// kills whatever is left of its group. It may be called on nil and twice.
func (p *process) end(patience time.Duration) {
	if p == nil {
		return
	}
	p.stopping.Store(true)
	select {
	case <-p.done:
	default:
		_ = p.cmd.Process.Signal(p.stop) // it may have ended this moment
	}
	select {
	case <-p.done:
	case <-time.After(patience):
	}
	group := -p.cmd.Process.Pid
	for range 500 { // 5 s: the kernel needs a moment for what holds much memory
		if err := syscall.Kill(group, syscall.SIGKILL); errors.Is(err, syscall.ESRCH) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	<-p.done
}

// tail is the end of a log.
func tail(file string) string {
	const lines, bytes = 40, 16 << 10
	b, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	list := strings.Split(strings.TrimSpace(string(b[max(0, len(b)-bytes):])), "\n")
	return "  " + strings.Join(list[max(0, len(list)-lines):], "\n  ")
}

// output runs a short program to its end; its output is in the error.
func output(ctx context.Context, cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%s: %w\n%s", filepath.Base(cmd.Path), err, strings.TrimSpace(string(out[max(0, len(out)-4000):])))
}
