package app

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/netflixathome/cinema/internal/load"
)

// driveLoad is the command `cinema load`.
func driveLoad(ctx context.Context, cfg *Config, args []string, out io.Writer) error {
	var o load.Options
	fs := flag.NewFlagSet("cinema load", flag.ContinueOnError)
	fs.StringVar(&o.URL, "url", cfg.PublicURL(), "public address of the cinema")
	fs.BoolVar(&o.Owned, "this-server-is-mine", false, "go to an address that is not this machine")
	fs.IntVar(&o.Viewers, "viewers", 20, "how many viewers there are at once")
	fs.DurationVar(&o.For, "for", 2*time.Minute, "how long the run lasts in all")
	fs.DurationVar(&o.Ramp, "ramp", 20*time.Second, "over what time the viewers come")
	fs.Float64Var(&o.Speed, "speed", 1, "by how much viewers think and watch faster than people")
	fs.Uint64Var(&o.Seed, "seed", 1, "makes their behaviour the same again")
	fs.IntVar(&o.Connections, "connections", 0, "bound on connections for requests; 0: 4 per viewer, at most 2000")
	fs.BoolVar(&o.Spread, "spread", false, "name an address for each viewer in X-Forwarded-For, for a server that trusts this machine as a proxy (CINEMA_TRUSTED_PROXIES)")
	fs.StringVar(&o.AdminLogin, "admin", "admin", "account that may make synthetic viewers; its password is read from CINEMA_LOAD_ADMIN_PASSWORD")
	fs.BoolVar(&o.Unmarked, "unmarked", false, "make accounts like any other: what they do counts as real")
	fs.BoolVar(&o.KeepAccounts, "keep", false, "leave the accounts when the run ends")
	asJSON := fs.Bool("json", false, "print the report as JSON")
	remove := fs.Bool("remove", false, "only remove the synthetic viewers that earlier runs left")
	quiet := fs.Bool("quiet", false, "no line of progress")
	fs.SetOutput(os.Stderr)
	fs.Usage = func() {
		_, _ = fmt.Fprintln(os.Stderr, "cinema load drives synthetic viewers against a running cinema and reports how it fared.")
		fs.PrintDefaults()
	}
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return fmt.Errorf("%w: %w", ErrUsage, err)
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("%w: cinema load takes flags only, not %q", ErrUsage, fs.Arg(0))
	}
	o.AdminPassword = cfg.Load.AdminPassword
	if o.Unmarked {
		o.AdminPassword = ""
	}
	if *remove {
		n, err := load.Remove(ctx, o)
		if err == nil {
			_, err = fmt.Fprintf(out, "%d synthetic viewers were removed.\n", n)
		}
		return err
	}
	report, err := load.Run(ctx, o, progressLine(*quiet))
	if report == nil {
		return err
	}
	if *asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return errors.Join(err, e.Encode(report))
	}
	return errors.Join(err, report.Text(out))
}

// progressLine is where lines of progress go: on a terminal each replaces the
// one before.
func progressLine(quiet bool) io.Writer {
	if quiet {
		return io.Discard
	}
	if i, err := os.Stderr.Stat(); err != nil || i.Mode()&os.ModeCharDevice == 0 {
		return os.Stderr
	}
	return replacing{os.Stderr}
}

type replacing struct{ to io.Writer }

func (r replacing) Write(line []byte) (int, error) {
	if _, err := fmt.Fprintf(r.to, "\r\x1b[K%s", strings.TrimSuffix(string(line), "\n")); err != nil {
		return 0, err
	}
	return len(line), nil
}
