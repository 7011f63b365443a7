package media

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image/jpeg"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/netflixathome/cinema/internal/blob"
	"github.com/netflixathome/cinema/internal/fault"
)

// WorkerConfig is what a Worker is made of.
type WorkerConfig struct {
	Pool  *pgxpool.Pool // the catalog database
	Store blob.Store
	Tools *Tools
	// Publish is told of every change of a job, at most twice a second for
	// one job; nil for nobody. It must not block for long.
	Publish func(ctx context.Context, j Job)
	// Alone: there is no other worker, so jobs that look as if one were
	// working on them were left by our own killed predecessor, and are taken
	// over at once instead of after half a minute of silence.
	Alone bool
	Log   *slog.Logger
}

// The worker's timers and limits.
const (
	staleAfter    = 30 * time.Second // of a heartbeat, before another worker takes a job over
	pollEvery     = 5 * time.Second  // NOTIFY wakes sooner; the poll is for back-offs and lost notifications
	reportEvery   = 500 * time.Millisecond
	heartbeat     = 2 * time.Second // also how soon a cancelled job is noticed
	maxAttempts   = 4               // of a job that fails for no fault of the film
	firstBackOff  = 10 * time.Second
	retireAfter   = 12 * time.Hour // a replaced film's files stay for those who are watching it
	sweepEvery    = 10 * time.Minute
	shutdownGrace = 5 * time.Second
	maxSubtitle   = 20 << 20
)

// Worker makes queued films watchable, one at a time.
type Worker struct {
	WorkerConfig
	queue   *Queue
	library *Library
	name    string
}

// NewWorker refuses missing dependencies and starts nothing.
func NewWorker(c WorkerConfig) (*Worker, error) {
	if c.Pool == nil || c.Store == nil || c.Tools == nil || c.Log == nil {
		return nil, errors.New("media: a worker needs a pool, a store, tools and a log")
	}
	if c.Publish == nil {
		c.Publish = func(context.Context, Job) {}
	}
	q, err := NewQueue(c.Pool)
	if err != nil {
		return nil, err
	}
	l, err := NewLibrary(c.Pool, c.Store)
	if err != nil {
		return nil, err
	}
	host, _ := os.Hostname()
	return &Worker{c, q, l, host + "-" + uuid.NewString()[:8]}, nil
}

// Run works until ctx ends. A job under way then goes back to the queue, with
// the steps that are done. An unreachable database is waited for.
func (w *Worker) Run(ctx context.Context) error {
	wake := make(chan struct{}, 1)
	var wg sync.WaitGroup
	wg.Go(func() { w.listen(ctx, wake) })
	defer wg.Wait()

	stale := staleAfter
	if w.Alone {
		stale = 0
	}
	var swept time.Time
	pause := time.Second
	for ctx.Err() == nil {
		err := w.clean(ctx)
		if err == nil && time.Since(swept) > sweepEvery {
			swept = time.Now()
			err = w.sweep(ctx)
		}
		var j Job
		var found bool
		if err == nil {
			j, found, err = w.queue.claim(ctx, w.name, stale)
		}
		switch {
		case ctx.Err() != nil:
		case err != nil:
			w.Log.Error("the media queue cannot be read", "error", err, "again", pause)
			wait(ctx, nil, pause)
			pause = min(2*pause, time.Minute)
		case found:
			pause = time.Second
			w.work(ctx, j)
		default:
			pause = time.Second
			// Everything our predecessor left has been claimed by now.
			stale = staleAfter
			wait(ctx, wake, pollEvery)
		}
	}
	return nil
}

func wait(ctx context.Context, wake <-chan struct{}, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-wake:
	case <-t.C:
	}
}

// listen turns notifications into wake-ups, on a connection of its own. It
// comes back with back-off when the database goes; the poll works meanwhile.
func (w *Worker) listen(ctx context.Context, wake chan<- struct{}) {
	pause := time.Second
	for ctx.Err() == nil {
		err := func() error {
			c, err := w.Pool.Acquire(ctx)
			if err != nil {
				return err
			}
			// The connection listens: it must not go back to the pool.
			conn := c.Hijack()
			defer func() {
				closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
				defer cancel()
				_ = conn.Close(closing)
			}()
			if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
				return err
			}
			pause = time.Second
			for {
				select {
				case wake <- struct{}{}:
				default:
				}
				if _, err := conn.WaitForNotification(ctx); err != nil {
					return err
				}
			}
		}()
		if ctx.Err() == nil {
			w.Log.Warn("media: notifications are off, polling", "error", err, "again", pause)
			wait(ctx, nil, pause)
			pause = min(2*pause, time.Minute)
		}
	}
}

