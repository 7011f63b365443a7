package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ErrUsage is returned for arguments that no command takes.
var ErrUsage = errors.New("not a command; cinema -help lists them")

// Command runs what the arguments name; without any, the program itself.
func Command(ctx context.Context, cfg *Config, version string, args []string, out io.Writer) error {
	if len(args) > 0 && args[0] == "backup" {
		return backupCommand(ctx, cfg, version, args[1:], out)
	}
	if len(args) > 0 && args[0] == "restore" {
		return restoreCommand(ctx, cfg, version, args[1:], out)
	}
	if len(args) > 0 && args[0] == "load" {
		return driveLoad(ctx, cfg, args[1:], out)
	}
	switch strings.Join(args[:min(2, len(args))], " ") {
	case "":
		return Run(ctx, cfg, version, out)
	case "version":
		_, err := fmt.Fprintln(out, version)
		return err
	case "demo remove":
		return control(ctx, cfg, version, out, "/demo/remove", nil)
	case "admin reset-password":
		if len(args) != 3 {
			return fmt.Errorf("%w: cinema admin reset-password LOGIN", ErrUsage)
		}
		return control(ctx, cfg, version, out, "/admin/reset-password", map[string]string{"login": args[2]})
	case "admin reset-second-factor":
		if len(args) != 3 {
			return fmt.Errorf("%w: cinema admin reset-second-factor LOGIN", ErrUsage)
		}
		return control(ctx, cfg, version, out, "/admin/reset-second-factor", map[string]string{"login": args[2]})
	case "keys rotate":
		if len(args) != 2 {
			return fmt.Errorf("%w: cinema keys rotate", ErrUsage)
		}
		return control(ctx, cfg, version, out, "/keys/rotate", nil)
	case "healthcheck":
		return healthcheck(ctx, cfg)
	default:
		return fmt.Errorf("%w: %q", ErrUsage, strings.Join(args, " "))
	}
}

// socketPath is where a running program takes commands from its own machine.
func socketPath(cfg *Config) string { return filepath.Join(cfg.DataDir, "control.sock") }

// control sends a command to the program that runs on the data folder; where
// none runs, it starts one without doors, for as long as the command takes.
func control(ctx context.Context, cfg *Config, version string, out io.Writer, path string, body any) error {
	sent, err := send(ctx, cfg, out, path, body)
	if sent || err != nil {
		return err
	}
	if _, err := os.Stat(cfg.DataDir); err != nil {
		return fmt.Errorf("there is no data folder %s: set -data or CINEMA_DATA_DIR", cfg.DataDir)
	}
	quiet := *cfg
	quiet.Demo = false
	quiet.HTTP.Listen, quiet.HTTP.OpsListen = "127.0.0.1:0", ""
	quiet.Log.Level = "warn"
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- run(ctx, &quiet, version, io.Discard, func() { close(ready) }) }()
	select {
	case err := <-ended:
		return err
	case <-ready:
	}
	_, err = send(ctx, cfg, out, path, body)
	stop()
	return errors.Join(err, <-ended)
}

// send reports whether a program took the command.
func send(ctx context.Context, cfg *Config, out io.Writer, path string, body any) (bool, error) {
	res, err := knock(ctx, cfg, 10*time.Minute, path, body)
	if err != nil || res == nil {
		return false, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return true, err
	}
	if res.StatusCode != http.StatusOK {
		return true, errors.New(strings.TrimSpace(string(text)))
	}
	_, err = out.Write(text)
	return true, err
}

// knock hands a command to the running program and returns its answer, which
// must be closed; nil where none runs.
func knock(ctx context.Context, cfg *Config, limit time.Duration, path string, body any) (*http.Response, error) {
	payload, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{Timeout: 2 * time.Second}
	client := &http.Client{Timeout: limit, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", shortSocket(socketPath(cfg)))
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://cinema"+path, bytes.NewReader(payload))
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return nil, nil // nobody is there to answer
	}
	if err != nil {
		return nil, fmt.Errorf("the running program did not answer: %w", err)
	}
	return res, nil
}

