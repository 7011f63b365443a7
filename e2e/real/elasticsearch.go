package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/netflixathome/cinema/e2e/port"
)

// elasticsearch is one node. It refuses to run as root.
type elasticsearch struct {
	site *site
	home string // as unpacked
	node *process
	addr string

	shown int
}

func (*elasticsearch) Name() string { return "elasticsearch" }

func (e *elasticsearch) Fetch(ctx context.Context) error {
	dir, err := e.site.maven(ctx, e.site.public(e.site.unprivileged), "elasticsearch")
	if err != nil {
		return err
	}
	found, _ := filepath.Glob(filepath.Join(dir, "sonarqube-*", "elasticsearch"))
	if len(found) != 1 {
		return fmt.Errorf("no server in %s: delete that folder, then run this again", dir)
	}
	e.home = found[0]
	return nil
}

func (e *elasticsearch) Start(ctx context.Context) error {
	ports, err := freePorts(2)
	if err != nil {
		return err
	}
	e.addr = port.Address(ports[0])
	if e.shown, err = e.site.shown(ctx, "elasticsearch", ports[0]); err != nil {
		return err
	}
	as := e.site.unprivileged
	folders := map[string]string{}
	for _, name := range []string{"conf", "data", "logs", "tmp"} {
		if folders[name], err = e.site.folder(as, "elasticsearch", name); err != nil {
			return err
		}
	}
	homes := []string{"-Djava.io.tmpdir=" + folders["tmp"], "-Duser.home=" + folders["tmp"]}
	// It writes a keystore beside its configuration, so that is a copy.
	for name, text := range map[string]string{
		"elasticsearch.yml": fmt.Sprintf(`cluster.name: cinema-real
node.name: real
discovery.type: single-node
network.host: 127.0.0.1
http.port: %d
transport.port: %d
path.data: %s
path.logs: %s
xpack.security.enabled: false
cluster.routing.allocation.disk.threshold_enabled: false
monitor.fs.health.refresh_interval: 10s
`, ports[0], ports[1], folders["data"], folders["logs"]),
		"jvm.options":       strings.Join(append(e.site.javaOptions(1024), homes...), "\n") + "\n",
		"log4j2.properties": "rootLogger.level = warn\nrootLogger.appenderRef.console.ref = console\nappender.console.type = Console\nappender.console.name = console\nappender.console.layout.type = PatternLayout\nappender.console.layout.pattern = [%d{ISO8601}][%-5p][%c{1}] %m%n\n",
	} {
		path := filepath.Join(folders["conf"], name)
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), as.own(path)); err != nil {
			return err
		}
	}
	java, err := javaHome()
	if err != nil {
		return err
	}
	e.node, err = e.site.launch(program{
		name: "elasticsearch", path: filepath.Join(java, "bin", "java"),
		args: append(append(shortLived(64), homes...),
			"-Dcli.name=server", "-Dcli.script=bin/elasticsearch", "-Dcli.libs=lib/tools/server-cli",
			"-Des.path.home="+e.home, "-Des.path.conf="+folders["conf"], "-Des.distribution.type=zip", "-Des.java.type=ES_JAVA_HOME",
			"-cp", filepath.Join(e.home, "lib", "*")+":"+filepath.Join(e.home, "lib", "cli-launcher", "*"),
			"org.elasticsearch.launcher.CliToolLauncher",
		),
		env: []string{"ES_JAVA_HOME=" + java, "ES_PATH_CONF=" + folders["conf"], "ES_TMPDIR=" + folders["tmp"]},
		dir: e.home, as: as, // it looks for its modules there
		// The launcher passes it on to the server that it started.
		stop: syscall.SIGTERM, death: syscall.SIGTERM,
	})
	if err != nil {
		return err
	}
	return e.node.await(ctx, func(ctx context.Context) error {
		return get(ctx, "http://"+e.addr+"/_cluster/health?wait_for_status=yellow&wait_for_events=languid&timeout=2s")
	})
}

func (e *elasticsearch) Stop() { e.node.end(20 * time.Second) }

func (e *elasticsearch) Env() []string {
	return []string{"CINEMA_TEST_ELASTICSEARCH_URL=http://" + port.Address(e.shown)}
}

// javaOptions are those of a server of so many MB.
func (s *site) javaOptions(heap int) []string {
	if s.measured {
		return []string{fmt.Sprintf("-Xms%dm", heap), fmt.Sprintf("-Xmx%dm", heap)}
	}
	return shortLived(heap)
}

// shortLived are those of a Java program that lives for minutes: compiled
// quickly rather than well, which halves the time to the first answer, at the
// cost of all that follow.
func shortLived(heap int) []string {
	return []string{fmt.Sprintf("-Xmx%dm", heap), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"}
}

// javaHome is the folder of the java on the PATH.
func javaHome() (string, error) {
	path, err := exec.LookPath("java")
	if err != nil {
		return "", err
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", err
	}
	return filepath.Dir(filepath.Dir(path)), nil
}

// get succeeds when the address answers 200.
func get(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(res.Body, 1000))
		return fmt.Errorf("%s: %s: %s", url, res.Status, body)
	}
	return nil
}
