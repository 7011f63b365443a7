// Package child keeps one child process alive.
//
// A Child is started, asked through a probe whether it answers, restarted
// with back-off when it dies, and stopped in an orderly way: a signal, a
// bounded wait, then SIGKILL to its whole process group. Its output becomes
// log records of the parent.
//
// The child never outlives its parent, not even one that was killed with
// SIGKILL: on Linux the kernel signals it when the thread that started it
// ends (PR_SET_PDEATHSIG), for which that thread stays locked to the
// goroutine that waits for the child. Elsewhere there is no such help, and an
// engine has to look for a forgotten process of its own when it starts.
//
// The package knows nothing about what it runs; engines/postgres and
// engines/clickhouse do.
package child

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/netflixathome/cinema/internal/fault"
)

// Bounds that no engine has had a reason to change.
const (
	// probeEvery is the pause between two readiness probes. A probe that
	// finds nobody listening costs microseconds, and the start of the whole
	// program waits for it.
	probeEvery = 20 * time.Millisecond
	// steadyAfter is how long a child must have been ready before a further
	// death counts as a new trouble and the back-off starts again from the
	// beginning.
	steadyAfter = 30 * time.Second
	// outputGrace bounds the wait for output of grandchildren that hold the
	// pipes open after the child itself has ended.
	outputGrace = 2 * time.Second
	// killGrace bounds the wait for the kernel to reap after SIGKILL.
	killGrace = 5 * time.Second
)

// Command is one start of the process. It is asked for afresh before every
// start, so that a port that was taken meanwhile, or a folder handed over by
// descriptor, can be prepared anew.
type Command struct {
	Path string
	Args []string // without the program's own name
	// Env is the whole environment. Nothing is inherited: a child must not
	// depend on, or leak, what the parent happened to be started with.
	Env []string
	Dir string
	// Files become the descriptors 3, 4, … of the child. They are closed in
	// the parent once the child runs.
	Files []*os.File
	// User, when set, is whom the child runs as; see Unprivileged.
	User *User
}

// Options says what to run and how patient to be. Zero durations and counts
// get the defaults named beside them.
type Options struct {
	// Name appears in log records and errors.
	Name string
	// Command prepares one start. Required. A *fault.Error from it ends the
	// attempts to get the process ready for the first time.
	Command func(ctx context.Context) (Command, error)
	// Ready returns nil once the child answers in its own protocol. Required.
	// It is called repeatedly and must keep to its context.
	Ready func(ctx context.Context) error
	// Level sorts a line of output; nil logs everything at debug level.
	Level func(line string) slog.Level
	// StopSignal asks for an orderly end (default SIGTERM).
	StopSignal syscall.Signal
	// DeathSignal is what the kernel sends when the parent dies (default
	// SIGKILL). Linux only.
	DeathSignal syscall.Signal

	StartTimeout time.Duration // from start to ready; default 60 s
	StopTimeout  time.Duration // from signal to SIGKILL; default 20 s
	BackoffMin   time.Duration // before the first restart; default 100 ms
	BackoffMax   time.Duration // default 10 s
	// FirstAttempts bounds the starts tried before the child was ever ready
	// (default 3). After that it is restarted without limit.
	FirstAttempts int

	Log *slog.Logger // required
}

// Phase is what a child is doing.
type Phase string

// The phases, in the order in which they usually come.
const (
	Idle     Phase = "idle"
	Starting Phase = "starting"
	Running  Phase = "running"
	Waiting  Phase = "restarting" // backing off before the next start
	Stopping Phase = "stopping"
	Stopped  Phase = "stopped"
)

// State is a snapshot for health pages.
type State struct {
	Phase    Phase
	PID      int // 0 while no process runs
	Restarts int // starts after the first one
	Since    time.Time
	// LastError is why the last process ended or could not start; empty when
	// none has.
	LastError string
}

// Child supervises one process. Its methods may be called from any goroutine.
type Child struct {
	opt Options

	ready chan struct{} // closed when the child was ready for the first time
	done  chan struct{} // closed when Run has returned

	mu     sync.Mutex
	state  State
	runErr error
	began  bool
	// up is closed whenever the running process is ready, and replaced when
	// it ends.
	up chan struct{}
}

