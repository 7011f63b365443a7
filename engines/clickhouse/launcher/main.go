//go:build linux && (amd64 || arm64)

// Command clickhouse-launcher turns chDB's shared library into the ClickHouse
// server that it contains.
//
// The library's old entry point runs clickhouse-local with any command line,
// and that program starts the server's listeners when it is asked to by
// SYSTEM START LISTEN. A last query that never ends keeps it there. The
// library is loaded with purego, so the launcher is built without cgo; it is
// a program of its own because loading C++ of this size costs cinema its
// static build, and because a fault in it must not end cinema.
//
// It is started by package engines/clickhouse and by nobody else:
//
//	clickhouse-launcher -library FILE -config FILE -path DIR -tcp-port N -http-port N
//
// SIGTERM and SIGINT end it. What was acknowledged is in files by then, so no
// orderly end is needed; a merge that is cut off starts over.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"

	"github.com/ebitengine/purego"
)

// keepAlive is the statement list that the server is started with. The last
// one sleeps one second per row for ever: one row a block, no limit on time,
// one thread, output to nowhere.
const keepAlive = "SYSTEM START LISTEN TCP; SYSTEM START LISTEN HTTP; " +
	"SELECT sleepEachRow(1) FROM system.numbers FORMAT Null " +
	"SETTINGS max_block_size = 1, function_sleep_max_microseconds_per_block = 0, max_execution_time = 0"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "clickhouse-launcher:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("clickhouse-launcher", flag.ContinueOnError)
	library := flags.String("library", "", "libchdb.so")
	config := flags.String("config", "", "the server's config.xml")
	path := flags.String("path", "", "the folder of its data")
	tcp := flags.Int("tcp-port", 0, "port of the native protocol on 127.0.0.1")
	http := flags.Int("http-port", 0, "port of HTTP on 127.0.0.1")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *library == "" || *config == "" || *path == "" || *tcp == 0 || *http == 0 {
		return errors.New("every flag is required")
	}

	// Before the library is loaded, so that no signal is lost in between.
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-stop
		os.Exit(0)
	}()

	handle, err := purego.Dlopen(*library, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return fmt.Errorf("load the library: %w", err)
	}
	// The library would install handlers of its own and take ours away.
	var setSignalHandlers func(enabled int32)
	if err := bind(&setSignalHandlers, handle, "chdb_set_signal_handlers_enabled"); err != nil {
		return err
	}
	var query func(argc int32, argv unsafe.Pointer) unsafe.Pointer
	if err := bind(&query, handle, "query_stable_v2"); err != nil {
		return err
	}

	if file, err := filepath.EvalSymlinks(*library); err == nil {
		go trim(file)
	}

	if err := terminal(); err != nil {
		// It serves all the same; who started it starts it again when it ends.
		fmt.Fprintln(os.Stderr, "clickhouse-launcher: there is no terminal to be had, so a client that breaks off may end the server:", err)
	}

	// One thread for the library's whole life: it keeps state in it.
	runtime.LockOSThread()
	setSignalHandlers(0)
	var pin runtime.Pinner
	defer pin.Unpin()
	argv := cStrings(&pin,
		"clickhouse-local",
		"--config-file="+*config,
		"--path="+*path,
		"--listen_host=127.0.0.1",
		"--log-level=warning",
		"--logger.console=1",
		"--interactive", // see terminal; it would begin after the last statement
		"--progress=off",
		"--progress-table=off",
		"--tcp_port="+strconv.Itoa(*tcp),
		"--http_port="+strconv.Itoa(*http),
		"--query="+keepAlive,
	)
	res := (*result)(query(int32(len(argv)-1), unsafe.Pointer(&argv[0])))
	if res != nil && res.message != nil {
		return errors.New(goString(res.message))
	}
	return errors.New("the server ended by itself")
}

// result is chDB's local_result_v2, as far as it is of use here.
type result struct {
	buf       *byte
	length    uintptr
	vec       unsafe.Pointer
	elapsed   float64
	rowsRead  uint64
	bytesRead uint64
	message   *byte
}

func bind(fn any, handle uintptr, name string) error {
	addr, err := purego.Dlsym(handle, name)
	if err != nil {
		return fmt.Errorf("the library has no %s, another version is needed: %w", name, err)
	}
	purego.RegisterFunc(fn, addr)
	return nil
}

// cStrings makes a NULL-terminated argv that neither moves nor is collected.
func cStrings(pin *runtime.Pinner, args ...string) []*byte {
	argv := make([]*byte, len(args)+1)
	for i, a := range args {
		b := append([]byte(a), 0)
		pin.Pin(&b[0])
		argv[i] = &b[0]
	}
	pin.Pin(&argv[0])
	return argv
}

func goString(p *byte) string {
	n := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(p), n)) != 0 {
		n++
	}
	return string(unsafe.Slice(p, n))
}