// work does one job and records how it ended.
func (w *Worker) work(ctx context.Context, j Job) {
	log := w.Log.With("job", j.ID, "asset", j.AssetID, "attempt", j.Attempts)
	log.Info("making a film watchable", "playable", j.PlayableID)
	began := time.Now()
	err := w.process(ctx, &j)
	// How it ended must be recorded also when we are being stopped.
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	var f *fault.Error
	var record error
	switch {
	case err == nil:
		log.Info("the film is complete", "took", time.Since(began).Round(time.Millisecond))
	case errors.Is(err, errLost):
		log.Info("the job was cancelled or taken over")
	case ctx.Err() != nil:
		log.Info("stopped: the job goes back to the queue", "done", j.stepsDone)
		record = w.queue.release(end, j, 0, 1, "", "")
	case errors.As(err, &f) && (f.Kind == fault.Invalid || f.Kind == fault.NotFound):
		log.Warn("the film is refused", "reason", f.Reason, "error", err)
		code := f.Reason
		if code == "" {
			code = f.Kind.Code()
		}
		record = w.queue.fail(end, j, code, f.Message)
	default:
		code, text := ReasonInternal, "The film could not be worked on; the log says why."
		if f != nil {
			code, text = f.Reason, f.Message
		}
		if j.Attempts >= maxAttempts {
			log.Error("the film failed for the last time", "error", err)
			record = w.queue.fail(end, j, code, text)
		} else {
			back := firstBackOff << (j.Attempts - 1)
			log.Error("the film failed, to be tried again", "error", err, "in", back)
			record = w.queue.release(end, j, back, 0, code, text)
		}
	}
	if record != nil && !errors.Is(record, errLost) {
		log.Error("how the job ended could not be recorded", "error", record)
	}
	if now, err := w.queue.Get(end, j.ID); err == nil {
		w.Publish(end, now)
	}
}

// process does the steps of a job that are not done yet.
func (w *Worker) process(ctx context.Context, j *Job) error {
	if j.Attempts > maxAttempts {
		// Its workers died without a word, time and again: it kills them.
		return refuse(ReasonLimit, "The film could not be worked on: the worker stopped each time.")
	}
	dir, err := w.Tools.workspace("job-" + j.ID.String())
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	// One goroutine writes progress and is the heartbeat; the work stops when
	// the job is no longer ours.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	rep := &reporter{w: w, job: *j, lost: func() { cancel(errLost) }}
	stop := rep.start(ctx)
	defer stop()

	err = w.steps(ctx, j, dir, rep)
	if err != nil && errors.Is(context.Cause(ctx), errLost) {
		return errLost
	}
	return err
}

func (w *Worker) steps(ctx context.Context, j *Job, dir string, rep *reporter) error {
	src := filepath.Join(dir, input)
	if err := blob.Fetch(ctx, w.Store, j.SourceKey, src); err != nil {
		return err
	}
	p := Probe{}
	if j.probe != nil {
		p = *j.probe
	} else {
		var err error
		if p, err = w.Tools.inspect(ctx, dir); err != nil {
			return err
		}
		if err := w.queue.saveProbe(ctx, *j, p); err != nil {
			return err
		}
	}
	if err := w.begin(ctx, *j, p); err != nil {
		return err
	}
	plan := Plan(p)
	total, done := 0.0, 0.0
	for _, s := range plan {
		total += s.Weight
		if slices.Contains(j.stepsDone, s.Name) {
			done += s.Weight
		}
	}
	rep.begin(done / total)
	for _, s := range plan {
		if slices.Contains(j.stepsDone, s.Name) {
			continue
		}
		from := done / total
		rep.step(s.Name)
		r := made{step: s}
		out := filepath.Join(dir, s.Name)
		if err := w.make(ctx, j, p, s, dir, out, &r, func(g Progress) {
			f := min(1, float64(g.OutMs)/float64(p.DurationMs))
			rep.progress(from+f*s.Weight/total, f, g.Speed)
		}); err != nil {
			return err
		}
		if err := w.record(ctx, *j, p, r); err != nil {
			return err
		}
		_ = os.RemoveAll(out)
		j.stepsDone = append(j.stepsDone, s.Name)
		done += s.Weight
		rep.progress(done/total, 1, 0)
	}
	return w.finish(ctx, *j)
}

