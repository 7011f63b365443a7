// Command capacity computes from measured costs how many machines so many
// viewers need, and writes the tables of docs/scale.md.
//
//	go run ./internal/tools/capacity          prints them
//	go run ./internal/tools/capacity -write   puts them into docs/scale.md
//
// A part needs as many machines as its most wanted resource asks for; then one
// of them is simulated as a queue before its cores, and machines are added until
// the slowest hundredth of requests is quick enough. Nothing here is random
// twice: the same costs give the same tables.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

// document is where the tables stand, between two marks.
const document = "docs/scale.md"

var (
	beginMark = []byte("<!-- begin: go run ./internal/tools/capacity -->\n")
	endMark   = []byte("<!-- end -->\n")
)

func main() {
	write := flag.Bool("write", false, "put the tables into "+document)
	flag.Parse()
	if err := run(*write, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "capacity:", err)
		os.Exit(1)
	}
}

func run(write bool, out io.Writer) error {
	var tables bytes.Buffer
	if err := plan(&tables, parts(), server, []float64{1_000, 100_000, 1_000_000}); err != nil {
		return err
	}
	if !write {
		_, err := out.Write(tables.Bytes())
		return err
	}
	text, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	text, err = replaced(text, tables.Bytes())
	if err != nil {
		return err
	}
	return os.WriteFile(document, text, 0o644)
}

// replaced puts the tables between the marks of the document.
func replaced(text, tables []byte) ([]byte, error) {
	head, rest, ok := bytes.Cut(text, beginMark)
	_, tail, ended := bytes.Cut(rest, endMark)
	if !ok || !ended {
		return nil, errors.New(document + " has lost the marks between which the tables stand")
	}
	return bytes.Join([][]byte{head, beginMark, tables, []byte("\n"), endMark, tail}, nil), nil
}
