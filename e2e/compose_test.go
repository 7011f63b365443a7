package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"

	"github.com/netflixathome/cinema/e2e/cinema"
)

// profiles are those of docker-compose.yml, with the file that has their logs
// go to Logstash, and the services that answer browsers.
var profiles = []struct{ name, logs, front string }{
	{"core", "logs-core.yml", "cinema"}, {"cluster", "logs-cluster.yml", "nginx"}, {"observe", "", ""},
}

// compose reads docker-compose.yml as `docker compose` would, with the
// variables of env set.
func compose(t *testing.T, env []string, profile string, more ...string) (*types.Project, error) {
	t.Helper()
	o, err := cli.NewProjectOptions(append([]string{filepath.Join("..", "docker-compose.yml")}, more...), cli.WithEnv(env), cli.WithProfiles([]string{profile}))
	require.NoError(t, err)
	return o.LoadProject(t.Context())
}

// exampleEnv is deploy/cinema.env.example with every empty secret set.
func exampleEnv(t *testing.T) (secrets, all []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "deploy", "cinema.env.example"))
	require.NoError(t, err)
	for line := range strings.SplitSeq(string(text), "\n") {
		name, value, ok := strings.Cut(line, "=")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		if secretName.MatchString(name) {
			require.Empty(t, value, "a password that works must not be an example")
			secrets, value = append(secrets, name), strings.Repeat("ab", 32)
		}
		all = append(all, name+"="+value)
	}
	return secrets, all
}

var secretName = regexp.MustCompile(`_(PASSWORD|SECRET|KEY)$`)

// ends reports whether a service does one thing and ends.
func ends(s types.ServiceConfig) bool { return s.Restart == "on-failure" }

func TestComposeFile(t *testing.T) {
	secrets, env := exampleEnv(t)
	require.NotEmpty(t, secrets)
	for _, profile := range profiles {
		t.Run(profile.name, func(t *testing.T) {
			var more []string
			if profile.logs != "" {
				more = append(more, filepath.Join("..", "deploy", "compose", profile.logs))
			}
			p, err := compose(t, env, profile.name, more...)
			require.NoError(t, err)
			require.NotEmpty(t, p.Services)
			used := map[string]bool{}
			for name, s := range p.Services {
				checkDependencies(t, p, name, s)
				checkMounts(t, p, name, s, used)
				checkClosed(t, p, name, s)
				checkBounds(t, name, s)
				if len(s.Ports) > 0 && profile.name != "observe" {
					require.Equal(t, profile.front, name, "nobody outside may reach it")
				}
				for _, port := range s.Ports {
					if profile.name == "observe" {
						require.Equal(t, "127.0.0.1", port.HostIP, "%s is for this machine alone", name)
					}
				}
				if profile.logs != "" && s.Image == "netflixathome/cinema:local" {
					require.Equal(t, "gelf", s.Logging.Driver, "%s: its log goes nowhere", name)
				}
			}
			if profile.front != "" {
				require.NotEmpty(t, p.Services[profile.front].Ports)
			}
		})
	}
	t.Run("together", func(t *testing.T) {
		for _, shape := range []string{"core", "cluster"} {
			ports := map[string]string{}
			for _, profile := range []string{shape, "observe"} {
				p, err := compose(t, env, profile)
				require.NoError(t, err)
				for name, s := range p.Services {
					for _, port := range s.Ports {
						require.NotContains(t, ports, port.Published, "%s and %s publish one port", name, ports[port.Published])
						ports[port.Published] = name
					}
				}
			}
		}
	})
	t.Run("volumes", func(t *testing.T) { // every one that is declared is somebody's
		p, err := compose(t, env, "*")
		require.NoError(t, err)
		used := map[string]bool{}
		for name, s := range p.Services {
			checkMounts(t, p, name, s, used)
		}
		for name := range p.Volumes {
			require.True(t, used[name], "nobody mounts %s", name)
		}
	})
	t.Run("settings", func(t *testing.T) { // the program knows every variable that it is given
		help, err := exec.CommandContext(t.Context(), cinema.Binary(t), "-help").CombinedOutput()
		require.NoError(t, err)
		p, err := compose(t, env, "*")
		require.NoError(t, err)
		for name, s := range p.Services {
			if s.Image != "netflixathome/cinema:local" {
				continue
			}
			for variable := range s.Environment {
				require.Contains(t, string(help), variable, name)
			}
		}
	})
}

