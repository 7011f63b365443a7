package main

import (
	"context"
	"crypto/rand"
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	s3 "github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/netflixathome/cinema/e2e/port"
)

// minio is one process with four drives, which is the least that it spreads
// objects over. Its bucket is empty.
type minio struct {
	site     *site
	binary   string
	server   *process
	addr     string
	shown    int
	password string
}

const (
	minioVersion = "v0.0.0-20260212201848-7aac2a2c5b7c"
	minioUser    = "cinema"
	minioBucket  = "cinema-test"
)

func (*minio) Name() string { return "minio" }

func (m *minio) Fetch(ctx context.Context) error {
	version := minioVersion[strings.LastIndex(minioVersion, "-")+1:]
	var err error
	m.binary, err = m.site.goProgram(ctx, "minio-"+version, "github.com/minio/minio@"+minioVersion, "minio")
	return err
}

func (m *minio) Start(ctx context.Context) error {
	ports, err := freePorts(1)
	if err != nil {
		return err
	}
	m.addr, m.password = port.Address(ports[0]), rand.Text()
	if m.shown, err = m.site.shown(ctx, "minio", ports[0]); err != nil {
		return err
	}
	dir, err := m.site.folder(nil, "minio")
	if err != nil {
		return err
	}
	m.server, err = m.site.launch(program{
		name: "minio", path: m.binary, dir: dir,
		args: []string{"server", "--quiet", "--address", m.addr, filepath.Join(dir, "drive{1...4}")},
		env: []string{
			"MINIO_ROOT_USER=" + minioUser, "MINIO_ROOT_PASSWORD=" + m.password, "MINIO_BROWSER=off", "MINIO_UPDATE=off",
			"MINIO_CI_CD=1", // the drives may lie on the disk of the system
		},
		stop: syscall.SIGTERM, death: syscall.SIGKILL,
	})
	if err != nil {
		return err
	}
	client, err := s3.New(m.addr, &s3.Options{Creds: credentials.NewStaticV4(minioUser, m.password, "")})
	if err != nil {
		return err
	}
	return m.server.await(ctx, func(ctx context.Context) error {
		if err := get(ctx, "http://"+m.addr+"/minio/health/cluster"); err != nil {
			return err
		}
		err := client.MakeBucket(ctx, minioBucket, s3.MakeBucketOptions{})
		var answer s3.ErrorResponse
		if errors.As(err, &answer) && answer.Code == s3.BucketAlreadyOwnedByYou {
			return nil
		}
		return err
	})
}

func (m *minio) Stop() { m.server.end(5 * time.Second) }

func (m *minio) Env() []string {
	return []string{"CINEMA_TEST_S3_URL=http://" + minioUser + ":" + m.password + "@" + port.Address(m.shown) + "/" + minioBucket}
}