// shortSocket makes a path that fits into a socket address (107 bytes), by
// way of the working directory's file descriptor if need be.
func shortSocket(path string) string {
	if len(path) < 100 {
		return path
	}
	if wd, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(wd, path); err == nil && len(rel) < len(path) {
			return rel
		}
	}
	return path
}

// commands is the handler behind the control socket. What takes long ends with
// ctx, that of the program's services.
func commands(ctx context.Context, a *app) http.Handler {
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, text string, err error) {
		if err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		_, _ = io.WriteString(w, text+"\n")
	}
	mux.HandleFunc("POST /demo/remove", func(w http.ResponseWriter, r *http.Request) {
		if a.demo == nil {
			answer(w, "", errors.New("this program does not run the admin service"))
			return
		}
		answer(w, "The demo is removed.", a.demo.Remove(r.Context()))
	})
	// account answers a command about an account.
	account := func(do func(ctx context.Context, login string) (string, error)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			var in struct{ Login string }
			if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&in); err != nil {
				answer(w, "", errors.New("want a login"))
				return
			}
			if a.auth == nil {
				answer(w, "", errors.New("this program does not run the auth service"))
				return
			}
			text, err := do(r.Context(), in.Login)
			answer(w, text, err)
		}
	}
	mux.HandleFunc("POST /admin/reset-password", account(func(ctx context.Context, login string) (string, error) {
		password, err := a.auth.ResetPassword(ctx, login)
		return fmt.Sprintf("login %s, password %s", login, password), err
	}))
	mux.HandleFunc("POST /admin/reset-second-factor", account(func(ctx context.Context, login string) (string, error) {
		return fmt.Sprintf("The password alone signs %s in; devices that were signed in are signed out.", login), a.auth.ResetFactors(ctx, login)
	}))
	mux.HandleFunc("POST /keys/rotate", func(w http.ResponseWriter, r *http.Request) {
		if a.auth == nil {
			answer(w, "", errors.New("this program does not run the auth service"))
			return
		}
		to, err := a.auth.RotateKey(r.Context())
		if err != nil {
			answer(w, "", err)
			return
		}
		text := "A new key signs access tokens from %s on: %s. Nobody is signed out."
		if !to.Made {
			text = "A new key waits already and signs access tokens from %s on: %s."
		}
		answer(w, fmt.Sprintf(text, to.From.Format(time.RFC3339), to.KeyID), nil)
	})
	mux.HandleFunc("POST /backup", func(w http.ResponseWriter, r *http.Request) {
		asked, give := context.WithCancel(r.Context())
		defer give()
		defer context.AfterFunc(ctx, give)()
		a.handleBackup(w, r.WithContext(asked))
	})
	return mux
}

// serveControl listens on the control socket until ctx ends.
func serveControl(ctx context.Context, a *app, log *slog.Logger) error {
	path := socketPath(a.cfg)
	_ = os.Remove(path) // ours by the folder's lock: what is there is stale
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "unix", shortSocket(path))
	if err != nil {
		// The program is whole without it; its commands then need a stop.
		log.Warn("no control socket: cinema's commands need the program stopped", "error", err)
		<-ctx.Done()
		return nil
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = l.Close()
		return fmt.Errorf("control socket: %w", err)
	}
	return serve(ctx, l, commands(ctx, a), leaving{drain: 10 * time.Minute})
}

// healthcheck asks the operator's address whether the program is ready.
func healthcheck(ctx context.Context, cfg *Config) error {
	if cfg.HTTP.OpsListen == "" {
		return errors.New("CINEMA_OPS_LISTEN is empty: there is nobody to ask")
	}
	host, port, err := net.SplitHostPort(cfg.HTTP.OpsListen)
	if err != nil {
		return err
	}
	if host == "" || host == "0.0.0.0" || host == "::" {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("not ready: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 4<<10))
		return fmt.Errorf("not ready: %s", strings.TrimSpace(string(text)))
	}
	return nil
}
