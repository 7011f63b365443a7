// Command cinema is NetflixAtHome: a home cinema in one program, and each
// service of it alone with -target.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/netflixathome/cinema/internal/app"
	"github.com/netflixathome/cinema/internal/hashing"
)

// version is set by the build.
var version = "unknown"

const usage = `cinema runs NetflixAtHome.

  cinema                              run it (flags below)
  cinema demo remove                  remove the demo cinema
  cinema admin reset-password LOGIN   give an account a new password
  cinema admin reset-second-factor LOGIN
                                      take authenticator app, passkeys and recovery codes from an account
  cinema keys rotate                  have another key sign access tokens; nobody is signed out
  cinema backup TARGET                save everything to a folder or s3://bucket/folder
  cinema backup -verify TARGET        read the newest backup whole; -list lists them
  cinema restore SOURCE               put a backup into an empty data folder or cluster
  cinema load [-help]                 drive synthetic viewers against a running cinema
  cinema healthcheck                  exit 0 if the program on this machine is ready
  cinema version

Flags, each over its variable:
`

func main() {
	if len(os.Args) == 2 && os.Args[1] == hashing.Command {
		// Before anything is read or made: it starts while somebody signs in.
		if err := hashing.Serve(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "cinema:", err)
			os.Exit(1)
		}
		return
	}
	flags := map[string]string{}
	fs := flag.NewFlagSet("cinema", flag.ContinueOnError)
	for name, s := range map[string][2]string{
		"target":     {"CINEMA_TARGET", "what to run: all, or a list of services"},
		"data":       {"CINEMA_DATA_DIR", "folder for everything that must last"},
		"listen":     {"CINEMA_LISTEN", "address for browsers"},
		"public-url": {"CINEMA_PUBLIC_URL", "how browsers reach it"},
		"demo":       {"CINEMA_DEMO", "whether an empty data folder gets the demo cinema"},
		"log-level":  {"CINEMA_LOG_LEVEL", "debug, info, warn or error"},
	} {
		fs.Func(name, s[1], func(v string) error { flags[s[0]] = v; return nil })
	}
	fs.Usage = func() {
		fmt.Fprint(os.Stderr, usage)
		fs.PrintDefaults()
		fmt.Fprintln(os.Stderr, "\nVariables; NAME_FILE, in place of NAME, reads the value from a file:")
		app.Document(os.Stderr)
	}
	if err := fs.Parse(os.Args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			os.Exit(0)
		}
		os.Exit(2)
	}
	cfg, err := app.Load(flags, os.LookupEnv)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := app.Command(ctx, cfg, version, fs.Args(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "cinema:", err)
		os.Exit(app.ExitCode(err))
	}
}