func checkDependencies(t *testing.T, p *types.Project, name string, s types.ServiceConfig) {
	t.Helper()
	for dependency, how := range s.DependsOn {
		on, ok := p.Services[dependency]
		require.True(t, ok, "%s waits for %s, which is of another profile", name, dependency)
		switch how.Condition {
		case types.ServiceConditionHealthy:
			require.False(t, on.HealthCheck == nil || on.HealthCheck.Disable, "%s waits until %s is healthy, which says nothing of its health", name, dependency)
		case types.ServiceConditionCompletedSuccessfully:
			require.True(t, ends(on), "%s waits for the end of %s, which goes on", name, dependency)
		}
	}
}

func checkMounts(t *testing.T, p *types.Project, name string, s types.ServiceConfig, used map[string]bool) {
	t.Helper()
	for _, v := range s.Volumes {
		switch v.Type {
		case types.VolumeTypeVolume:
			require.NotEmpty(t, v.Source, "%s: what is in %s does not last", name, v.Target)
			require.Contains(t, p.Volumes, v.Source, "%s: the volume is not declared", name)
			used[v.Source] = true
		case types.VolumeTypeBind:
			_, err := os.Stat(v.Source)
			require.NoError(t, err, "%s mounts it", name)
			require.True(t, v.ReadOnly, "%s may write to %s", name, v.Source)
		}
	}
}

// checkClosed: a service may do what it must, and nobody comes near a store.
func checkClosed(t *testing.T, p *types.Project, name string, s types.ServiceConfig) {
	t.Helper()
	require.True(t, s.ReadOnly, "%s may write to its image", name)
	require.Equal(t, []string{"ALL"}, s.CapDrop, name)
	require.Contains(t, s.SecurityOpt, "no-new-privileges:true", name)
	require.False(t, s.Privileged, name)
	if ends(s) && s.NetworkMode == "none" {
		return // it may be root: a new volume is, and nobody reaches it
	}
	require.Empty(t, s.CapAdd, name)
	user, _, _ := strings.Cut(s.User, ":")
	require.NotContains(t, []string{"", "0", "root"}, user, "%s is root", name)
	if len(s.Ports) > 0 {
		return
	}
	require.NotEmpty(t, s.Networks, name)
	for network := range s.Networks {
		require.True(t, p.Networks[network].Internal, "%s is in a network that reaches outside", name)
	}
}

// checkBounds: nothing takes the machine, and what hangs is noticed.
func checkBounds(t *testing.T, name string, s types.ServiceConfig) {
	t.Helper()
	require.Positive(t, int64(s.MemLimit), "%s may take all memory", name)
	require.Positive(t, s.CPUS, "%s may take all processors", name)
	require.Positive(t, s.PidsLimit, "%s may start any number of processes", name)
	if !ends(s) {
		require.False(t, s.HealthCheck == nil || s.HealthCheck.Disable || len(s.HealthCheck.Test) == 0, "nobody asks how %s is", name)
		require.Equal(t, "unless-stopped", s.Restart, name)
	}
	if s.Build != nil {
		if s.Build.DockerfileInline == "" {
			require.FileExists(t, filepath.Join(s.Build.Context, "Dockerfile"), name)
		}
		return
	}
	require.Regexp(t, regexp.MustCompile(`:[^:/]*\d[^:/]*$`), s.Image, "%s: an image without a version changes by itself", name)
}

func TestComposeAsksForEachSecret(t *testing.T) {
	secrets, env := exampleEnv(t)
	for _, missing := range secrets {
		var rest []string
		for _, e := range env {
			if !strings.HasPrefix(e, missing+"=") {
				rest = append(rest, e)
			}
		}
		_, err := compose(t, rest, "*")
		require.ErrorContains(t, err, missing)
	}
}

// What deploy/make-env prints starts every profile, and twice it is not the same.
func TestMakeEnv(t *testing.T) {
	script := filepath.Join("..", "deploy", "make-env")
	once, err := exec.CommandContext(t.Context(), script).Output()
	require.NoError(t, err)
	var env []string
	seen := map[string]bool{}
	for line := range strings.SplitSeq(string(once), "\n") {
		name, value, ok := strings.Cut(line, "=")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		if secretName.MatchString(name) {
			require.Regexp(t, `^[0-9a-f]{64}$`, value, name)
			require.False(t, seen[value], "%s is another's", name)
			seen[value] = true
		}
		env = append(env, name+"="+value)
	}
	require.NotEmpty(t, seen)
	_, err = compose(t, env, "*")
	require.NoError(t, err)
	again, err := exec.CommandContext(t.Context(), script).Output()
	require.NoError(t, err)
	require.NotEqual(t, string(once), string(again))
}