// begin makes sure of the asset's row.
func (w *Worker) begin(ctx context.Context, j Job, p Probe) error {
	_, err := w.Pool.Exec(ctx, `INSERT INTO media_asset (asset_id, origin_id, playable_id, playable_kind, duration_ms, width, height, master_key, demo)
		VALUES ($1, $1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (asset_id) DO NOTHING`,
		j.AssetID, j.PlayableID, j.PlayableKind, p.DurationMs, p.Video.Width, p.Video.Height, prefixOf(j.AssetID)+"master.m3u8", j.Demo)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	return nil
}

// made is what a step brought about, to be recorded.
type made struct {
	step        Step
	rendition   *Rendition
	audio       []AudioTrack
	subtitles   []SubtitleTrack
	poster      string // key
	placeholder string
	color       string
	sprites     string // key
}

// make runs a step's tools in out and stores the files.
func (w *Worker) make(ctx context.Context, j *Job, p Probe, s Step, dir, out string, r *made, progress func(Progress)) error {
	if err := w.Tools.mkdir(out); err != nil {
		return err
	}
	prefix := prefixOf(j.AssetID)
	// The tools work in a folder that holds their output and the one input.
	if err := os.Link(filepath.Join(dir, input), filepath.Join(out, input)); err != nil {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	job := run{bin: w.Tools.c.FFmpeg, dir: out, progress: progress, wall: wallFor(p), outBytes: outputFor(p)}
	switch s.Kind {
	case KindAudio:
		for i := range p.Audio {
			if err := w.Tools.mkdir(filepath.Join(out, fmt.Sprintf("a%d", i))); err != nil {
				return err
			}
		}
		job.args = audioArgs(p)
		if _, err := w.Tools.do(ctx, job); err != nil {
			return fmt.Errorf("%s: %w", s.Name, broken(err))
		}
		codes, names := labels(p.Audio)
		first := max(0, slices.IndexFunc(p.Audio, func(t Track) bool { return t.Default }))
		for i, t := range p.Audio {
			name := fmt.Sprintf("a%d", i)
			seg, err := readSegments(filepath.Join(out, name))
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if err := w.storeTrack(ctx, filepath.Join(out, name), prefix+name+"/", seg); err != nil {
				return err
			}
			r.audio = append(r.audio, AudioTrack{Name: name, Language: codes[i], Label: names[i], Channels: min(2, t.Channels),
				Codec: seg.Codec, Bitrate: seg.Peak, Default: i == first})
		}
	case KindCopy, KindVideo:
		job.args = videoArgs(p, s, w.Tools.c.Threads)
		if _, err := w.Tools.do(ctx, job); err != nil {
			return fmt.Errorf("%s: %w", s.Name, broken(err))
		}
		seg, err := readSegments(out)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		if err := w.storeTrack(ctx, out, prefix+s.Name+"/", seg); err != nil {
			return err
		}
		r.rendition = &Rendition{Name: s.Name, Width: s.Width, Height: s.Height, Bitrate: seg.Peak, AvgBitrate: seg.Average,
			Codecs: seg.Codec, FrameRate: p.Video.FrameRate, Path: s.Name + "/index.m3u8"}
	case KindSubtitles:
		codes, names := labels(p.Subtitles)
		for i, t := range p.Subtitles {
			job.args = subtitleArgs(p, t)
			vtt := filepath.Join(out, "subtitles.vtt")
			_ = os.Remove(vtt)
			_, err := w.Tools.do(ctx, job)
			if err == nil {
				err = checkText(vtt)
			}
			var te *toolError
			if errors.As(err, &te) || errors.Is(err, errText) {
				// A film is worth watching without one of its subtitles.
				w.Log.Warn("a subtitle track is left out", "job", j.ID, "track", i, "error", err)
				continue
			}
			if err != nil {
				return fmt.Errorf("%s: %w", s.Name, err)
			}
			name := fmt.Sprintf("s%d", i)
			key := prefix + name + "/subtitles.vtt"
			if err := w.keep(ctx, vtt, key); err != nil {
				return err
			}
			list := subtitlePlaylist(p.DurationMs)
			if _, err := w.Store.Put(ctx, prefix+name+"/index.m3u8", bytes.NewReader(list), blob.PutOptions{Size: int64(len(list))}); err != nil {
				return err
			}
			r.subtitles = append(r.subtitles, SubtitleTrack{Name: name, Language: codes[i], Label: names[i], Default: t.Default, Forced: t.Forced, Key: key})
		}
	case KindPoster:
		job.args = posterArgs(p)
		_, err := w.Tools.do(ctx, job)
		file := filepath.Join(out, "poster.jpg")
		var b []byte
		if err == nil {
			b, err = readBounded(file, MaxPictureBytes)
		}
		if err == nil {
			img, derr := jpeg.Decode(bytes.NewReader(b))
			if derr == nil {
				r.placeholder, r.color = Placeholder(img)
			}
			err = derr
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			// A very short or odd film may have no such frame.
			w.Log.Warn("there is no poster frame", "job", j.ID, "error", err)
			return nil
		}
		r.poster = prefix + "poster.jpg"
		return w.keep(ctx, file, r.poster)
	case KindSprites:
		job.args = spritesArgs(p)
		if _, err := w.Tools.do(ctx, job); err != nil {
			var te *toolError
			if !errors.As(err, &te) {
				return fmt.Errorf("%s: %w", s.Name, err)
			}
			w.Log.Warn("there are no thumbnails", "job", j.ID, "error", err)
			return nil
		}
		t := thumbsFor(p)
		sheets := 0
		for i := 1; i <= t.Sheets; i++ {
			name := fmt.Sprintf("sprite_%03d.jpg", i)
			if _, err := os.Lstat(filepath.Join(out, name)); errors.Is(err, os.ErrNotExist) {
				break // the picture ends before the sound
			}
			if err := w.keep(ctx, filepath.Join(out, name), prefix+"thumbs/"+name); err != nil {
				return err
			}
			sheets++
		}
		if sheets == 0 {
			return nil
		}
		t.Count = min(t.Count, sheets*t.Columns*t.Rows)
		vtt := thumbsVTT(t, p.DurationMs)
		r.sprites = prefix + "thumbs/thumbs.vtt"
		if _, err := w.Store.Put(ctx, r.sprites, bytes.NewReader(vtt), blob.PutOptions{Size: int64(len(vtt))}); err != nil {
			return err
		}
	}
	return nil
}

// broken: what the encoder cannot read is the film's fault, as far as the tool
// itself says so; a crash or a kill by the system may pass.
func broken(err error) error {
	var te *toolError
	if errors.As(err, &te) && !strings.Contains(te.err.Error(), "signal") {
		for _, s := range []string{"Invalid data found", "Error while decoding", "could not find codec", "does not contain any stream", "moov atom not found"} {
			if strings.Contains(te.said, s) {
				return refuse(ReasonTruncated, "The film is broken: it cannot be read to its end.").Because(err)
			}
		}
	}
	return err
}

// storeTrack stores a playlist and what it names, the playlist last.
func (w *Worker) storeTrack(ctx context.Context, dir, prefix string, s segments) error {
	for _, name := range append(append([]string{"init.mp4"}, s.Files...), "index.m3u8") {
		if err := w.keep(ctx, filepath.Join(dir, name), prefix+name); err != nil {
			return err
		}
	}
	return nil
}

// keep moves a file that a tool made into the store.
func (w *Worker) keep(ctx context.Context, file, key string) error {
	if err := w.Tools.own(file); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	_, err := blob.PutFile(ctx, w.Store, key, file, blob.PutOptions{})
	return err
}

var errText = errors.New("not a WebVTT file that can be shown")

func checkText(path string) error {
	b, err := readBounded(path, maxSubtitle)
	if err != nil {
		return fmt.Errorf("%w: %w", errText, err)
	}
	if !bytes.HasPrefix(b, []byte("WEBVTT")) || !bytes.Contains(b, []byte("-->")) {
		return errText
	}
	return nil
}

func readBounded(path string, limit int64) ([]byte, error) {
	st, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > limit {
		return nil, fmt.Errorf("%s is not what a tool should have made", filepath.Base(path))
	}
	return os.ReadFile(path)
}

// wallFor bounds a step: encoding at a twentieth of real time is still waited
// for.
func wallFor(p Probe) time.Duration {
	return 5*time.Minute + 20*time.Duration(p.DurationMs)*time.Millisecond
}

// outputFor bounds what a step may write: the source once more, and twice the
// highest rate of the ladder.
func outputFor(p Probe) int64 {
	return 64<<20 + 2*p.SizeBytes + 2*p.DurationMs/1000*int64(ladder[0].maxRate)/8
}

// record writes a finished step down: first the master playlist, whose new
// entries exist by now, then the rows, in one transaction.
func (w *Worker) record(ctx context.Context, j Job, p Probe, r made) error {
	return pgx.BeginFunc(ctx, w.Pool, func(tx pgx.Tx) error {
		// The job's row is locked first: a cancelled job records nothing, and
		// a Cancel that comes now waits until this step is down.
		tag, err := tx.Exec(ctx, `UPDATE media_job SET steps_done = array_append(steps_done, $4), heartbeat_at = now(), updated_at = now()`+mine,
			j.ID, j.Worker, j.Attempts, r.step.Name)
		if err := owned(tag, err); err != nil {
			return err
		}
		if v := r.rendition; v != nil {
			if _, err := tx.Exec(ctx, `INSERT INTO rendition (asset_id, name, width, height, bitrate, avg_bitrate, codecs, frame_rate, path)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
				ON CONFLICT (asset_id, name) DO UPDATE SET width = $3, height = $4, bitrate = $5, avg_bitrate = $6, codecs = $7, frame_rate = $8, ready_at = now()`,
				j.AssetID, v.Name, v.Width, v.Height, v.Bitrate, v.AvgBitrate, v.Codecs, v.FrameRate, v.Path); err != nil {
				return fmt.Errorf("record: %w", err)
			}
		}
		var audio, subs []byte // nil: unchanged
		if r.step.Kind == KindAudio {
			if audio, err = json.Marshal(r.audio); err != nil {
				return fmt.Errorf("record: %w", err)
			}
		}
		if r.step.Kind == KindSubtitles {
			if subs, err = json.Marshal(r.subtitles); err != nil {
				return fmt.Errorf("record: %w", err)
			}
			if r.subtitles == nil {
				subs = []byte("[]")
			}
		}
		rows, err := tx.Query(ctx, `UPDATE media_asset SET
				audio = coalesce($2::jsonb, audio), subtitles = coalesce($3::jsonb, subtitles),
				poster_key = coalesce(nullif($4, ''), poster_key), placeholder = coalesce(nullif($5, ''), placeholder),
				color = coalesce(nullif($6, ''), color), sprite_vtt_key = coalesce(nullif($7, ''), sprite_vtt_key),
				ready = EXISTS (SELECT FROM rendition WHERE rendition.asset_id = $1),
				version = version + 1, updated_at = now()
			WHERE origin_id = $1 RETURNING `+mediaColumns, j.AssetID, audio, subs, r.poster, r.placeholder, r.color, r.sprites)
		if err != nil {
			return fmt.Errorf("record: %w", err)
		}
		ms, err := pgx.CollectRows(rows, scanMedia)
		if err != nil {
			return fmt.Errorf("record: %w", err)
		}
		if len(ms) == 0 {
			return errLost // removed meanwhile
		}
		list, err := tx.Query(ctx, `SELECT name, width, height, bitrate, avg_bitrate, codecs, frame_rate, path FROM rendition WHERE asset_id = $1`, j.AssetID)
		if err != nil {
			return fmt.Errorf("record: %w", err)
		}
		rs, err := pgx.CollectRows(list, func(row pgx.CollectableRow) (r Rendition, err error) {
			return r, row.Scan(&r.Name, &r.Width, &r.Height, &r.Bitrate, &r.AvgBitrate, &r.Codecs, &r.FrameRate, &r.Path)
		})
		if err != nil {
			return fmt.Errorf("record: %w", err)
		}
		if len(rs) == 0 {
			return nil
		}
		m := master(rs, ms[0].Audio, ms[0].Subtitles)
		_, err = w.Store.Put(ctx, prefixOf(j.AssetID)+"master.m3u8", bytes.NewReader(m), blob.PutOptions{Size: int64(len(m))})
		return err
	})
}

// finish marks the film complete and retires what it replaces.
func (w *Worker) finish(ctx context.Context, j Job) error {
	err := pgx.BeginFunc(ctx, w.Pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE media_job SET state = 'ready', step = '', percent = 100, step_percent = 100, speed = 0, eta_ms = 0,
			error = '', error_code = '', finished_at = now(), updated_at = now()`+mine, j.ID, j.Worker, j.Attempts)
		if err := owned(tag, err); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE media_asset SET complete = true, version = version + 1, updated_at = now() WHERE origin_id = $1`, j.AssetID); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE media_asset SET retired_at = now(), version = version + 1, updated_at = now()
			WHERE playable_id = $1 AND asset_id <> $2 AND retired_at IS NULL
			  AND created_at <= (SELECT created_at FROM media_asset WHERE asset_id = $2)`, j.PlayableID, j.AssetID)
		return err
	})
	if err != nil {
		return fmt.Errorf("finish: %w", err)
	}
	return nil
}

// clean removes what cancelled jobs left, unless it can be watched.
func (w *Worker) clean(ctx context.Context) error {
	// Not while another worker may not have noticed yet, and still writes.
	rows, err := w.Pool.Query(ctx, `SELECT id, asset_id, demo FROM media_job WHERE state = 'cancelled' AND NOT cleaned
		AND (worker IN ('', $1) OR heartbeat_at IS NULL OR heartbeat_at < now() - make_interval(secs => $2)) LIMIT 100`, w.name, staleAfter.Seconds())
	if err != nil {
		return fmt.Errorf("clean: %w", err)
	}
	type dirt struct {
		ID, AssetID uuid.UUID
		Demo        bool
	}
	ds, err := pgx.CollectRows(rows, pgx.RowToStructByPos[dirt])
	if err != nil {
		return fmt.Errorf("clean: %w", err)
	}
	for _, d := range ds {
		var keep bool
		if err := w.Pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM media_asset WHERE origin_id = $1 AND ready)
			OR EXISTS (SELECT FROM media_job WHERE asset_id = $1 AND state <> 'cancelled')`, d.AssetID).Scan(&keep); err != nil {
			return fmt.Errorf("clean: %w", err)
		}
		if !keep {
			if err := w.library.Remove(ctx, d.AssetID); err != nil {
				return err
			}
			sql := `UPDATE media_job SET steps_done = '{}' WHERE id = $1 AND state = 'cancelled'`
			if d.Demo { // the demo leaves nothing behind, not even its history
				sql = `DELETE FROM media_job WHERE id = $1 AND state = 'cancelled'`
			}
			if _, err := w.Pool.Exec(ctx, sql, d.ID); err != nil {
				return fmt.Errorf("clean: %w", err)
			}
		}
		if _, err := w.Pool.Exec(ctx, `UPDATE media_job SET cleaned = true WHERE id = $1 AND state = 'cancelled'`, d.ID); err != nil {
			return fmt.Errorf("clean: %w", err)
		}
	}
	return nil
}

