package hashing

import (
	"bytes"
	"encoding/gob"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/argon2"
)

// TestMain is the other process too.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == Command {
		if err := Serve(os.Stdin, os.Stdout); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func processes(t *testing.T, idle time.Duration) (*Processes, *bytes.Buffer) {
	t.Helper()
	path, args, err := Self()
	require.NoError(t, err)
	var said bytes.Buffer
	ps := New(path, args, idle, slog.New(slog.NewTextHandler(&said, nil)))
	t.Cleanup(ps.Close)
	return ps, &said
}

func (ps *Processes) pids() (pids []int) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for _, p := range ps.free {
		pids = append(pids, p.cmd.Process.Pid)
	}
	return pids
}

var password, salt = []byte("violet tractor 41"), []byte("0123456789abcdef")

func want() []byte { return argon2.IDKey(password, salt, 1, 64, 1, 32) }

func TestOneProcessAnswersManyAndSeveralAnswerAtOnce(t *testing.T) {
	ps, said := processes(t, time.Hour)
	require.Empty(t, ps.pids(), "none before it is needed")
	require.Equal(t, want(), ps.IDKey(password, salt, 1, 64, 1, 32))
	first := ps.pids()
	require.Equal(t, argon2.IDKey([]byte{}, salt, 2, 128, 1, 16), ps.IDKey(nil, salt, 2, 128, 1, 16))
	require.Equal(t, first, ps.pids(), "the same one")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if !bytes.Equal(want(), ps.IDKey(password, salt, 1, 64, 1, 32)) {
				t.Error("another key")
			}
		})
	}
	wg.Wait()
	require.LessOrEqual(t, len(ps.pids()), 8)
	require.Empty(t, said.String())
}

func TestItsPriorityIsLowerAndItSeesNoSecret(t *testing.T) {
	t.Setenv("CINEMA_SECRET", "hush")
	ps, _ := processes(t, time.Hour)
	ps.IDKey(password, salt, 1, 64, 1, 32)
	pid := ps.pids()[0]
	environ, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		t.Skip("no /proc here")
	}
	require.NotContains(t, string(environ), "hush")
	own, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	require.NoError(t, err)
	threads, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/task")
	require.NoError(t, err)
	for _, thread := range threads {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/task/" + thread.Name() + "/stat")
		require.NoError(t, err)
		_, after, _ := strings.Cut(string(stat), ") ")
		nice, err := strconv.Atoi(strings.Fields(after)[16])
		require.NoError(t, err)
		// Getpriority gives 20 minus the niceness on Linux.
		require.GreaterOrEqual(t, nice, min(19, niceness), "thread %s, own %d", thread.Name(), own)
	}
}

func TestOneThatWasKilledIsReplaced(t *testing.T) {
	ps, said := processes(t, time.Hour)
	ps.IDKey(password, salt, 1, 64, 1, 32)
	killed := ps.pids()[0]
	require.NoError(t, syscall.Kill(killed, syscall.SIGKILL))
	require.Equal(t, want(), ps.IDKey(password, salt, 1, 64, 1, 32))
	require.Contains(t, said.String(), "in the program itself")
	require.Equal(t, want(), ps.IDKey(password, salt, 1, 64, 1, 32))
	require.NotEqual(t, []int{killed}, ps.pids())
}

func TestWithoutAProgramPeopleSignInNonetheless(t *testing.T) {
	var said bytes.Buffer
	ps := New("/nowhere/cinema", nil, time.Hour, slog.New(slog.NewTextHandler(&said, nil)))
	require.Equal(t, want(), ps.IDKey(password, salt, 1, 64, 1, 32))
	require.Contains(t, said.String(), "in the program itself")
	require.NotContains(t, said.String(), string(password))
}

func TestAnIdleOneEndsAndSoDoAllAtTheEnd(t *testing.T) {
	gone := func(pid int) func() bool {
		return func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH }
	}
	ps, _ := processes(t, time.Millisecond)
	p, err := ps.take()
	require.NoError(t, err)
	pid := p.cmd.Process.Pid
	ps.give(p)
	require.Eventually(t, gone(pid), 10*time.Second, time.Millisecond)
	require.Empty(t, ps.pids())

	ps, _ = processes(t, time.Hour)
	ps.IDKey(password, salt, 1, 64, 1, 32)
	free := ps.pids()[0]
	used, err := ps.start()
	require.NoError(t, err)
	ps.Close()
	require.True(t, gone(free)())
	ps.give(used)
	require.Eventually(t, gone(used.cmd.Process.Pid), 10*time.Second, time.Millisecond)
}

func TestServeRefusesWhatIsNoQuestion(t *testing.T) {
	require.Error(t, Serve(strings.NewReader("GET / HTTP/1.1\r\n"), &bytes.Buffer{}))
	var in bytes.Buffer
	require.NoError(t, gob.NewEncoder(&in).Encode(question{Password: password, Salt: salt, Time: 1, Memory: 64, Threads: 1, Length: 8}))
	var out bytes.Buffer
	require.Error(t, Serve(bytes.NewReader(in.Bytes()[:in.Len()-1]), &out))
	require.Empty(t, out.Bytes())
}
