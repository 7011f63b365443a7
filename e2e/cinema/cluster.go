package cinema

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Cluster is the services as processes of their own, which reach each other
// over the network.
type Cluster struct {
	// Front is how browsers reach it. It is no process: what needs one, such
	// as Kill, is for the Instances.
	Front *Instance
	// Instances by the services that they run.
	Instances map[string][]*Instance
	// Nginx stands before them; nil on embedded engines.
	Nginx *Nginx
}

// StartCluster starts the services until the test ends: on the engines that
// they bring along, one of each; or, under `make test-real`, on the real
// servers, two of each behind nginx. Each gets the settings besides its own.
func StartCluster(t testing.TB, settings ...string) *Cluster {
	t.Helper()
	if os.Getenv(allServers) == "" {
		return startEmbedded(t, settings)
	}
	return startReal(t, settings)
}

func startEmbedded(t testing.TB, settings []string) *Cluster {
	t.Helper()
	with := func(own ...string) []string { return append(own, settings...) }
	auth := Start(t, Options{Env: with("CINEMA_TARGET=auth")})
	authURL := "CINEMA_AUTH_URL=" + auth.URL
	films := Start(t, Options{Demo: true, Env: with("CINEMA_TARGET=catalog,admin,etl", authURL)})
	watching := Start(t, Options{Env: with("CINEMA_TARGET=telemetry,collectors", authURL, "CINEMA_CATALOG_URL="+films.URL+"/catalog")})
	router := Start(t, Options{Env: with(
		"CINEMA_TARGET=router", authURL, "CINEMA_CATALOG_URL="+films.URL+"/catalog",
		"CINEMA_ADMIN_URL="+films.URL+"/admin", "CINEMA_TELEMETRY_URL="+watching.URL)})
	return &Cluster{
		Front: &Instance{URL: router.URL, AdminPassword: auth.AdminPassword},
		Instances: map[string][]*Instance{
			"auth": {auth}, "catalog,admin,etl": {films}, "telemetry,collectors": {watching}, "router": {router},
		},
	}
}

// StartDoubledRouters starts the services on the engines that they bring along
// until the test ends, and two routers behind nginx, without which it is skipped.
func StartDoubledRouters(t testing.TB) *Cluster {
	t.Helper()
	if nginxProgram() == "" {
		t.Skip("needs nginx")
	}
	c := &Cluster{Front: &Instance{URL: "http://127.0.0.1:" + freePort(t)}, Instances: map[string][]*Instance{}}
	inside := freePort(t)
	films, watching, auth := freePort(t), freePort(t), freePort(t)
	ports := map[string][]string{"auth": {auth}, "catalog": {films}, "admin": {films}, "telemetry": {watching}, "router": {freePort(t), freePort(t)}}
	c.Nginx = startNginx(t, c.Front.URL, inside, ports)
	env := []string{"CINEMA_TRUSTED_PROXIES=127.0.0.1", "CINEMA_MEDIA_SIGNING_KEY=" + newKey(t)}
	for _, service := range []string{"auth", "catalog", "admin", "telemetry"} {
		env = append(env, "CINEMA_"+strings.ToUpper(service)+"_URL=http://127.0.0.1:"+inside+"/"+service)
	}
	start := func(targets, port string) {
		c.Instances[targets] = append(c.Instances[targets], Start(t, Options{Port: port, Env: slices.Concat(env, []string{"CINEMA_TARGET=" + targets})}))
	}
	start("auth", auth)
	start("catalog,admin,etl", films)
	start("telemetry,collectors", watching)
	for _, port := range ports["router"] {
		start("router", port)
	}
	return c
}

// nginxProgram is where nginx is, or empty.
func nginxProgram() string {
	if path, err := exec.LookPath("nginx"); err == nil {
		return path
	}
	if path := "/usr/sbin/nginx"; exists(path) { // where Debian keeps it, off most PATHs
		return path
	}
	return ""
}