// sweep removes replaced films that nobody can be watching any more.
func (w *Worker) sweep(ctx context.Context) error {
	rows, err := w.Pool.Query(ctx, `SELECT asset_id FROM media_asset WHERE retired_at < now() - make_interval(secs => $1) LIMIT 100`, retireAfter.Seconds())
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	for _, id := range ids {
		if err := w.library.Remove(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// reporter writes a job's progress to its row and to Publish.
type reporter struct {
	w    *Worker
	lost func()

	mu      sync.Mutex
	job     Job
	base    float64   // what was done before this run
	began   time.Time // of this run's steps
	changed bool
}

// begin starts the clock for the estimate; done is the share done before.
func (r *reporter) begin(done float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.job.State, r.base, r.began = Encoding, done, time.Now()
	r.job.Percent, r.job.ETA, r.changed = float32(100*done), -1, true
}

func (r *reporter) step(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.job.Step, r.job.StepPercent, r.changed = name, 0, true
}

// progress takes shares of 1. The estimate is by what this run has done in
// its time; it appears when there is something to go by.
func (r *reporter) progress(whole, step, speed float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.job.Percent, r.job.StepPercent, r.job.Speed, r.changed = float32(100*min(1, whole)), float32(100*step), float32(speed), true
	if done, took := whole-r.base, time.Since(r.began); done > 0.01 && took > time.Second {
		r.job.ETA = time.Duration(float64(took) * (1 - whole) / done)
	}
}

// start writes until the returned function is called, which waits for the
// writer to end.
func (r *reporter) start(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(reportEvery)
		defer tick.Stop()
		var wrote time.Time
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			// A tick that came late is followed by one that is not.
			if time.Since(wrote) < reportEvery-reportEvery/10 {
				continue
			}
			r.mu.Lock()
			j, changed := r.job, r.changed
			r.changed = false
			r.mu.Unlock()
			if !changed && time.Since(wrote) < heartbeat {
				continue
			}
			switch err := r.w.queue.save(ctx, j); {
			case errors.Is(err, errLost):
				r.lost()
				return
			case err != nil:
				if ctx.Err() == nil {
					r.w.Log.Warn("progress could not be written", "job", j.ID, "error", err)
				}
				continue
			}
			wrote = time.Now()
			j.UpdatedAt = wrote.UTC()
			r.w.Publish(ctx, j)
		}
	}()
	return func() { cancel(); <-done }
}
