package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// here is a site with a shell as its server, so that these tests need none.
func here(t *testing.T, said *[]string) *site {
	t.Helper()
	s := &site{dir: t.TempDir(), logs: t.TempDir()}
	s.say = func(format string, _ ...any) {
		if said != nil {
			*said = append(*said, format)
		}
	}
	return s
}

func shell(name, script string) program {
	return program{name: name, path: "/bin/sh", args: []string{"-c", script}, stop: syscall.SIGTERM, death: syscall.SIGKILL}
}

// written waits for a file that a script writes.
func written(file string) func(context.Context) error {
	return func(context.Context) error {
		if b, err := os.ReadFile(file); err != nil || len(b) == 0 {
			return errors.New("not written yet")
		}
		return nil
	}
}

func alive(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	state := strings.Fields(string(b[strings.LastIndex(string(b), ")")+1:]))[0]
	return state != "Z" && state != "X"
}

func pidIn(t *testing.T, file string) int {
	t.Helper()
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	require.NoError(t, err)
	return pid
}

// A server that heeds no signal, and its child, are gone when end returns.
func TestEndLeavesNothingBehind(t *testing.T) {
	s := here(t, nil)
	file := filepath.Join(s.dir, "pid")
	p, err := s.launch(shell("stubborn", "trap '' TERM; sleep 1000 & echo $! > "+file+"; wait; wait"))
	require.NoError(t, err)
	require.NoError(t, p.await(t.Context(), written(file)))
	child := pidIn(t, file)
	require.True(t, alive(child))
	p.end(50 * time.Millisecond)
	require.False(t, alive(p.cmd.Process.Pid))
	require.False(t, alive(child))
	p.end(0) // twice is fine
}

func TestServerThatEndsShowsItsLog(t *testing.T) {
	var said []string
	s := here(t, &said)
	p, err := s.launch(shell("broken", "echo the disk has melted >&2; exit 3"))
	require.NoError(t, err)
	err = p.await(t.Context(), func(context.Context) error { return errors.New("no answer") })
	require.ErrorContains(t, err, "exit status 3")
	require.Len(t, said, 1)
	require.Contains(t, said[0], "ended by itself")
	require.Contains(t, tail(p.log), "the disk has melted")
}

func TestServerThatDoesNotAnswerShowsItsLog(t *testing.T) {
	s := here(t, nil)
	file := filepath.Join(s.dir, "started")
	p, err := s.launch(shell("silent", "echo thinking; echo yes > "+file+"; exec sleep 1000"))
	require.NoError(t, err)
	defer p.end(0)
	require.NoError(t, p.await(t.Context(), written(file)))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err = p.await(ctx, func(context.Context) error { return errors.New("connection refused") })
	require.ErrorContains(t, err, "connection refused")
	require.ErrorContains(t, err, "thinking")
}

// What is started ends with this program, even by kill -9.
func TestDeathTakesServersAlong(t *testing.T) {
	const role = "CINEMA_TEST_REAL_PARENT"
	if file := os.Getenv(role); file != "" {
		s := here(t, nil)
		p, err := s.launch(shell("orphan", "echo $$ > "+file+"; exec sleep 1000"))
		require.NoError(t, err)
		<-p.done
		return
	}
	file := filepath.Join(t.TempDir(), "pid")
	parent := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDeathTakesServersAlong$")
	parent.Env = append(os.Environ(), role+"="+file)
	require.NoError(t, parent.Start())
	require.Eventually(t, func() bool { return written(file)(t.Context()) == nil }, 20*time.Second, 10*time.Millisecond)
	server := pidIn(t, file)
	require.True(t, alive(server))
	require.NoError(t, parent.Process.Kill())
	_ = parent.Wait() // killed
	require.Eventually(t, func() bool { return !alive(server) }, 10*time.Second, 10*time.Millisecond)
}

func TestExecutePassesTheExitStatusOn(t *testing.T) {
	require.Equal(t, 0, execute(t.Context(), nil, []string{"/bin/true"}))
	require.Equal(t, 7, execute(t.Context(), nil, []string{"/bin/sh", "-c", "exit 7"}))
	require.Equal(t, 1, execute(t.Context(), nil, []string{"/nowhere/to/be/found"}))

	// Interrupted, it ends the command and what that started.
	file := filepath.Join(t.TempDir(), "pid")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for written(file)(ctx) != nil && ctx.Err() == nil {
			time.Sleep(5 * time.Millisecond)
		}
		cancel()
	}()
	require.Equal(t, 130, execute(ctx, nil, []string{"/bin/sh", "-c", "sleep 1000 & echo $! > " + file + "; wait"}))
	require.False(t, alive(pidIn(t, file)))
}

type scripted struct {
	name  string
	start func(ctx context.Context) error
	order *[]string
}

func (s scripted) Name() string                    { return s.name }
func (s scripted) Start(ctx context.Context) error { return s.start(ctx) }
func (s scripted) Stop()                           { *s.order = append(*s.order, s.name) }
func (s scripted) Env() []string                   { return nil }

func TestOneThatFailsCallsTheOthersOff(t *testing.T) {
	var order []string
	list := []server{
		scripted{"slow", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, &order},
		scripted{"broken", func(context.Context) error { return errors.New("no disk") }, &order},
	}
	err := start(t.Context(), list)
	require.ErrorContains(t, err, "broken: no disk")
	require.NotContains(t, err.Error(), "slow")
	stop(list)
	require.Equal(t, []string{"broken", "slow"}, order)
}

func names(list []server) (out []string) {
	for _, v := range list {
		out = append(out, v.Name())
	}
	return out
}

func TestChoose(t *testing.T) {
	s := here(t, nil)
	usual, more := servers(s), others(s)
	for _, c := range []struct {
		only, with string
		want       []string
	}{
		{"", "", names(usual)},
		{"redis,kafka", "", []string{"redis", "kafka"}},
		{"", "jaeger", append(names(usual), "jaeger")},
		{"", "redis", names(usual)},
		{"kafka", "jaeger", []string{"kafka", "jaeger"}},
		{"jaeger", "", []string{"jaeger"}},
	} {
		chosen, err := choose(usual, more, c.only, c.with)
		require.NoError(t, err)
		require.Equal(t, c.want, names(chosen), "%+v", c)
	}
	_, err := choose(usual, more, "oracle", "")
	require.ErrorContains(t, err, "oracle")
}

func TestFetchedOnceAndWhole(t *testing.T) {
	s := here(t, nil)
	_, err := s.fetched(s.dir, "thing", func(dir string) error {
		return errors.Join(os.WriteFile(filepath.Join(dir, "half"), nil, 0o600), errors.New("the network is away"))
	})
	require.ErrorContains(t, err, "the network is away")
	entries, err := os.ReadDir(s.dir)
	require.NoError(t, err)
	require.Empty(t, entries, "nothing half-fetched is left")
	times := 0
	for range 2 {
		dir, err := s.fetched(s.dir, "thing", func(dir string) error {
			times++
			return os.WriteFile(filepath.Join(dir, "whole"), nil, 0o600)
		})
		require.NoError(t, err)
		require.FileExists(t, filepath.Join(dir, "whole"))
	}
	require.Equal(t, 1, times)
}
