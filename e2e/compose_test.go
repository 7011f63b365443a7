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

// compose reads docker-compose.yml as `docker compose` would, with the
// variables of env set.
func compose(t *testing.T, env []string) (*types.Project, error) {
	t.Helper()
	o, err := cli.NewProjectOptions([]string{filepath.Join("..", "docker-compose.yml")}, cli.WithEnv(env), cli.WithProfiles([]string{"*"}))
	require.NoError(t, err)
	return o.LoadProject(t.Context())
}

// exampleEnv is deploy/cinema.env.example with every empty password set.
func exampleEnv(t *testing.T) (passwords, all []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "deploy", "cinema.env.example"))
	require.NoError(t, err)
	for line := range strings.SplitSeq(string(text), "\n") {
		name, value, ok := strings.Cut(line, "=")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		if strings.HasSuffix(name, "_PASSWORD") {
			require.Empty(t, value, "a password that works must not be an example")
			passwords, value = append(passwords, name), "set-for-the-test"
		}
		all = append(all, name+"="+value)
	}
	return passwords, all
}

func TestComposeFile(t *testing.T) {
	passwords, env := exampleEnv(t)
	require.NotEmpty(t, passwords)
	p, err := compose(t, env)
	require.NoError(t, err)

	// What the library lets pass, a person would find at the first start.
	ports := map[string]string{}
	for name, s := range p.Services {
		for dependency, how := range s.DependsOn {
			if how.Condition == types.ServiceConditionHealthy {
				require.NotNil(t, p.Services[dependency].HealthCheck, "%s waits until %s is healthy, which says nothing of its health", name, dependency)
			}
		}
		for _, v := range s.Volumes {
			switch v.Type {
			case types.VolumeTypeVolume:
				require.Contains(t, p.Volumes, v.Source, "%s: the volume is not declared", name)
			case types.VolumeTypeBind:
				require.FileExists(t, v.Source, "%s mounts it", name)
			}
		}
		for _, port := range s.Ports {
			require.NotContains(t, ports, port.Published, "%s and %s publish one port", name, ports[port.Published])
			ports[port.Published] = name
		}
		if s.Build == nil {
			require.Empty(t, s.Ports, "%s is a store: nobody outside may reach it", name)
			require.Regexp(t, regexp.MustCompile(`:[^:/]*\d[^:/]*$`), s.Image, "%s: an image without a version changes by itself", name)
			for network := range s.Networks {
				require.True(t, p.Networks[network].Internal, "%s is in a network that reaches outside", name)
			}
		}
	}
	require.Len(t, ports, 1)

	// The program knows every variable that it is given.
	help, err := exec.CommandContext(t.Context(), cinema.Binary(t), "-help").CombinedOutput()
	require.NoError(t, err)
	for variable := range p.Services["cinema"].Environment {
		require.Contains(t, string(help), variable)
	}
}

func TestComposeAsksForEachPassword(t *testing.T) {
	passwords, env := exampleEnv(t)
	for _, missing := range passwords {
		var rest []string
		for _, e := range env {
			if !strings.HasPrefix(e, missing+"=") {
				rest = append(rest, e)
			}
		}
		_, err := compose(t, rest)
		require.ErrorContains(t, err, missing)
	}
}