// New checks the options; it starts nothing.
func New(opt Options) (*Child, error) {
	switch {
	case opt.Name == "":
		return nil, errors.New("child: no name")
	case opt.Command == nil:
		return nil, fmt.Errorf("child %s: no command", opt.Name)
	case opt.Ready == nil:
		return nil, fmt.Errorf("child %s: no readiness probe", opt.Name)
	case opt.Log == nil:
		return nil, fmt.Errorf("child %s: no logger", opt.Name)
	}
	if opt.Level == nil {
		opt.Level = func(string) slog.Level { return slog.LevelDebug }
	}
	def(&opt.StopSignal, syscall.SIGTERM)
	def(&opt.DeathSignal, syscall.SIGKILL)
	def(&opt.StartTimeout, time.Minute)
	def(&opt.StopTimeout, 20*time.Second)
	def(&opt.BackoffMin, 100*time.Millisecond)
	def(&opt.BackoffMax, 10*time.Second)
	def(&opt.FirstAttempts, 3)
	return &Child{
		opt:   opt,
		ready: make(chan struct{}),
		done:  make(chan struct{}),
		up:    make(chan struct{}),
		state: State{Phase: Idle, Since: time.Now()},
	}, nil
}

func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Ready is closed when the child has answered for the first time.
func (c *Child) Ready() <-chan struct{} { return c.ready }

// Done is closed when Run has returned and no process is left.
func (c *Child) Done() <-chan struct{} { return c.done }

// Err is what Run returned; nil before that.
func (c *Child) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.runErr
}

// State is a snapshot of what the child is doing.
func (c *Child) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// WaitReady waits until a process is up and answering: at once when one is,
// after the restart when one is being restarted. It fails when Run has ended.
func (c *Child) WaitReady(ctx context.Context) error {
	c.mu.Lock()
	up := c.up
	c.mu.Unlock()
	select {
	case <-up:
		return nil
	case <-c.done:
		if err := c.Err(); err != nil {
			return err
		}
		return fmt.Errorf("%s has been stopped", c.opt.Name)
	case <-ctx.Done():
		return fmt.Errorf("waiting for %s: %w", c.opt.Name, ctx.Err())
	}
}

// Run starts the process and keeps it running until ctx ends, then stops it
// in an orderly way and returns nil. It returns an error only when the
// process could never be made ready. Run may be called once.
func (c *Child) Run(ctx context.Context) (err error) {
	c.mu.Lock()
	if c.began {
		c.mu.Unlock()
		return fmt.Errorf("child %s: Run called twice", c.opt.Name)
	}
	c.began = true
	c.mu.Unlock()

	defer func() {
		c.mu.Lock()
		c.runErr = err
		c.state.Phase, c.state.PID, c.state.Since = Stopped, 0, time.Now()
		c.mu.Unlock()
		close(c.done)
	}()

	backoff := c.opt.BackoffMin
	for attempt := 1; ; attempt++ {
		steady, err := c.once(ctx)
		if ctx.Err() != nil {
			return nil
		}
		c.note(func(s *State) { s.LastError = err.Error() })
		if steady {
			backoff = c.opt.BackoffMin
		}
		var expected *fault.Error
		if !c.wasReady() && errors.As(err, &expected) {
			return err // a person has to act; trying again does not help
		}
		if !c.wasReady() && attempt >= c.opt.FirstAttempts {
			return fmt.Errorf("%s does not start: %w", c.opt.Name, err)
		}
		c.opt.Log.Warn("engine process ended, restarting it",
			"engine", c.opt.Name, "error", err, "in", backoff)
		c.phase(Waiting, 0)
		t := time.NewTimer(backoff)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-t.C:
		}
		backoff = min(2*backoff, c.opt.BackoffMax)
		c.note(func(s *State) { s.Restarts++ })
	}
}

func (c *Child) wasReady() bool {
	select {
	case <-c.ready:
		return true
	default:
		return false
	}
}

