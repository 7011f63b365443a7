//go:build !linux || !(amd64 || arm64)

package main

import (
	"fmt"
	"os"
	"runtime"
)

func main() {
	fmt.Fprintf(os.Stderr, "clickhouse-launcher: there is no ClickHouse library for %s/%s\n", runtime.GOOS, runtime.GOARCH)
	os.Exit(1)
}
