// Command real starts the real servers of a cluster on this machine's
// loopback, runs a command that finds them by its environment, and stops what
// it started:
//
//	real [-only kafka,postgres] [-with jaeger] [-measured] [-proxied] [-small minio=256m] command [argument …]
//
// It is what `make test-real` runs. What is missing is fetched once into
// .cache/real: jars through Maven, MinIO through Go. Redis, Postgres and nginx
// are the system's; scripts/machine sees to them. Each server listens on free
// ports of 127.0.0.1, keeps its data in a temporary folder and its log in
// .cache/real/logs, and is ended with its process group, whichever way this
// program ends; a kill of this program too, for the kernel ends them then.
//
// With -measured the Java servers are started for figures rather than for a
// quick answer: with all of the JVM's compilers.
//
// The command gets the variables of internal/realtest. CINEMA_TEST_REAL says
// that every server is there; with -only it is not set. The exit status is the
// command's; 1 when a server could not be started, 2 for a mistaken call.
//
// The command can end the servers and start them again (see control), with
// -proxied cut and slow their connections (see toxiproxy), and fill the disks
// that -small gave to some of them, for which this program has to be root.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// patience bounds a part's fetching, its starting, and the command's end after
// a signal. Building MinIO takes minutes, a first answer of Elasticsearch half
// a minute on two cores that are busy.
const (
	fetchTimeout   = 20 * time.Minute
	startTimeout   = 10 * time.Minute
	commandTimeout = 20 * time.Second
)

// allServers tells internal/realtest that a missing address is a failure.
const allServers = "CINEMA_TEST_REAL=1"

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	flags := flag.NewFlagSet("real", flag.ContinueOnError)
	only := flags.String("only", "", "start only these servers, a list such as kafka,postgres")
	with := flags.String("with", "", "start these too, which the usual set is without: jaeger")
	measured := flags.Bool("measured", false, "start the Java servers as they run where they serve, which takes longer")
	proxied := flags.Bool("proxied", false, "put Toxiproxy between the servers and the command")
	small := flags.String("small", "", "give servers a small disk, a list such as minio=256m")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "usage: real [-only LIST] [-with LIST] [-measured] [-proxied] [-small LIST] command [argument …]")
		return 2
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()

	s, err := newSite(say)
	if err != nil {
		say("%v", err)
		return 1
	}
	s.measured = *measured
	defer s.remove()
	chosen, err := choose(servers(s), others(s), *only, *with)
	if err != nil {
		say("%v", err)
		return 2
	}
	if err := s.small(*small); err != nil {
		say("%v", err)
		return 1
	}
	if *proxied { // before the others, which ask it for their ports
		s.proxy = &toxiproxy{site: s}
		defer s.proxy.Stop()
		if err := start(ctx, []server{s.proxy}); err != nil {
			say("%v", err)
			return 1
		}
	}
	defer stop(chosen)
	if err := start(ctx, chosen); err != nil {
		say("%v", err)
		return 1
	}
	c := &control{site: s}
	if err := c.start(); err != nil {
		say("%v", err)
		return 1
	}
	defer c.stop()
	env := append(os.Environ(), c.env())
	if s.proxy != nil {
		env = append(env, s.proxy.Env()...)
	}
	for _, v := range chosen {
		env = append(env, v.Env()...)
	}
	if *only == "" {
		env = append(env, allServers)
	}
	return execute(ctx, env, flags.Args())
}

func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "real: "+format+"\n", args...)
}

// choose keeps the usual servers, or of all only those that are named, and
// adds those that are named besides.
func choose(usual, others []server, only, with string) ([]server, error) {
	chosen := usual
	if only != "" {
		chosen, with = nil, strings.Trim(only+","+with, ",")
	}
	all := slices.Concat(usual, others)
	for name := range strings.SplitSeq(with, ",") {
		if name == "" {
			continue
		}
		i := slices.IndexFunc(all, func(v server) bool { return v.Name() == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no server %q", name)
		}
		if !slices.Contains(chosen, all[i]) {
			chosen = append(chosen, all[i])
		}
	}
	return chosen, nil
}

// execute runs the command to its end and returns its exit status. When ctx
// ends first, the command and what it started are told to end.
func execute(ctx context.Context, env, args []string) int {
	say("running %s", strings.Join(args, " "))
	cmd := exec.Command(args[0], args[1:]...) //nolint:noctx // it is told to end before it is killed
	cmd.Env, cmd.Stdout, cmd.Stderr = env, os.Stdout, os.Stderr
	p := &process{name: filepath.Base(args[0]), cmd: cmd, stop: syscall.SIGTERM, say: say}
	p.stopping.Store(true) // its end is expected
	if err := p.begin(syscall.SIGTERM, nil); err != nil {
		say("%v", err)
		return 1
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		say("interrupted: ending %s", p.name)
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) // go test passes nothing on to its tests
	}
	p.end(commandTimeout)
	var failed *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return 130
	case errors.As(p.err, &failed):
		return failed.ExitCode()
	case p.err != nil:
		say("%v", p.err)
		return 1
	}
	return 0
}
