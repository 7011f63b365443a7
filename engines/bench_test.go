package engines_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/netflixathome/cinema/engines"
)

// durable is how the program starts the engines.
func durable(dir, launcher string) engines.Options {
	opt := options(dir, launcher)
	opt.Disposable = false
	return opt
}

// BenchmarkFirstStart is a start on an empty folder; the stop is not counted.
func BenchmarkFirstStart(b *testing.B) {
	path := launcher(b)
	for b.Loop() {
		b.StopTimer()
		dir := b.TempDir()
		b.StartTimer()
		set, err := engines.Start(b.Context(), durable(dir, path))
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		stop(b, set)
		b.StartTimer()
	}
}

// BenchmarkSecondStart is every further start. It also reports the resident
// memory of the two child processes after it.
func BenchmarkSecondStart(b *testing.B) {
	path, dir := launcher(b), b.TempDir()
	set, err := engines.Start(b.Context(), durable(dir, path))
	if err != nil {
		b.Fatal(err)
	}
	stop(b, set)
	var memory map[string]int
	for b.Loop() {
		set, err := engines.Start(b.Context(), durable(dir, path))
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		memory = map[string]int{}
		for _, h := range set.Health(b.Context()) {
			if h.Name != engines.Kafka {
				memory[h.Name] = resident(b, h.PID)
			}
		}
		stop(b, set)
		b.StartTimer()
	}
	for name, kb := range memory {
		b.ReportMetric(float64(kb)/1024, name+"-MB")
	}
}

// resident is the resident memory of a process and its children in kB. What
// is mapped from files or shared is counted once, for the process itself: its
// children are forks of it.
func resident(b *testing.B, pid int) int {
	b.Helper()
	total := field(pid, "RssAnon:") + field(pid, "RssFile:") + field(pid, "RssShmem:")
	for _, path := range glob("/proc/[0-9]*/status") {
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil && field(child, "PPid:") == pid {
			total += field(child, "RssAnon:")
		}
	}
	if total == 0 {
		b.Skip("this system does not say how much memory a process has")
	}
	return total
}

func glob(pattern string) []string {
	list, _ := filepath.Glob(pattern)
	return list
}

// field is a number from a process's status file, 0 where there is none.
func field(pid int, name string) int {
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == name {
			n, _ := strconv.Atoi(f[1])
			return n
		}
	}
	return 0
}