// allServers is set by e2e/real when every server is there; the variables
// below are its too, see internal/realtest.
const allServers = "CINEMA_TEST_REAL"

// stores are the program's settings for the real servers.
func stores(t testing.TB) []string {
	t.Helper()
	given := func(variable string) string {
		v := os.Getenv(variable)
		if v == "" {
			t.Fatalf("%s is empty: make test-real should have set it", variable)
		}
		return v
	}
	parsed := func(variable string) *url.URL {
		u, err := url.Parse(given(variable))
		if err != nil {
			t.Fatalf("%s: %v", variable, err)
		}
		return u
	}
	database := func(name string) string {
		return parsed("CINEMA_TEST_POSTGRES_URL").ResolveReference(&url.URL{Path: "/" + name}).String()
	}
	s3 := parsed("CINEMA_TEST_S3_URL")
	key := s3.User.Username()
	secret, _ := s3.User.Password()
	return []string{
		"CINEMA_POSTGRES_AUTH_URL=" + database("auth"),
		"CINEMA_POSTGRES_CATALOG_URL=" + database("catalog"),
		"CINEMA_POSTGRES_TELEMETRY_URL=" + database("telemetry"),
		"CINEMA_KAFKA_BROKERS=" + given("CINEMA_TEST_KAFKA_BROKERS"),
		"CINEMA_CLICKHOUSE_ADDR=" + given("CINEMA_TEST_CLICKHOUSE_ADDR"), // of both shards
		"CINEMA_CLICKHOUSE_CLUSTER=cinema",
		"CINEMA_CLICKHOUSE_PASSWORD=" + given("CINEMA_TEST_CLICKHOUSE_PASSWORD"),
		"CINEMA_REDIS_URL=" + os.Getenv("CINEMA_TEST_REDIS_URL"),
		"CINEMA_ELASTICSEARCH_URL=" + os.Getenv("CINEMA_TEST_ELASTICSEARCH_URL"),
		"CINEMA_S3_URL=" + s3.Scheme + "://" + s3.Host,
		"CINEMA_S3_BUCKET=" + strings.Trim(s3.Path, "/"),
		"CINEMA_S3_ACCESS_KEY=" + key,
		"CINEMA_S3_SECRET_KEY=" + secret,
	}
}

// Services are those of which a cluster runs two, in the order of their start.
var Services = []string{"auth", "catalog", "admin", "etl", "telemetry", "collectors", "router"}

func startReal(t testing.TB, settings []string) *Cluster {
	t.Helper()
	inside := freePort(t)
	env := append(stores(t), settings...)
	for _, service := range []string{"auth", "catalog", "admin", "telemetry"} {
		env = append(env, "CINEMA_"+strings.ToUpper(service)+"_URL=http://127.0.0.1:"+inside+"/"+service)
	}
	env = append(append(env, "CINEMA_TRUSTED_PROXIES=127.0.0.1"), secrets...)

	c := &Cluster{Front: &Instance{URL: "http://127.0.0.1:" + freePort(t)}, Instances: map[string][]*Instance{}}
	// nginx comes first, for services ask it for the keys of auth; so the
	// ports of all instances are chosen before any of them starts.
	ports := map[string][]string{}
	for _, service := range Services {
		ports[service] = []string{freePort(t), freePort(t)}
	}
	c.Nginx = startNginx(t, c.Front.URL, inside, ports)
	for _, service := range Services {
		for n, port := range ports[service] {
			i := Start(t, Options{Port: port, Demo: n == 0, Env: slices.Concat(env, []string{"CINEMA_TARGET=" + service})})
			c.Instances[service] = append(c.Instances[service], i)
		}
	}
	c.Front.AdminPassword = c.Instances["auth"][0].AdminPassword
	return c
}

