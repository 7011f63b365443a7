package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func env(pairs ...string) func(string) (string, bool) {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(k string) (string, bool) { v, ok := m[k]; return v, ok }
}

func TestLoadDefaults(t *testing.T) {
	c, err := Load(nil, env())
	require.NoError(t, err)
	require.Equal(t, Targets, c.Targets)
	require.True(t, c.Demo)
	require.Equal(t, "http://localhost:8080", c.PublicURL())
}

func TestLoadReportsEveryFaultAtOnce(t *testing.T) {
	_, err := Load(nil, env(
		"CINEMA_TARGET", "router,cook",
		"CINEMA_LISTEN", "nowhere",
		"CINEMA_LOG_LEVEL", "loud",
		"CINEMA_DEMO", "maybe",
		"CINEMA_POSTGRES_AUTH_URL", "mysql://root:hunter2@db/auth",
		"CINEMA_KAFKA_BROKERS", "kafka",
		"CINEMA_MEDIA_SIGNING_KEY", "hunter2",
		"CINEMA_CLICKHOUSE_PASSWORD_FILE", "/does/not/exist",
		"CINEMA_TRUSTED_PROXIES", "10.0.0.0/8, nginx",
		"CINEMA_S3_URL", "http://cinema:hunter2@minio:9000",
		"CINEMA_S3_BUCKET", "A",
		"CINEMA_CLICKHOUSE_ADDR", "a:9000,b:9000",
		"CINEMA_OTLP_URL", "http://cinema:hunter2@jaeger:4318",
		"CINEMA_TRACE_RATIO", "NaN",
		"CINEMA_TRACE_KEY", "hunter2",
	))
	require.Error(t, err)
	for _, name := range []string{"CINEMA_TARGET", "CINEMA_LISTEN", "CINEMA_LOG_LEVEL", "CINEMA_DEMO",
		"CINEMA_POSTGRES_AUTH_URL", "CINEMA_KAFKA_BROKERS", "CINEMA_MEDIA_SIGNING_KEY", "CINEMA_CLICKHOUSE_PASSWORD_FILE",
		"CINEMA_CLICKHOUSE_CLUSTER", "CINEMA_TRUSTED_PROXIES", "CINEMA_S3_URL", "CINEMA_S3_BUCKET", "CINEMA_S3_ACCESS_KEY", "CINEMA_S3_SECRET_KEY",
		"CINEMA_OTLP_URL", "CINEMA_TRACE_RATIO", "CINEMA_TRACE_KEY"} {
		require.Contains(t, err.Error(), name)
	}
	require.NotContains(t, err.Error(), "hunter2", "a secret must not be printed")
}

func TestLoadPrecedenceAndFiles(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("s3cret\n"), 0o600))
	c, err := Load(map[string]string{"CINEMA_LISTEN": ":1"}, env(
		"CINEMA_LISTEN", ":2", "CINEMA_CLICKHOUSE_PASSWORD_FILE", secret))
	require.NoError(t, err)
	require.Equal(t, ":1", c.HTTP.Listen)
	require.Equal(t, "s3cret", c.ClickHouse.Password)
	var out strings.Builder
	c.Print(&out)
	require.NotContains(t, out.String(), "s3cret")
	require.Contains(t, out.String(), "CINEMA_LISTEN=:1")
}