// once runs one process to its end. The error says why it ended; steady is
// whether it had been ready for long enough to forgive its past.
func (c *Child) once(ctx context.Context) (steady bool, err error) {
	c.phase(Starting, 0)
	cmd, err := c.opt.Command(ctx)
	if err != nil {
		return false, err
	}
	out := newOutput(c.opt.Name, c.opt.Log, c.opt.Level)
	p, err := start(cmd, out, c.opt.DeathSignal)
	if err != nil {
		return false, err
	}
	c.phase(Starting, p.pid)

	readyAt, err := c.awaitReady(ctx, p)
	if err == nil {
		c.markUp(p.pid)
		select {
		case <-p.ended:
			err = p.death()
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	c.markDown()

	select {
	case <-p.ended:
	default: // stopped on purpose, or hung while starting
		c.phase(Stopping, p.pid)
		p.stop(c.opt.StopSignal, c.opt.StopTimeout)
	}
	// The process is gone, its helpers may not be.
	p.killGroup()
	out.flush()

	// What a process says on its way to being ready is why it did not get
	// there. Later its lines have been logged long since.
	if tail := out.tail(); err != nil && readyAt.IsZero() && len(tail) > 0 {
		err = fmt.Errorf("%w; its last words: %s", err, strings.Join(tail, " | "))
	}
	return !readyAt.IsZero() && time.Since(readyAt) >= steadyAfter, err
}

func (c *Child) awaitReady(ctx context.Context, p *process) (time.Time, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.opt.StartTimeout,
		fmt.Errorf("not ready within %v", c.opt.StartTimeout))
	defer cancel()
	t := time.NewTicker(probeEvery)
	defer t.Stop()
	var last error
	for {
		if last = c.opt.Ready(ctx); last == nil {
			return time.Now(), nil
		}
		select {
		case <-p.ended:
			return time.Time{}, p.death()
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("%w: %w", context.Cause(ctx), last)
		case <-t.C:
		}
	}
}

func (c *Child) markUp(pid int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Phase, c.state.PID, c.state.Since = Running, pid, time.Now()
	close(c.up)
	if !c.wasReady() {
		close(c.ready)
	}
}

func (c *Child) markDown() {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.up:
		c.up = make(chan struct{})
	default:
	}
}

func (c *Child) phase(ph Phase, pid int) {
	c.note(func(s *State) { s.Phase, s.PID, s.Since = ph, pid, time.Now() })
}

func (c *Child) note(change func(*State)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.state)
}

// process is one running process; ended is closed after it was reaped.
type process struct {
	pid   int
	ended chan struct{}
	err   error // how it ended; valid after ended, nil after exit status 0
}

// start runs the command in a thread of its own that stays until the process
// ends: the kernel's death signal is bound to the thread, not to the parent.
func start(c Command, out io.Writer, death syscall.Signal) (*process, error) {
	cmd := exec.Command(c.Path, c.Args...) //nolint:noctx // whoever started it asks it to end, and kills it only when it does not
	cmd.Env = c.Env
	if cmd.Env == nil {
		cmd.Env = []string{}
	}
	cmd.Dir = c.Dir
	cmd.ExtraFiles = c.Files
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = outputGrace
	cmd.SysProcAttr = sysProcAttr(death)
	if c.User != nil {
		cmd.SysProcAttr.Credential = c.User.credential()
	}

	p := &process{ended: make(chan struct{})}
	began := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.ended)
		err := cmd.Start()
		for _, f := range c.Files {
			_ = f.Close()
		}
		if err != nil {
			began <- fmt.Errorf("start %s: %w", c.Path, err)
			return
		}
		p.pid = cmd.Process.Pid
		began <- nil
		switch err := cmd.Wait(); {
		case err == nil:
		case errors.Is(err, exec.ErrWaitDelay):
			p.err = errors.New("ended, leaving its output open")
		default:
			p.err = fmt.Errorf("ended: %w", err)
		}
	}()
	if err := <-began; err != nil {
		return nil, err
	}
	return p, nil
}

// death is why a process that should have stayed has ended.
func (p *process) death() error {
	if p.err == nil {
		return errors.New("ended by itself (exit status 0)")
	}
	return p.err
}

// stop asks, waits, and kills.
func (p *process) stop(sig syscall.Signal, patience time.Duration) {
	// The process has not been reaped while ended is open, or is being
	// reaped at this moment; a signal to a reaped child fails harmlessly in
	// all but the theoretical case of a reused number.
	_ = syscall.Kill(p.pid, sig)
	if p.wait(patience) {
		return
	}
	p.killGroup()
	p.wait(killGrace)
}

func (p *process) killGroup() { _ = syscall.Kill(-p.pid, syscall.SIGKILL) }

func (p *process) wait(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-p.ended:
		return true
	case <-t.C:
		return false
	}
}

// Output runs a command to its end, bounded by ctx, and returns what it
// printed. It is for the short helpers of an engine, such as initdb, and
// gives them the same environment, account and death signal as a Child has.
func Output(ctx context.Context, c Command) ([]byte, error) {
	var buf boundedBuffer
	p, err := start(c, &buf, syscall.SIGKILL)
	if err != nil {
		return nil, err
	}
	select {
	case <-p.ended:
	case <-ctx.Done():
		p.killGroup()
		p.wait(killGrace)
		return buf.bytes(), ctx.Err()
	}
	return buf.bytes(), p.err
}
