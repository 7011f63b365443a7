package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/netflixathome/cinema/internal/fault"
)

// Inspect says what film the local file at path holds, or refuses it with a
// *fault.Error of kind Invalid and one of the Reason constants. It reads no
// more than the file's head and some packets.
func (t *Tools) Inspect(ctx context.Context, path string) (Probe, error) {
	dir, err := os.MkdirTemp(t.c.WorkDir, "inspect-")
	if err != nil {
		return Probe{}, fmt.Errorf("inspect: %w", err)
	}
	defer os.RemoveAll(dir)
	if t.drop {
		if err := os.Lchown(dir, int(t.c.Nobody), int(t.c.Nobody)); err != nil {
			return Probe{}, fmt.Errorf("inspect: %w", err)
		}
	}
	// The cheap refusals come first: most wrong files never meet ffprobe.
	if _, err := check(path); err != nil {
		return Probe{}, err
	}
	if err := place(ctx, path, filepath.Join(dir, input)); err != nil {
		return Probe{}, err
	}
	return t.inspect(ctx, dir)
}

// check sniffs the file and holds its lengths against its size.
func check(path string) (demuxer string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("inspect: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("inspect: %w", err)
	}
	if !st.Mode().IsRegular() {
		return "", notAFilm(errors.New("not a regular file"))
	}
	if st.Size() == 0 {
		return "", refuse(ReasonEmpty, "The file is empty.")
	}
	head := make([]byte, 512)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", fmt.Errorf("inspect: %w", err)
	}
	demuxer = sniff(head[:n])
	if demuxer == "" {
		return "", notAFilm(errors.New("no known container"))
	}
	return demuxer, checkWhole(f, st.Size(), demuxer)
}

// place puts a film at dst by a hard link, else by a copy. The name it had
// stays outside.
func place(ctx context.Context, src, dst string) error {
	st, err := os.Lstat(src)
	if err != nil {
		return fmt.Errorf("inspect: %w", err)
	}
	// The tools may run as another user: a file closed to others is copied.
	if st.Mode().IsRegular() && st.Mode()&0o004 != 0 && os.Link(src, dst) == nil {
		return nil
	}
	in, err := os.Open(src)
	if err != nil {
		return fmt.Errorf("inspect: %w", err)
	}
	defer in.Close()
	out, err := os.OpenFile(dst, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("inspect: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = in.SetReadDeadline(time.Now()); _ = in.Close() })
	defer stop()
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("inspect: copy the film: %w", err)
	}
	return nil
}

// inspect works on dir/input.
func (t *Tools) inspect(ctx context.Context, dir string) (Probe, error) {
	path := filepath.Join(dir, input)
	demuxer, err := check(path)
	if err != nil {
		return Probe{}, err
	}
	st, err := os.Stat(path)
	if err != nil {
		return Probe{}, fmt.Errorf("inspect: %w", err)
	}
	p := Probe{Demuxer: demuxer}
	read := append([]string{"-hide_banner", "-loglevel", "error"}, in(p)...)
	out, err := t.do(ctx, run{bin: t.c.FFprobe, dir: dir, wall: time.Minute, outBytes: 1 << 20,
		args: append(append([]string{}, read...), "-print_format", "json", "-show_streams", "-show_format", input)})
	if err != nil {
		return Probe{}, refused(err)
	}
	p, err = parseProbe(out)
	if err != nil {
		return Probe{}, err
	}
	p.Demuxer, p.SizeBytes = demuxer, st.Size()
	out, err = t.do(ctx, run{bin: t.c.FFprobe, dir: dir, wall: time.Minute, outBytes: 1 << 20,
		args: append(append([]string{}, read...), "-select_streams", fmt.Sprint(p.Video.Index), "-read_intervals", "%+90",
			"-show_entries", "packet=pts_time,flags", "-print_format", "csv=p=0", input)})
	if err != nil {
		return Probe{}, refused(err)
	}
	if len(out) == 0 {
		return Probe{}, refuse(ReasonTruncated, "The film has no picture that can be read.")
	}
	p.Video.MaxGOPMs = parseGOP(out)
	return p, nil
}

// refused reads a failure of ffprobe as a word about the file. What the tool
// said is kept for the log only.
func refused(err error) error {
	var f *fault.Error
	var te *toolError
	switch {
	case errors.As(err, &f):
		return err
	case errors.As(err, &te):
		return notAFilm(err)
	}
	return err
}
