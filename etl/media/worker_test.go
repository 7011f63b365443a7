package media

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"

	"github.com/netflixathome/cinema/engines/enginestest"
	"github.com/netflixathome/cinema/etl/media/migrations"
	"github.com/netflixathome/cinema/internal/blob"
	"github.com/netflixathome/cinema/internal/blob/files"
	"github.com/netflixathome/cinema/internal/fault"
)

type bench struct {
	t       *testing.T
	pool    *pgxpool.Pool
	dir     string // of the store
	store   *files.Store
	tools   *Tools
	queue   *Queue
	library *Library
	mu      sync.Mutex
	seen    []Job
	news    chan struct{}
}

func newBench(t *testing.T) *bench {
	t.Helper()
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, enginestest.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close()
	st, err := database.NewStore(database.DialectPostgres, migrations.VersionTable)
	if err != nil {
		t.Fatal(err)
	}
	g, err := goose.NewProvider("", db, migrations.FS, goose.WithStore(st))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Up(ctx); err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, pool: pool, tools: testTools(t), news: make(chan struct{}, 1)}
	b.dir = filepath.Join(openDir(t), "blobs")
	if b.store, err = files.New(b.dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.store.Close() })
	if b.queue, err = NewQueue(pool); err != nil {
		t.Fatal(err)
	}
	if b.library, err = NewLibrary(pool, b.store); err != nil {
		t.Fatal(err)
	}
	return b
}

// run starts a worker; the returned function stops it and waits.
func (b *bench) run() (stop func()) {
	b.t.Helper()
	w, err := NewWorker(WorkerConfig{Pool: b.pool, Store: b.store, Tools: b.tools, Alone: true, Log: slog.New(slog.NewTextHandler(testWriter{b.t}, nil)),
		Publish: func(_ context.Context, j Job) {
			b.mu.Lock()
			b.seen = append(b.seen, j)
			b.mu.Unlock()
			select {
			case b.news <- struct{}{}:
			default:
			}
		}})
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := w.Run(ctx); err != nil {
			b.t.Errorf("Run: %v", err)
		}
	}()
	var once sync.Once
	stop = func() { once.Do(func() { cancel(); <-done }) }
	b.t.Cleanup(stop)
	return stop
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

func (b *bench) enqueue(source []byte) Job {
	b.t.Helper()
	ctx := context.Background()
	spec := JobSpec{AssetID: uuid.Must(uuid.NewV7()), PlayableID: uuid.Must(uuid.NewV7()), PlayableKind: "film"}
	return b.enqueueSpec(ctx, spec, source)
}

func (b *bench) enqueueSpec(ctx context.Context, spec JobSpec, source []byte) Job {
	b.t.Helper()
	spec.SourceKey = "sources/" + spec.AssetID.String()
	if _, err := b.store.Put(ctx, spec.SourceKey, strings.NewReader(string(source)), blob.PutOptions{}); err != nil {
		b.t.Fatal(err)
	}
	var j Job
	err := pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) (err error) {
		j, err = b.queue.Enqueue(ctx, tx, spec)
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return j
}

// until waits for the job to be as wanted, looking at it with each report.
func (b *bench) until(id uuid.UUID, what string, ok func(Job) bool) Job {
	b.t.Helper()
	deadline := time.After(60 * time.Second)
	for {
		j, err := b.queue.Get(context.Background(), id)
		if err != nil {
			b.t.Fatal(err)
		}
		if ok(j) {
			return j
		}
		select {
		case <-b.news:
		case <-time.After(50 * time.Millisecond):
		case <-deadline:
			b.t.Fatalf("the job never was %s: %+v", what, j)
		}
	}
}

func ended(j Job) bool { return !j.State.Active() }

func (b *bench) keys(prefix string) []string {
	b.t.Helper()
	var out []string
	for i, err := range b.store.List(context.Background(), prefix) {
		if err != nil {
			b.t.Fatal(err)
		}
		out = append(out, strings.TrimPrefix(i.Key, prefix))
	}
	return out
}

