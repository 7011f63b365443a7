package router_test

import (
	"testing"
	"time"

	"github.com/netflixathome/cinema/router"
)

// FuzzCheckDocument: no document may panic the checks or keep them busy, and
// what they let through is small.
func FuzzCheckDocument(f *testing.F) {
	for _, s := range []string{
		homePage, introspectionQuery, "{", "{ a { b } }", "query($a: [Int!] = [1, 2]) { x(a: $a, o: {k: \"v\"}) @skip(if: true) { ...F } } fragment F on T { ...F }",
		"subscription { a }", `{ a(s: """block\n""") }`, "{ ...A } fragment A on Q { ...B ...B } fragment B on Q { ...A }", "\ufeff{a}", "{ a # c\n }", "[[[[",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		start := time.Now()
		_ = router.CheckDocument(doc)
		if d := time.Since(start); d > 2*time.Second {
			t.Fatalf("took %s", d)
		}
	})
}