// Every secret can come from a file, and what does is shown no more than others.
func TestSecretsFromFiles(t *testing.T) {
	const value = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	values := map[string]string{
		"CINEMA_POSTGRES_AUTH_URL": "postgres://cinema:" + value + "@db/auth", "CINEMA_POSTGRES_CATALOG_URL": "postgres://cinema:" + value + "@db/catalog",
		"CINEMA_POSTGRES_TELEMETRY_URL": "postgres://cinema:" + value + "@db/telemetry", "CINEMA_ELASTICSEARCH_URL": "http://elastic:" + value + "@search:9200",
		"CINEMA_REDIS_URL": "redis://:" + value + "@redis:6379/0",
	}
	for _, s := range settings {
		if !s.secret {
			continue
		}
		want := values[s.env]
		if want == "" {
			want = value
		}
		path := filepath.Join(t.TempDir(), "secret")
		more := []string{}
		if strings.HasPrefix(s.env, "CINEMA_S3_") {
			more = []string{"CINEMA_S3_URL", "http://minio:9000", "CINEMA_S3_ACCESS_KEY", "cinema"}
		}
		if provider, ok := strings.CutSuffix(s.env, "_CLIENT_SECRET"); ok {
			more = []string{provider + "_CLIENT_ID", "cinema"}
		}
		if s.env == "CINEMA_SMTP_PASSWORD" {
			more = []string{"CINEMA_SMTP_ADDR", "mail.example:587", "CINEMA_SMTP_USER", "cinema", "CINEMA_SMTP_FROM", "cinema@example.org", "CINEMA_PUBLIC_URL", "https://cinema.example"}
		}
		for _, end := range []string{"", "\n", "\r\n"} {
			require.NoError(t, os.WriteFile(path, []byte(want+end), 0o600))
			c, err := Load(nil, env(append(more, s.env+"_FILE", path)...))
			require.NoError(t, err, s.env)
			require.Equal(t, want, s.get(c), s.env)
			require.Empty(t, c.Warnings)
			var out strings.Builder
			c.Print(&out)
			require.NotContains(t, out.String(), value, s.env)
		}
		_, err := Load(nil, env(append(more, s.env+"_FILE", path, s.env, want)...))
		require.ErrorContains(t, err, s.env+"_FILE: "+s.env+" is set too")
		require.NotContains(t, err.Error(), value)
		_, err = Load(nil, env(append(more, s.env+"_FILE", path, s.env, "")...))
		require.NoError(t, err, "an empty variable is none")
	}
	// Its owner and group may read it, nobody else.
	path := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(path, []byte("s3cret-s3cret-s3cret"), 0o600))
	for mode, warned := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o644: true, 0o602: true} {
		require.NoError(t, os.Chmod(path, mode))
		c, err := Load(nil, env("CINEMA_TRACE_KEY_FILE", path, "CINEMA_DATA_DIR_FILE", path))
		require.NoError(t, err)
		if !warned {
			require.Empty(t, c.Warnings, mode)
			continue
		}
		require.Len(t, c.Warnings, 1, "only of a secret: %o", mode)
		require.Contains(t, c.Warnings[0], path)
		require.NotContains(t, c.Warnings[0], "s3cret-")
	}
	_, err := Load(nil, env("CINEMA_TRACE_KEY_FILE", t.TempDir()))
	require.ErrorContains(t, err, "CINEMA_TRACE_KEY_FILE: want a file")
	require.NoError(t, os.WriteFile(path, make([]byte, 70_000), 0o600))
	_, err = Load(nil, env("CINEMA_TRACE_KEY_FILE", path))
	require.ErrorContains(t, err, "CINEMA_TRACE_KEY_FILE: the file has more than")
}

func TestSeparateServicesNeedEachOther(t *testing.T) {
	_, err := Load(nil, env("CINEMA_TARGET", "router"))
	require.ErrorContains(t, err, "CINEMA_CATALOG_URL")
	_, err = Load(nil, env("CINEMA_TARGET", "catalog"))
	require.ErrorContains(t, err, "CINEMA_AUTH_URL")
	_, err = Load(nil, env("CINEMA_TARGET", "etl"))
	require.NoError(t, err)
	_, err = Load(nil, env("CINEMA_TARGET", "catalog", "CINEMA_AUTH_URL", "http://127.0.0.1:7000"))
	require.NoError(t, err)
}