// LoseOne kills one instance of each service that has another, as a machine does
// that is lost.
func (c *Cluster) LoseOne() {
	for _, instances := range c.Instances {
		if len(instances) > 1 {
			instances[0].Kill()
		}
	}
}

func newKey(t testing.TB) string {
	t.Helper()
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(key)
}

// Again starts an instance anew that has ended.
func (c *Cluster) Again(t testing.TB, service string, n int) {
	t.Helper()
	c.Instances[service][n] = c.Instances[service][n].Again(t)
}

var upstream = regexp.MustCompile(`server ([a-z]+):8080([^;]*);`)

// Nginx is the proxy before the services.
type Nginx struct {
	front string
	log   string
	args  []string
	cmd   *exec.Cmd
}

// startNginx runs nginx on the configuration that is deployed, with addresses
// of loopback in place of the services' names.
func startNginx(t testing.TB, front, inside string, ports map[string][]string) *Nginx {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), "deploy", "nginx", "nginx.conf"))
	if err != nil {
		t.Fatal(err)
	}
	conf := upstream.ReplaceAllStringFunc(string(text), func(line string) string {
		found := upstream.FindStringSubmatch(line)
		service, options := found[1], found[2]
		var servers []string
		for _, port := range ports[service] {
			servers = append(servers, "server 127.0.0.1:"+port+options+";")
		}
		if len(servers) == 0 {
			t.Fatalf("nginx.conf names the service %s, which does not run", service)
		}
		return strings.Join(servers, " ")
	})
	dir := t.TempDir()
	replace := func(what, by string) {
		if strings.Count(conf, what) != 1 {
			t.Fatalf("nginx.conf does not hold %q once", what)
		}
		conf = strings.Replace(conf, what, by, 1)
	}
	replace("listen 8080;", "listen "+strings.TrimPrefix(front, "http://")+";")
	replace("listen 8081;", "listen 127.0.0.1:"+inside+";")
	var own []string // of whoever runs the tests, where the package's are root's
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		own = append(own, kind+"_temp_path "+filepath.Join(dir, kind)+";")
	}
	replace("http {", "http { "+strings.Join(own, " "))
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	nginx := nginxProgram()
	if nginx == "" {
		t.Fatal("nginx is not installed")
	}
	n := &Nginx{front: front, log: filepath.Join(dir, "error.log")}
	n.args = []string{nginx, "-p", dir, "-e", n.log, "-c", file, "-g", "daemon off; master_process off; pid " + filepath.Join(dir, "pid") + ";"}
	t.Cleanup(func() {
		n.end(syscall.SIGTERM)
		if b, err := os.ReadFile(n.log); err == nil && t.Failed() {
			t.Logf("nginx says:\n%s", tail(string(b), 4000))
		}
	})
	n.Start(t)
	return n
}

// Start starts it, also after a Kill, and waits for its first answer.
func (n *Nginx) Start(t testing.TB) {
	t.Helper()
	n.cmd = exec.Command(n.args[0], n.args[1:]...) //nolint:noctx // ended by end
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	Eventually(t, 10*time.Second, func() error {
		res, err := http.Get(n.front) //nolint:noctx // bounded by Eventually's patience with loopback
		if err != nil {
			b, _ := os.ReadFile(n.log)
			return fmt.Errorf("%w\n%s", err, b)
		}
		return res.Body.Close() // whatever it says: it may have nobody behind it yet
	})
}

// Kill is kill -9.
func (n *Nginx) Kill() { n.end(syscall.SIGKILL) }

func (n *Nginx) end(s syscall.Signal) {
	if n.cmd == nil || n.cmd.ProcessState != nil {
		return
	}
	_ = n.cmd.Process.Signal(s)
	_ = n.cmd.Wait()
}

// Doubled lists the services of which there are two.
func (c *Cluster) Doubled() []string {
	var list []string
	for targets, instances := range c.Instances {
		if len(instances) > 1 {
			list = append(list, targets)
		}
	}
	slices.Sort(list)
	return list
}