func (b *bench) read(key string) string {
	b.t.Helper()
	o, err := b.store.Open(context.Background(), key)
	if err != nil {
		b.t.Fatal(err)
	}
	defer o.Close()
	s, err := io.ReadAll(o)
	if err != nil {
		b.t.Fatal(err)
	}
	return string(s)
}

func TestFilmBecomesWatchable(t *testing.T) {
	src, err := sample()
	if err != nil {
		t.Fatal(err)
	}
	b, ctx := newBench(t), context.Background()
	b.run()
	j := b.enqueue(src)
	j = b.until(j.ID, "ended", ended)
	if j.State != Ready || j.Percent != 100 || j.FinishedAt == nil || j.Error != "" {
		t.Fatalf("%+v", j)
	}
	prefix := prefixOf(j.AssetID)
	want := []string{"360p/index.m3u8", "360p/init.mp4", "360p/seg_00000.m4s", "360p/seg_00001.m4s", "360p/seg_00002.m4s",
		"a0/index.m3u8", "a0/init.mp4", "a1/index.m3u8", "copy/index.m3u8", "copy/init.mp4", "copy/seg_00002.m4s", "master.m3u8", "poster.jpg",
		"s0/index.m3u8", "s0/subtitles.vtt", "s1/subtitles.vtt", "thumbs/sprite_001.jpg", "thumbs/thumbs.vtt"}
	got := b.keys(prefix)
	for _, k := range want {
		if !slices.Contains(got, k) {
			t.Errorf("no %s in %v", k, got)
		}
	}
	m := b.read(prefix + "master.m3u8")
	for _, s := range []string{`TYPE=AUDIO,GROUP-ID="audio",NAME="English",LANGUAGE="en"`, `NAME="Русский",LANGUAGE="ru"`, `TYPE=SUBTITLES`, "copy/index.m3u8", "360p/index.m3u8",
		`RESOLUTION=854x480,CODECS="avc1.42c01e,mp4a.40.2"`, `RESOLUTION=640x360,CODECS="avc1.64`} {
		if !strings.Contains(m, s) {
			t.Errorf("no %s in\n%s", s, m)
		}
	}
	if s := b.read(prefix + "s1/subtitles.vtt"); !strings.HasPrefix(s, "WEBVTT") || !strings.Contains(s, "Привет") {
		t.Errorf("subtitles: %s", s)
	}
	media, err := b.library.MediaOf(ctx, []uuid.UUID{j.PlayableID, uuid.New()})
	if err != nil || len(media) != 1 {
		t.Fatalf("%v %v", media, err)
	}
	md := media[j.PlayableID]
	if !md.Ready || !md.Complete || md.Version < 5 || md.Prefix() != prefix || len(md.Audio) != 2 || len(md.Subtitles) != 2 || md.Width != 854 ||
		md.PosterKey == "" || md.SpriteVTTKey == "" || !strings.HasPrefix(md.Placeholder, "data:") {
		t.Errorf("%+v", md)
	}
	rs, err := b.library.Renditions(ctx, []uuid.UUID{md.OriginID})
	if err != nil || len(rs[md.OriginID]) != 3 || rs[md.OriginID][0].Name != "copy" || rs[md.OriginID][1].ReadyAtMilli == 0 {
		t.Errorf("%v %v", rs, err)
	}
	if es, _ := os.ReadDir(b.tools.c.WorkDir); len(es) != 0 {
		t.Errorf("left in the work folder: %v", es)
	}
	// An independent reader plays all of it, from disk, through the playlist.
	cmd := exec.Command("ffmpeg", "-v", "error", "-allowed_extensions", "ALL", "-i", "master.m3u8", "-map", "0:v", "-map", "0:a", "-f", "null", "-")
	cmd.Dir = filepath.Join(b.dir, "objects", filepath.FromSlash(prefix))
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("the result does not play: %v %s", err, out)
	}
	inStep(t, cmd.Dir)

	// Sharing: the files stay as long as one of the two needs them.
	other := uuid.Must(uuid.NewV7())
	sh, err := b.library.Share(ctx, j.AssetID, other, "episode")
	if err != nil || sh.MasterKey != md.MasterKey || sh.OriginID != md.OriginID || sh.PlayableID != other || !sh.Ready {
		t.Fatalf("%+v %v", sh, err)
	}
	if err := b.library.Remove(ctx, j.AssetID); err != nil {
		t.Fatal(err)
	}
	if len(b.keys(prefix)) != len(got) {
		t.Error("removing one of two sharers removed files")
	}
	if err := b.library.Remove(ctx, sh.AssetID); err != nil {
		t.Fatal(err)
	}
	if k := b.keys(prefix); len(k) != 0 {
		t.Errorf("removing the last sharer left %v", k)
	}
	if _, err := b.library.Share(ctx, j.AssetID, other, "film"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("sharing what is not there: %v", err)
	}
}

