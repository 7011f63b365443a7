package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/netflixathome/cinema/e2e/port"
)

// jaeger is Jaeger 2 on the configuration that is deployed. It is started only
// when it is named, since only the story of a trace needs it.
type jaeger struct {
	site                *site
	binary              string
	server              *process
	otlp, query, health string
}

const jaegerVersion = "v1.76.0" // of the module; the program calls itself 2.13

func (*jaeger) Name() string { return "jaeger" }

// Fetch builds it in a copy of the module: its go.mod does not let it be
// installed from elsewhere.
func (j *jaeger) Fetch(ctx context.Context) error {
	dir, err := j.site.fetched(j.site.cache, "jaeger-"+jaegerVersion, func(dir string) error {
		env := append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=")
		download := exec.CommandContext(ctx, "go", "mod", "download", "-json", "github.com/jaegertracing/jaeger@"+jaegerVersion)
		download.Env, download.Dir = env, dir
		text, err := download.Output()
		if err != nil {
			return fmt.Errorf("go mod download: %w\n%s", err, text)
		}
		var module struct{ Dir string }
		if err := json.Unmarshal(text, &module); err != nil {
			return err
		}
		source := filepath.Join(dir, "source")
		if err := os.CopyFS(source, os.DirFS(module.Dir)); err != nil {
			return err
		}
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(dir, "jaeger"), "./cmd/jaeger")
		build.Env, build.Dir = env, source
		if err := output(ctx, build); err != nil {
			return err
		}
		return os.RemoveAll(source)
	})
	j.binary = filepath.Join(dir, "jaeger")
	return err
}

func (j *jaeger) Start(ctx context.Context) error {
	ports, err := freePorts(4)
	if err != nil {
		return err
	}
	j.otlp, j.query, j.health = port.Address(ports[0]), port.Address(ports[1]), port.Address(ports[2])
	dir, err := j.site.folder(nil, "jaeger")
	if err != nil {
		return err
	}
	config := filepath.Join(j.site.root, "deploy", "otel", "jaeger.yaml")
	env := []string{
		"JAEGER_OTLP=" + j.otlp, "JAEGER_QUERY=" + j.query, "JAEGER_QUERY_GRPC=" + port.Address(ports[3]),
		"JAEGER_HEALTH=" + j.health, "JAEGER_DATA=" + filepath.Join(dir, "data"),
	}
	validate := exec.CommandContext(ctx, j.binary, "validate", "--config", config)
	validate.Env, validate.Dir = append(j.site.environment(), env...), dir
	if err := output(ctx, validate); err != nil {
		return err
	}
	j.server, err = j.site.launch(program{
		name: "jaeger", path: j.binary, dir: dir, args: []string{"--config", config}, env: env,
		stop: syscall.SIGTERM, death: syscall.SIGKILL,
	})
	if err != nil {
		return err
	}
	return j.server.await(ctx, func(ctx context.Context) error {
		if err := get(ctx, "http://"+j.health+"/status"); err != nil {
			return err
		}
		return get(ctx, "http://"+j.query+"/api/services")
	})
}

func (j *jaeger) Stop() { j.server.end(5 * time.Second) }

func (j *jaeger) Env() []string {
	return []string{"CINEMA_TEST_OTLP_URL=http://" + j.otlp, "CINEMA_TEST_JAEGER_URL=http://" + j.query}
}
