package boundaries

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/netflixathome/cinema/"

// ban forbids packages under from to import packages under to.
type ban struct {
	from, to string
	except   []string // folders that may
	reason   string
}

var bans = []ban{
	{from: "subgraphs/auth", to: "subgraphs", except: []string{"subgraphs/auth"}, reason: "subgraphs speak through the router or the event log, so that each can run elsewhere"},
	{from: "subgraphs/catalog", to: "subgraphs", except: []string{"subgraphs/catalog"}, reason: "subgraphs speak through the router or the event log, so that each can run elsewhere"},
	{from: "subgraphs/admin", to: "subgraphs", except: []string{"subgraphs/admin"}, reason: "subgraphs speak through the router or the event log, so that each can run elsewhere"},
	{from: "subgraphs/telemetry", to: "subgraphs", except: []string{"subgraphs/telemetry"}, reason: "subgraphs speak through the router or the event log, so that each can run elsewhere"},
	{from: "router", to: "subgraphs", reason: "the router knows subgraphs by their schema alone"},
	{from: "router", to: "graph", reason: "the router knows subgraphs by their schema alone"},
	{from: "graph", to: "etl", reason: "generated code imports domain types, no service"},
	{from: "graph", to: "router", reason: "generated code imports domain types, no service"},
	{from: "graph", to: "internal/app", reason: "generated code imports domain types, no service"},
	{from: "collectors", to: "router", reason: "a collector reads the log and writes a store, nothing else"},
	{from: "etl", to: "router", reason: "an ETL reads its source and writes its target, nothing else"},
	{from: "engines", to: "internal/app", reason: "engines know no service"},
	{from: "engines", to: "subgraphs", reason: "engines know no service"},
	// Adapters are chosen by the wiring alone, so that the shape of the
	// program is known in one place.
	{from: "", to: "internal/search/bleve", except: []string{"internal/app", "internal/search"}, reason: "only the wiring chooses adapters"},
	{from: "", to: "internal/search/elastic", except: []string{"internal/app", "internal/search"}, reason: "only the wiring chooses adapters"},
	{from: "", to: "internal/blob/files", except: []string{"internal/app", "internal/blob"}, reason: "only the wiring chooses adapters"},
	{from: "", to: "internal/blob/s3", except: []string{"internal/app", "internal/blob"}, reason: "only the wiring chooses adapters"},
	{from: "", to: "internal/cache/memory", except: []string{"internal/app", "internal/cache"}, reason: "only the wiring chooses adapters"},
	{from: "", to: "internal/cache/redis", except: []string{"internal/app", "internal/cache"}, reason: "only the wiring chooses adapters"},
	{from: "", to: "internal/limit/memory", except: []string{"internal/app", "internal/limit"}, reason: "only the wiring chooses adapters"},
	{from: "", to: "internal/limit/redis", except: []string{"internal/app", "internal/limit"}, reason: "only the wiring chooses adapters"},
	{from: "", to: "internal/bus/memory", except: []string{"internal/app", "internal/bus"}, reason: "only the wiring chooses adapters"},
	{from: "", to: "internal/bus/redis", except: []string{"internal/app", "internal/bus"}, reason: "only the wiring chooses adapters"},
	{from: "", to: "subgraphs/auth/providers", except: []string{"internal/app", "subgraphs/auth/providers"}, reason: "only the wiring chooses who vouches for viewers"},
	{from: "", to: "internal/mail/smtp", except: []string{"internal/app", "internal/mail"}, reason: "only the wiring chooses adapters"},
	{from: "", to: "internal/redis", except: []string{"internal/app", "internal/redis"}, reason: "only the wiring opens a shared server; adapters are handed its client"},
	{from: "", to: "internal/tracing/otlp", except: []string{"internal/app", "internal/tracing"}, reason: "only the wiring knows where spans go; whoever tells one needs internal/tracing alone"},
	{from: "", to: "engines", except: []string{"internal/app", "engines"}, reason: "only the wiring knows which engines are embedded"},
	{from: "", to: "internal/app", except: []string{"internal/app", "cmd"}, reason: "the wiring is the top: nothing hangs on it but the command"},
}

func TestImports(t *testing.T) {
	root := filepath.Join("..", "..")
	fset := token.NewFileSet()
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && (name == "node_modules" || name == "e2e" || name == "data" && filepath.Dir(file) == root || strings.HasPrefix(name, ".") && len(name) > 2) {
			return filepath.SkipDir
		}
		// Tests may use whatever engine or adapter they are about.
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		pkg := path.Dir(filepath.ToSlash(rel))
		if strings.HasSuffix(pkg, "test") {
			return nil
		}
		parsed, err := parser.ParseFile(fset, file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, imp := range parsed.Imports {
			target, _ := strconv.Unquote(imp.Path.Value)
			target, ours := strings.CutPrefix(target, module)
			if !ours {
				continue
			}
			for _, b := range bans {
				if under(pkg, b.from) && under(target, b.to) && !anyUnder(target, pkg, b.except) {
					t.Errorf("%s imports %s: %s", rel, target, b.reason)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func under(pkg, dir string) bool {
	return dir == "" || pkg == dir || strings.HasPrefix(pkg, dir+"/")
}

// anyUnder reports whether the importing package or, for bans within one tree,
// the imported one lies in a folder that is excepted.
func anyUnder(target, pkg string, dirs []string) bool {
	for _, d := range dirs {
		if under(pkg, d) && (under(target, d) || !strings.HasPrefix(d, "subgraphs/")) {
			return true
		}
	}
	return false
}
