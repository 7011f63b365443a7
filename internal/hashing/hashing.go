// Package hashing computes argon2id in processes of its own.
//
// A hash takes a core for some 25 ms and 19 MiB that are garbage afterwards.
// In the program itself a flood of sign-ins takes the time and the memory of
// everything else: the runtime knows no priorities, and its collector lets
// hundreds of megabytes gather. A process beside it has a lower priority, which
// the system keeps, and collects after each hash. It ends when nobody signs in.
package hashing

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/argon2"
)

// Command is the argument with which the program serves hashes (Serve).
const Command = "serve-hashes"

const (
	// niceness of the processes, on the system's scale of 0 to 19: a third of
	// the time that others get where all want it.
	niceness = 5
	// answerIn bounds one hash, beyond which its process is taken for stuck. On a
	// machine that is busy to the brim one takes a second.
	answerIn = 20 * time.Second
)

// question is what a process is asked.
type question struct {
	Password, Salt []byte
	Time, Memory   uint32
	Threads        uint8
	Length         uint32
}

// Serve answers questions one by one until in ends. It is all that a process of
// this kind does.
func Serve(in io.Reader, out io.Writer) error {
	// The whole group: by process, Linux means one thread of it.
	if err := syscall.Setpriority(syscall.PRIO_PGRP, 0, niceness); err != nil {
		return fmt.Errorf("hashing: priority: %w", err)
	}
	debug.SetGCPercent(-1) // collected by hand, below
	questions, answers := gob.NewDecoder(in), gob.NewEncoder(out)
	for {
		var q question
		if err := questions.Decode(&q); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("hashing: question: %w", err)
		}
		if err := answers.Encode(q.answer()); err != nil {
			return fmt.Errorf("hashing: answer: %w", err)
		}
		runtime.GC()
	}
}

func (q *question) answer() []byte {
	return argon2.IDKey(q.Password, q.Salt, q.Time, q.Memory, q.Threads, q.Length)
}

// Processes are at most so many as hashes are asked for at once; one that was
// not needed for idle ends. The zero value is not ready: call New.
type Processes struct {
	path string
	args []string
	idle time.Duration
	log  *slog.Logger

	mu     sync.Mutex
	free   []*process
	closed bool
}

// New makes no process yet. path and args are those of a program that calls Serve.
func New(path string, args []string, idle time.Duration, log *slog.Logger) *Processes {
	return &Processes{path: path, args: args, idle: idle, log: log}
}

// IDKey is argon2.IDKey. Where no process can be had, the hash is computed in
// this one: people sign in nonetheless. It does not end before it has the hash;
// callers bound how many they ask for at once.
func (ps *Processes) IDKey(password, salt []byte, time, memory uint32, threads uint8, length uint32) []byte {
	q := &question{password, salt, time, memory, threads, length}
	p, err := ps.take()
	if err == nil {
		var key []byte
		if key, err = p.ask(q); err == nil {
			ps.give(p)
			return key
		}
		p.end()
	}
	ps.log.Warn("hashing: a password is hashed in the program itself", "error", err)
	return q.answer()
}

// Close ends the processes that are free, and those that are in use once they are
// given back.
func (ps *Processes) Close() {
	ps.mu.Lock()
	free := ps.free
	ps.free, ps.closed = nil, true
	ps.mu.Unlock()
	for _, p := range free {
		p.timer.Stop()
		p.end()
	}
}

func (ps *Processes) take() (*process, error) {
	ps.mu.Lock()
	if n := len(ps.free); n > 0 {
		p := ps.free[n-1]
		ps.free = ps.free[:n-1]
		ps.mu.Unlock()
		p.timer.Stop()
		return p, nil
	}
	ps.mu.Unlock()
	return ps.start()
}

func (ps *Processes) give(p *process) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.closed {
		go p.end()
		return
	}
	ps.free = append(ps.free, p)
	p.timer = time.AfterFunc(ps.idle, func() { ps.drop(p) })
}

// drop ends a process unless somebody has taken it by now.
func (ps *Processes) drop(p *process) {
	ps.mu.Lock()
	for i, f := range ps.free {
		if f == p {
			ps.free = append(ps.free[:i], ps.free[i+1:]...)
			ps.mu.Unlock()
			p.end()
			return
		}
	}
	ps.mu.Unlock()
}

// process is one that runs. One at a time may ask it.
type process struct {
	cmd       *exec.Cmd
	in        io.WriteCloser
	questions *gob.Encoder
	answers   *gob.Decoder
	timer     *time.Timer
}

func (ps *Processes) start() (*process, error) {
	cmd := exec.Command(ps.path, ps.args...) //nolint:noctx // ended by end, or at the end of what it reads
	// None of the program's environment, which holds secrets; a hash is the work of one thread.
	cmd.Env = []string{"GOMAXPROCS=1"}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("hashing: start: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("hashing: start: %w", err)
	}
	return &process{cmd: cmd, in: in, questions: gob.NewEncoder(in), answers: gob.NewDecoder(out)}, nil
}

func (p *process) ask(q *question) ([]byte, error) {
	stuck := time.AfterFunc(answerIn, p.kill)
	defer stuck.Stop()
	if err := p.questions.Encode(q); err != nil {
		return nil, fmt.Errorf("hashing: ask: %w", err)
	}
	var key []byte
	if err := p.answers.Decode(&key); err != nil {
		return nil, fmt.Errorf("hashing: answer: %w", err)
	}
	if len(key) != int(q.Length) {
		return nil, fmt.Errorf("hashing: an answer of %d bytes", len(key))
	}
	return key, nil
}

func (p *process) kill() { _ = p.cmd.Process.Kill() }

// end waits until the process is gone. It holds nothing that must be saved.
func (p *process) end() {
	p.kill()
	_ = p.in.Close()
	_ = p.cmd.Wait()
}

// Self gives the arguments of New for the program that runs.
func Self() (path string, args []string, err error) {
	path, err = os.Executable()
	return path, []string{Command}, err
}
