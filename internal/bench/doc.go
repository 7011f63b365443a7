// Package bench measures the parts of the program against real servers and
// beside a reference in the same run: what a part costs is its share of what
// the server could do without it. It is tests alone, which `make bench-real`
// runs; they print figures and assert nothing about time.
package bench
