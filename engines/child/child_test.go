package child_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/netflixathome/cinema/engines/child"
)

// journal is a log that tests can read while it is written.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

func (j *journal) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// shell is a child that runs a script; it counts as ready once the file
// "ready" exists in dir.
func shell(t *testing.T, dir, script string, change func(*child.Options)) (*child.Child, *journal) {
	t.Helper()
	j := &journal{}
	opt := child.Options{
		Name: "script",
		Command: func(context.Context) (child.Command, error) {
			_ = os.Remove(filepath.Join(dir, "ready"))
			return child.Command{Path: "/bin/sh", Args: []string{"-c", script}, Dir: dir, Env: []string{"PATH=/usr/bin:/bin"}}, nil
		},
		Ready: func(context.Context) error {
			_, err := os.Stat(filepath.Join(dir, "ready"))
			return err
		},
		BackoffMin: time.Millisecond,
		Log:        j.logger(),
	}
	if change != nil {
		change(&opt)
	}
	c, err := child.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	return c, j
}

// run starts the child and returns a func that ends it and gives Run's error.
func run(t *testing.T, c *child.Child) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(cancel)
	return func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(20 * time.Second):
			t.Fatal("Run does not return")
			return nil
		}
	}
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
	}
}

func waitReady(t *testing.T, c *child.Child) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := c.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
}

const forever = "touch ready; while :; do sleep 0.05; done"

func TestRestartsWhatDies(t *testing.T) {
	c, _ := shell(t, t.TempDir(), forever, nil)
	stop := run(t, c)
	waitReady(t, c)
	for restarts := 1; restarts <= 3; restarts++ {
		old := c.State().PID
		if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "another process", func() bool { s := c.State(); return s.Phase == child.Running && s.PID != old })
		if s := c.State(); s.Restarts != restarts || !strings.Contains(s.LastError, "killed") {
			t.Errorf("%+v", s)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if s := c.State(); s.Phase != child.Stopped || s.PID != 0 {
		t.Errorf("%+v", s)
	}
}

func TestStopIsOrderly(t *testing.T) {
	dir := t.TempDir()
	c, _ := shell(t, dir, "trap 'echo bye > farewell; exit 0' TERM; "+forever, nil)
	stop := run(t, c)
	waitReady(t, c)
	if err := stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "farewell")); err != nil {
		t.Error("the child was given no time to say farewell")
	}
	if err := c.WaitReady(t.Context()); err == nil {
		t.Error("a stopped child counts as ready")
	}
	if err := c.Run(t.Context()); err == nil {
		t.Error("Run may be called twice")
	}
}

// What does not listen is killed, together with its own children.
func TestStopIsBounded(t *testing.T) {
	dir := t.TempDir()
	c, _ := shell(t, dir, "trap '' TERM; (trap '' TERM; while :; do sleep 0.05; done) & echo $! > grandchild; "+forever,
		func(o *child.Options) { o.StopTimeout = 50 * time.Millisecond })
	stop := run(t, c)
	waitReady(t, c)
	b, err := os.ReadFile(filepath.Join(dir, "grandchild"))
	if err != nil {
		t.Fatal(err)
	}
	grandchild, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	eventually(t, "the grandchild has ended", func() bool {
		b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(grandchild), "stat"))
		return err != nil || strings.Contains(string(b), ") Z ")
	})
}

func TestGivesUpOnWhatNeverStarts(t *testing.T) {
	tests := map[string]struct {
		script string
		change func(*child.Options)
		want   []string
	}{
		"dies":  {"echo no such thing >&2; exit 3", nil, []string{"exit status 3", "no such thing"}},
		"ends":  {"exit 0", nil, []string{"exit status 0"}},
		"hangs": {"while :; do sleep 0.05; done", func(o *child.Options) { o.StartTimeout = 30 * time.Millisecond }, []string{"not ready within 30ms"}},
		"missing": {"", func(o *child.Options) {
			o.Command = func(context.Context) (child.Command, error) { return child.Command{Path: "/no/such/program"}, nil }
		}, []string{"/no/such/program", "no such file"}},
		"not prepared": {"", func(o *child.Options) {
			o.Command = func(context.Context) (child.Command, error) { return child.Command{}, errors.New("the moon is wrong") }
		}, []string{"the moon is wrong"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			attempts := 0
			c, _ := shell(t, t.TempDir(), tt.script, func(o *child.Options) {
				if tt.change != nil {
					tt.change(o)
				}
				inner := o.Command
				o.Command = func(ctx context.Context) (child.Command, error) { attempts++; return inner(ctx) }
			})
			err := c.Run(t.Context())
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if attempts != 3 {
				t.Errorf("%d attempts", attempts)
			}
			if got := c.WaitReady(t.Context()); !errors.Is(got, err) {
				t.Errorf("WaitReady says %v", got)
			}
		})
	}
}

func TestOutputBecomesLogRecords(t *testing.T) {
	script := `echo hello; echo "ERROR bad" >&2; head -c 9000 /dev/zero | tr '\0' x; echo; printf 'no newline'; exit 1`
	c, j := shell(t, t.TempDir(), script, func(o *child.Options) {
		o.FirstAttempts = 1
		o.Level = func(line string) slog.Level {
			if strings.HasPrefix(line, "ERROR") {
				return slog.LevelWarn
			}
			return slog.LevelDebug
		}
	})
	if err := c.Run(t.Context()); err == nil {
		t.Fatal("no error")
	}
	log := j.String()
	for _, want := range []string{
		"level=DEBUG msg=hello engine=script",
		`level=WARN msg="ERROR bad" engine=script`,
		`msg="no newline"`,
		"msg=" + strings.Repeat("x", 4096) + " ",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %.60q", want)
		}
	}
}

// A child must not see what the parent was started with.
func TestNothingIsInherited(t *testing.T) {
	t.Setenv("SECRET_OF_THE_PARENT", "1")
	out, err := child.Output(t.Context(), child.Command{Path: "/usr/bin/env", Dir: "/"})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) != 0 {
		t.Errorf("the environment is %q", out)
	}
}

func TestOutputIsBounded(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	out, err := child.Output(ctx, child.Command{Path: "/bin/sh", Args: []string{"-c", "while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done"}, Dir: "/"})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if len(out) > 64<<10 {
		t.Errorf("%d bytes were kept", len(out))
	}
}

func TestUserReaches(t *testing.T) {
	if os.Geteuid() != 0 {
		u, err := child.Unprivileged("nobody")
		if u != nil || err != nil {
			t.Errorf("an ordinary user is told to become %v, %v", u, err)
		}
		return
	}
	u, err := child.Unprivileged("no-such-account", "nobody")
	if err != nil || u.Name != "nobody" {
		t.Fatalf("%v, %v", u, err)
	}
	if _, err := child.Unprivileged("no-such-account", "root"); err == nil {
		t.Error("root counts as unprivileged")
	}
	dir, err := os.MkdirTemp("", "reach") // below a folder that everybody can pass
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if u.Reaches(file) {
		t.Error("a private folder was passed")
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	if !u.Reaches(file) {
		t.Error("a passable folder was not passed")
	}
	if u.Reaches(dir) {
		t.Error("a folder that cannot be listed was")
	}
}