// inStep checks that sound and pictures of every rung start together, as a
// browser sees it: without edit lists.
func inStep(t *testing.T, dir string) {
	t.Helper()
	for _, track := range []string{"copy", "480p", "360p", "a0", "a1"} {
		initSegment, err := os.ReadFile(filepath.Join(dir, track, "init.mp4"))
		if err != nil {
			continue
		}
		seg, err := os.ReadFile(filepath.Join(dir, track, "seg_00000.m4s"))
		if err != nil {
			t.Fatal(err)
		}
		if at := firstShown(initSegment, seg); at > maxSkewMs || at < -maxSkewMs {
			t.Errorf("%s starts at %d ms", track, at)
		}
	}
}

// firstShown reads when a fragment's first frame is shown (ISO/IEC 14496-12):
// tfdt's decoding time and trun's first composition offset, by mdhd's clock.
func firstShown(initSegment, seg []byte) int64 {
	after := func(b []byte, box string) []byte { return b[bytes.Index(b, []byte(box))+4:] }
	u32 := func(b []byte) int64 { return int64(binary.BigEndian.Uint32(b)) }
	scale := u32(after(initSegment, "mdhd")[12:])
	at := int64(binary.BigEndian.Uint64(after(seg, "tfdt")[4:]))
	run := after(seg, "trun")
	flags := u32(run) & 0xffffff
	if i := 8; flags&0x800 != 0 {
		for _, f := range []int64{1, 4, 0x100, 0x200, 0x400} {
			if flags&f != 0 {
				i += 4
			}
		}
		at += int64(int32(u32(run[i:])))
	}
	return at * 1000 / scale
}

