package child

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
)

const (
	// maxLine bounds what is kept of one line of output.
	maxLine = 4 << 10
	// tailLines is how many lines are repeated in the error when a process
	// ends.
	tailLines = 5
)

// output turns a stream of bytes into log records, line by line, and
// remembers the last lines for the error message.
type output struct {
	name  string
	log   *slog.Logger
	level func(string) slog.Level

	mu   sync.Mutex
	part []byte // the line that has not ended yet
	cut  bool   // the rest of an overlong line is being dropped
	last []string
}

func newOutput(name string, log *slog.Logger, level func(string) slog.Level) *output {
	return &output{name: name, log: log, level: level}
}

// Write never fails: a child must not be stopped by its parent's log.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := len(p)
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			o.keep(p)
			break
		}
		o.keep(p[:i])
		o.emit()
		p = p[i+1:]
	}
	return n, nil
}

func (o *output) keep(p []byte) {
	if o.cut {
		return
	}
	if room := maxLine - len(o.part); len(p) > room {
		p, o.cut = p[:room], true
	}
	o.part = append(o.part, p...)
}

func (o *output) emit() {
	line := string(bytes.TrimRight(o.part, "\r "))
	o.part, o.cut = o.part[:0], false
	if line == "" {
		return
	}
	if len(o.last) == tailLines {
		copy(o.last, o.last[1:])
		o.last = o.last[:tailLines-1]
	}
	o.last = append(o.last, line)
	o.log.Log(context.Background(), o.level(line), line, "engine", o.name)
}

func (o *output) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.part) > 0 {
		o.emit()
	}
}

func (o *output) tail() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.last...)
}

// boundedBuffer keeps the first part of what is written to it.
type boundedBuffer struct {
	mu sync.Mutex
	b  []byte
}

const maxBuffer = 64 << 10

func (b *boundedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.b = append(b.b, p[:min(len(p), maxBuffer-len(b.b))]...)
	return len(p), nil
}

func (b *boundedBuffer) bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]byte(nil), b.b...)
}