func TestTrustedProxiesAreAddressesOrNetworks(t *testing.T) {
	c, err := Load(nil, env("CINEMA_TRUSTED_PROXIES", "10.1.2.3/8, 127.0.0.1,::1"))
	require.NoError(t, err)
	var out strings.Builder
	c.Print(&out)
	require.Contains(t, out.String(), "CINEMA_TRUSTED_PROXIES=10.0.0.0/8,127.0.0.1/32,::1/128\n")
}

func TestMail(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("s3cret\n"), 0o600))
	good := []string{"CINEMA_SMTP_ADDR", "mail.example:587", "CINEMA_SMTP_FROM", "Cinema <cinema@example.org>", "CINEMA_SMTP_USER", "post",
		"CINEMA_SMTP_PASSWORD_FILE", secret, "CINEMA_PUBLIC_URL", "https://cinema.example", "CINEMA_SIGN_UP", "invitation"}
	c, err := Load(nil, env(good...))
	require.NoError(t, err)
	require.Equal(t, "s3cret", c.smtp().Password)
	require.Equal(t, "cinema.example", c.smtp().Hello)
	require.Equal(t, "starttls", c.smtp().TLS)
	require.Equal(t, "invitation", c.Auth.SignUp)
	var out strings.Builder
	c.Print(&out)
	require.NotContains(t, out.String(), "s3cret")
	for name, value := range map[string]string{
		"CINEMA_SMTP_ADDR": "mail.example", "CINEMA_SMTP_FROM": "cinema", "CINEMA_SMTP_TLS": "none", "CINEMA_SMTP_USER": "",
		"CINEMA_PUBLIC_URL": "", "CINEMA_SIGN_UP": "sometimes",
	} {
		_, err := Load(nil, env(append(good, name, value)...))
		require.ErrorContains(t, err, name+":", "%s=%s", name, value)
	}
}

func TestBackupTargets(t *testing.T) {
	load := func(env map[string]string) error {
		_, err := Load(nil, func(k string) (string, bool) { v, ok := env[k]; return v, ok })
		return err
	}
	s3 := func(more map[string]string) map[string]string {
		env := map[string]string{"CINEMA_BACKUP_S3_URL": "http://backup:9000", "CINEMA_BACKUP_S3_ACCESS_KEY": "a", "CINEMA_BACKUP_S3_SECRET_KEY": "b"}
		for k, v := range more {
			env[k] = v
		}
		return env
	}
	for name, tc := range map[string]struct {
		env  map[string]string
		want string
	}{
		"a folder":             {map[string]string{"CINEMA_BACKUP_TO": "/mnt/backup"}, ""},
		"a bucket":             {s3(map[string]string{"CINEMA_BACKUP_TO": "s3://backups/nightly"}), ""},
		"no address":           {map[string]string{"CINEMA_BACKUP_TO": "s3://backups"}, "CINEMA_BACKUP_S3_URL"},
		"another protocol":     {map[string]string{"CINEMA_BACKUP_TO": "ftp://backups"}, "want a folder, or s3://"},
		"a password in it":     {s3(map[string]string{"CINEMA_BACKUP_TO": "s3://me:hushhush@backups"}), "CINEMA_BACKUP_S3_SECRET_KEY"},
		"too often":            {map[string]string{"CINEMA_BACKUP_EVERY": "1s"}, "CINEMA_BACKUP_EVERY"},
		"none are kept":        {map[string]string{"CINEMA_BACKUP_KEEP": "0"}, "CINEMA_BACKUP_KEEP"},
		"the objects' own one": {map[string]string{"CINEMA_BACKUP_TO": "s3://cinema", "CINEMA_S3_URL": "http://s:9000", "CINEMA_S3_ACCESS_KEY": "a", "CINEMA_S3_SECRET_KEY": "b"}, "choose another one for backups"},
	} {
		t.Run(name, func(t *testing.T) {
			err := load(tc.env)
			if tc.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tc.want)
			require.NotContains(t, err.Error(), "hushhush")
		})
	}
}