func TestSoundThatStartsLater(t *testing.T) {
	b, err := sample()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "in.mkv"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("ffmpeg", "-v", "error", "-i", "in.mkv", "-itsoffset", "0.7", "-i", "in.mkv", "-map", "0:v", "-map", "1:a:0", "-c", "copy", "out.ts")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	src, err := os.ReadFile(filepath.Join(dir, "out.ts"))
	if err != nil {
		t.Fatal(err)
	}
	bn := newBench(t)
	bn.run()
	j := bn.until(bn.enqueue(src).ID, "ended", ended)
	if j.State != Ready {
		t.Fatalf("%+v", j)
	}
	films := filepath.Join(bn.dir, "objects", filepath.FromSlash(prefixOf(j.AssetID)))
	inStep(t, films)
	// The sound is silent for as long as it was late.
	cmd = exec.Command("ffmpeg", "-hide_banner", "-allowed_extensions", "ALL", "-i", "index.m3u8", "-af", "silencedetect=n=-50dB:d=0.3", "-f", "null", "-")
	cmd.Dir = filepath.Join(films, "a0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(out), "silence_end: ")
	var at float64
	if _, err := fmt.Sscan(after, &at); err != nil || at < 0.62 || at > 0.78 {
		t.Errorf("silence ends at %v (%v)\n%s", at, err, out)
	}
}

func TestRefusedFilm(t *testing.T) {
	b := newBench(t)
	b.run()
	j := b.until(b.enqueue([]byte("#EXTM3U\nfile:///etc/passwd")).ID, "ended", ended)
	if j.State != Failed || j.ErrorCode != ReasonNotAFilm || j.Error == "" || j.Attempts != 1 {
		t.Errorf("%+v", j)
	}
	if k := b.keys("renditions/" + j.AssetID.String() + "/"); len(k) != 0 {
		t.Errorf("stored: %v", k)
	}
}

func TestStoppedAndCancelled(t *testing.T) {
	// A film that takes a while: noise does not compress.
	src := remux(t, "-vf", "noise=alls=60:allf=t,loop=2:200", "-map", "0:v", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "30", "-g", "48", "-pix_fmt", "yuv420p", "out.mp4")
	b, ctx := newBench(t), context.Background()
	stop := b.run()
	j := b.enqueue(src)
	b.until(j.ID, "encoding 480p", func(j Job) bool { return j.Step == "480p" && j.StepPercent > 0 })
	stop()
	j = b.until(j.ID, "back in the queue", func(j Job) bool { return j.State == Queued })
	if j.Attempts != 0 || !slices.Contains(j.stepsDone, "copy") {
		t.Errorf("after a stop: %+v", j)
	}
	media, err := b.library.MediaOf(ctx, []uuid.UUID{j.PlayableID})
	if err != nil || !media[j.PlayableID].Ready || media[j.PlayableID].Complete {
		t.Errorf("after a stop: %+v %v", media, err)
	}
	before, err := b.store.Stat(ctx, prefixOf(j.AssetID)+"copy/index.m3u8")
	if err != nil {
		t.Fatal(err)
	}
	b.run()
	j = b.until(j.ID, "encoding 480p again", func(j Job) bool { return j.State == Encoding && j.Step == "480p" && j.StepPercent > 0 })
	if after, err := b.store.Stat(ctx, before.Key); err != nil || after != before {
		t.Errorf("a step that was done was done again: %v %v", after, err)
	}
	if j.Percent <= 5 || j.Percent >= 100 {
		t.Errorf("progress %v", j.Percent)
	}
	began := time.Now()
	if j, err = b.queue.Cancel(ctx, j.ID); err != nil || j.State != Cancelled {
		t.Fatalf("%+v %v", j, err)
	}
	deadline := time.Now().Add(15 * time.Second)
	for {
		var cleaned bool
		if err := b.pool.QueryRow(ctx, `SELECT cleaned FROM media_job WHERE id = $1`, j.ID).Scan(&cleaned); err != nil {
			t.Fatal(err)
		}
		if es, _ := os.ReadDir(b.tools.c.WorkDir); cleaned && len(es) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a cancelled job goes on")
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Log("noticed after", time.Since(began))
	// What can be watched stays.
	if media, err = b.library.MediaOf(ctx, []uuid.UUID{j.PlayableID}); err != nil || !media[j.PlayableID].Ready {
		t.Errorf("%+v %v", media, err)
	}
	if j, err = b.queue.Cancel(ctx, j.ID); err != nil || j.State != Cancelled {
		t.Errorf("cancelled twice: %+v %v", j, err)
	}
	// The second worker saw this job's progress at most twice a second.
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := 1; i < len(b.seen); i++ {
		if d := b.seen[i].UpdatedAt.Sub(b.seen[i-1].UpdatedAt); b.seen[i].State == Encoding && b.seen[i-1].State == Encoding && d > 0 && d < 400*time.Millisecond {
			t.Errorf("two reports within %v", d)
		}
	}
}

func TestQueue(t *testing.T) {
	b, ctx := newBench(t), context.Background()
	var ids []uuid.UUID
	for i := range 5 {
		j := b.enqueueSpec(ctx, JobSpec{AssetID: uuid.Must(uuid.NewV7()), PlayableID: uuid.Must(uuid.NewV7()), PlayableKind: "film", Demo: i%2 == 1, Priority: i % 3}, []byte("x"))
		ids = append(ids, j.ID)
	}
	if c, err := b.queue.Counts(ctx); err != nil || c.ByState[Queued] != 5 || len(c.ByState) != 1 || c.Waiting <= 0 {
		t.Errorf("%v %v", c, err)
	}
	first, more, err := b.queue.List(ctx, Filter{}, Page{First: 3})
	if err != nil || !more || len(first) != 3 || first[0].ID != ids[4] {
		t.Fatalf("%v %v %v", first, more, err)
	}
	rest, more, err := b.queue.List(ctx, Filter{}, Page{First: 3, After: first[2].ID})
	if err != nil || more || len(rest) != 2 || rest[1].ID != ids[0] {
		t.Fatalf("%v %v %v", rest, more, err)
	}
	yes := true
	demo, _, err := b.queue.List(ctx, Filter{Demo: &yes, States: []State{Queued}}, Page{})
	if err != nil || len(demo) != 2 {
		t.Errorf("%v %v", demo, err)
	}
	one, _, err := b.queue.List(ctx, Filter{PlayableID: first[0].PlayableID}, Page{})
	if err != nil || len(one) != 1 {
		t.Errorf("%v %v", one, err)
	}
	if _, err := b.queue.Get(ctx, uuid.New()); fault.KindOf(err) != fault.NotFound {
		t.Errorf("%v", err)
	}
	// The same asset twice.
	err = pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
		_, err := b.queue.Enqueue(ctx, tx, JobSpec{AssetID: first[0].AssetID, PlayableID: uuid.New(), PlayableKind: "film", SourceKey: "x"})
		return err
	})
	if fault.KindOf(err) != fault.Conflict {
		t.Errorf("%v", err)
	}
	// Several workers at once: each job once, by priority, then by age.
	var mu sync.Mutex
	var order []uuid.UUID
	var wg sync.WaitGroup
	for w := range 3 {
		wg.Go(func() {
			for {
				j, ok, err := b.queue.claim(ctx, fmt.Sprint(w), time.Minute)
				if err != nil {
					t.Error(err)
				}
				if !ok {
					return
				}
				mu.Lock()
				order = append(order, j.ID)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(order) != 5 || order[0] != ids[2] && order[1] != ids[2] && order[2] != ids[2] {
		t.Errorf("%v of %v", order, ids)
	}
	// A silent worker loses its job, and can no longer write to it.
	stale, err := b.queue.Get(ctx, ids[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.pool.Exec(ctx, `UPDATE media_job SET heartbeat_at = now() - interval '1 hour' WHERE id = $1`, ids[0]); err != nil {
		t.Fatal(err)
	}
	got, ok, err := b.queue.claim(ctx, "other", time.Minute)
	if err != nil || !ok || got.ID != ids[0] || got.Attempts != 2 {
		t.Errorf("%+v %v %v", got, ok, err)
	}
	if err := b.queue.save(ctx, stale); !errors.Is(err, errLost) {
		t.Errorf("a lost job was written: %v", err)
	}
	if err := b.queue.fail(ctx, got, "X", "x"); err != nil {
		t.Fatal(err)
	}
	if j, err := b.queue.Retry(ctx, got.ID); err != nil || j.State != Queued || j.Attempts != 0 || j.Error != "" {
		t.Errorf("%+v %v", j, err)
	}
}

// TestManyKindsOfFilm sends one short film of each family through all of it.
func TestManyKindsOfFilm(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute on a busy machine")
	}
	b := newBench(t)
	b.run()
	for _, c := range []struct {
		file string
		args []string
	}{
		{"hevc10.mkv", []string{"-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-pix_fmt", "yuv420p10le", "-c:a", "ac3"}},
		{"vp9.webm", []string{"-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus"}},
		{"mpeg2.ts", []string{"-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-top", "1", "-c:a", "mp2"}},
		{"old.avi", []string{"-c:v", "mpeg4", "-c:a", "libmp3lame"}},
		{"wide.mp4", []string{"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-aspect", "16:9", "-c:a", "aac", "-ac", "6"}},
		{"silent.mov", []string{"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv422p", "-an"}},
	} {
		dir := t.TempDir()
		cmd := exec.Command("ffmpeg", append(append([]string{"-v", "error", "-f", "lavfi", "-i", "testsrc2=s=400x300:r=25:d=2", "-f", "lavfi", "-i", "sine=440:d=2"}, c.args...), c.file)...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v %s", c.file, err, out)
		}
		src, err := os.ReadFile(filepath.Join(dir, c.file))
		if err != nil {
			t.Fatal(err)
		}
		j := b.until(b.enqueue(src).ID, "ended", ended)
		if j.State != Ready {
			t.Errorf("%s: %+v", c.file, j)
			continue
		}
		films := filepath.Join(b.dir, "objects", filepath.FromSlash(prefixOf(j.AssetID)))
		inStep(t, films)
		cmd = exec.Command("ffmpeg", "-v", "error", "-allowed_extensions", "ALL", "-i", "master.m3u8", "-map", "0", "-f", "null", "-")
		cmd.Dir = films
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: the result does not play: %v %s", c.file, err, out)
		}
		m, err := b.library.MediaOf(context.Background(), []uuid.UUID{j.PlayableID})
		if md := m[j.PlayableID]; err != nil || md.PosterKey == "" || md.SpriteVTTKey == "" || md.Duration < 1900*time.Millisecond || md.Duration > 2600*time.Millisecond {
			t.Errorf("%s: %+v %v", c.file, md, err)
		}
	}
}

// TestLeftByAKilledWorker: the next start takes the job over at once.
func TestLeftByAKilledWorker(t *testing.T) {
	src, err := sample()
	if err != nil {
		t.Fatal(err)
	}
	b, ctx := newBench(t), context.Background()
	j := b.enqueue(src)
	if _, ok, err := b.queue.claim(ctx, "killed", time.Minute); !ok || err != nil {
		t.Fatal(ok, err)
	}
	b.run()
	if j = b.until(j.ID, "ended", ended); j.State != Ready || j.Attempts != 2 {
		t.Fatalf("%+v", j)
	}
	// A newer upload for the same film takes its place; the old one's files
	// stay for those who are watching.
	n := b.enqueueSpec(ctx, JobSpec{AssetID: uuid.Must(uuid.NewV7()), PlayableID: j.PlayableID, PlayableKind: "film"}, src)
	if n = b.until(n.ID, "ended", ended); n.State != Ready {
		t.Fatalf("%+v", n)
	}
	m, err := b.library.MediaOf(ctx, []uuid.UUID{j.PlayableID})
	if err != nil || m[j.PlayableID].AssetID != n.AssetID {
		t.Errorf("%+v %v", m, err)
	}
	if len(b.keys(prefixOf(j.AssetID))) == 0 {
		t.Error("the replaced film's files went at once")
	}
	// A source that is not there cannot be waited for.
	j = b.enqueue(src)
	if err := b.store.Delete(ctx, j.SourceKey); err != nil {
		t.Fatal(err)
	}
	if j = b.until(j.ID, "ended", ended); j.State != Failed && j.State != Ready || j.State == Failed && j.ErrorCode != "NOT_FOUND" {
		t.Errorf("%+v", j)
	}
	if n, err := b.library.RemoveDemo(ctx); n != 0 || err != nil {
		t.Errorf("removed %d that are no demo: %v", n, err)
	}
}
