// Package uploads receives files by the tus protocol (1.0.0) and puts them to
// use.
//
// # The way of a file
//
//	openUpload ─► UPLOADING ─► last byte ─► CHECKING ─► READY
//	                 │                          └─────► REFUSED, nothing kept
//	                 └─► CANCELLED, by hand or after a week
//
// Only the mutation openUpload creates an upload; by tus its bytes are sent
// (PATCH) and asked for (HEAD), by whom it was opened for and nobody else.
// What a PATCH acknowledges is on the disk: every chunk is flushed before the
// answer. The last PATCH waits for the check, up to CheckWait, so that a
// refusal is its answer; a big film is checked on after the answer and the
// asset tells how it went.
//
// # After a kill
//
// The bytes and the row are all there is. The sweep, at the start and every
// minute, finds the complete ones that are not in use yet and checks them
// again: every step of the check can be repeated. The file stays where it is
// until the row says READY or REFUSED; the object store gets it by a hard
// link, so it takes its room once. Files without a row (a kill between the
// two) are removed.
//
// # Not trusted
//
// The name of a file is text for people and never a path. What a file is, is
// decided from its bytes by Pictures and Films alone.
package uploads

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/tus/tusd/v2/pkg/filestore"
	tusd "github.com/tus/tusd/v2/pkg/handler"
	"github.com/tus/tusd/v2/pkg/memorylocker"

	"github.com/netflixathome/cinema/internal/authn"
	"github.com/netflixathome/cinema/internal/fault"
	"github.com/netflixathome/cinema/internal/gid"
	"github.com/netflixathome/cinema/subgraphs/admin"
	"github.com/netflixathome/cinema/subgraphs/admin/records"
)

// Base is where Handler is mounted.
const Base = "/uploads/"

const (
	// Expiry is how long an upload may take.
	Expiry = 7 * 24 * time.Hour
	// CheckWait is how long the last PATCH waits for the check.
	CheckWait = 30 * time.Second
	// sweepEvery is how often what was left behind is looked for.
	sweepEvery = time.Minute
	// checkers is how many files are checked at once: they read the disk.
	checkers = 2
	// checkTimeout bounds the check of one file; 200 GB from a slow disk.
	checkTimeout = 2 * time.Hour
	// Reserve is the free room on the disk that uploads leave to the rest.
	Reserve = 1 << 30
)

// Pictures makes stored widths of an uploaded picture. It refuses what is no
// picture, too large or too small with a fault of kind Invalid.
type Pictures interface {
	Store(ctx context.Context, path string, kind admin.AssetKind, keyPrefix string) (admin.Image, error)
}

// Films looks at an uploaded film. It refuses what is no film, cut short or
// not supported with a fault of kind Invalid.
type Films interface {
	Inspect(ctx context.Context, path string) error
}

// Objects is the object store.
type Objects interface {
	// PutFile stores the file at path under key and takes it over.
	PutFile(ctx context.Context, key, path string) error
	// Delete removes an object, or a folder if key ends with a slash.
	Delete(ctx context.Context, key string) error
}

// Deps of New; all but Free are required.
type Deps struct {
	Records  *records.Service
	Pictures Pictures
	Films    Films
	Objects  Objects
	// Dir is the folder for bytes on their way; made if missing. Best on the
	// file system of the object store.
	Dir string
	Log *slog.Logger
	Now func() time.Time
	// Refuses reports whether who was let in has been signed out since, or lost
	// rights; nil: never.
	Refuses func(*authn.Claims) bool
	// Free says how many bytes the disk of Dir has left; the file system is
	// asked if nil.
	Free func() (int64, error)
}

// Uploads is safe for concurrent use.
type Uploads struct {
	records  *records.Service
	pictures Pictures
	films    Films
	objects  Objects
	dir      string
	store    durable
	locker   *memorylocker.MemoryLocker
	tus      http.Handler
	log      *slog.Logger
	now      func() time.Time
	refuses  func(*authn.Claims) bool
	free     func() (int64, error)

	mu       sync.Mutex
	inFlight map[uuid.UUID]*check
	// receiving counts the requests that send an upload's bytes now. Whoever
	// sends the last one has it checked and hears the answer; the sweep, which
	// takes up what nobody waits for, must not be faster.
	receiving map[uuid.UUID]int
	queue     chan *check
}

// check is one file being looked at; done is closed when err is set.
type check struct {
	asset *admin.Asset
	done  chan struct{}
	err   error
}

// New refuses missing dependencies and makes the folder.
func New(d Deps) (*Uploads, error) {
	if d.Records == nil || d.Pictures == nil || d.Films == nil || d.Objects == nil || d.Dir == "" || d.Log == nil || d.Now == nil {
		return nil, errors.New("uploads: Records, Pictures, Films, Objects, Dir, Log and Now are required")
	}
	if err := os.MkdirAll(d.Dir, 0o750); err != nil {
		return nil, fmt.Errorf("uploads: %w", err)
	}
	u := &Uploads{
		records: d.Records, pictures: d.Pictures, films: d.Films, objects: d.Objects, dir: d.Dir, log: d.Log, now: d.Now, refuses: d.Refuses, free: d.Free,
		store: durable{filestore.New(d.Dir), d.Log}, locker: memorylocker.New(),
		inFlight: map[uuid.UUID]*check{}, receiving: map[uuid.UUID]int{}, queue: make(chan *check, records.MaxOpenUploads),
	}
	if u.refuses == nil {
		u.refuses = func(*authn.Claims) bool { return false }
	}
	if u.free == nil {
		u.free = func() (int64, error) {
			var s syscall.Statfs_t
			if err := syscall.Statfs(d.Dir, &s); err != nil {
				return 0, err
			}
			return int64(s.Bavail) * int64(s.Bsize), nil //nolint:unconvert // Bsize is another integer on other systems
		}
	}
	// Core and locker only: no creation, termination, concatenation or
	// deferred length is offered, since nothing of that comes by tus.
	composer := tusd.NewStoreComposer()
	composer.UseCore(u.store)
	composer.UseLocker(u.locker)
	h, err := tusd.NewUnroutedHandler(tusd.Config{
		StoreComposer:             composer,
		BasePath:                  Base,
		DisableDownload:           true,
		DisableTermination:        true,
		Cors:                      &tusd.CorsConfig{Disable: true},
		Logger:                    quiet(d.Log),
		PreFinishResponseCallback: u.finished,
	})
	if err != nil {
		return nil, fmt.Errorf("uploads: %w", err)
	}
	u.tus = http.StripPrefix(strings.TrimSuffix(Base, "/"), h.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodHead:
			h.HeadFile(w, r)
		case http.MethodPatch:
			h.PatchFile(w, r)
		}
	})))
	return u, nil
}

// durable is a store that has flushed to the disk what it acknowledges, and
// whose failures are logged here and told to the client without their detail.
type durable struct {
	filestore.FileStore
	log *slog.Logger
}

type durableUpload struct {
	tusd.Upload
	log *slog.Logger
}

func (d durable) GetUpload(ctx context.Context, id string) (tusd.Upload, error) {
	up, err := d.FileStore.GetUpload(ctx, id)
	if errors.Is(err, tusd.ErrNotFound) {
		return nil, err
	} else if err != nil {
		return nil, d.failed(ctx, err)
	}
	return durableUpload{up, d.log}, nil
}

func (u durableUpload) WriteChunk(ctx context.Context, offset int64, src io.Reader) (int64, error) {
	n, err := u.Upload.WriteChunk(ctx, offset, src)
	if n > 0 {
		info, infoErr := u.GetInfo(ctx)
		if infoErr == nil {
			infoErr = flush(info.Storage["Path"])
		}
		if infoErr != nil {
			n, err = 0, errors.Join(err, infoErr)
		}
	}
	if err != nil {
		return n, durable{log: u.log}.failed(ctx, err)
	}
	return n, nil
}

// failed is a failure of the disk as the client hears of it. What arrived
// before stays, so that the upload goes on once there is room again.
func (d durable) failed(ctx context.Context, err error) error {
	d.log.ErrorContext(ctx, "an upload's bytes could not be kept", "error", err)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return refusal(errFull.Because(err))
	}
	return refusal(err)
}

var errFull = fault.New(fault.Unavailable, "The disk has too little room for this file. Free some, or upload a smaller one.").WithReason("DISK_FULL")

func flush(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Open is the mutation openUpload.
func (u *Uploads) Open(ctx context.Context, in admin.OpenUploadInput) (*admin.Asset, error) {
	claims, err := authn.Require(ctx)
	if err != nil {
		return nil, err
	}
	if err := in.Validate(); err != nil {
		return nil, err
	}
	return u.records.CreateAsset(ctx, in, claims.UserID, func(a *admin.Asset) error {
		if err := u.room(ctx, a); err != nil {
			return err
		}
		if _, err := u.store.NewUpload(ctx, tusd.FileInfo{ID: a.ID.String(), Size: a.Size}); err != nil {
			return fmt.Errorf("make room for the upload: %w", err)
		}
		return errors.Join(flush(u.path(a.ID)), flush(u.path(a.ID)+".info"), flushDir(u.dir))
	})
}

func flushDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// room refuses an upload for which, with all that is still to come for the
// open ones, the disk is too small.
func (u *Uploads) room(ctx context.Context, a *admin.Asset) error {
	free, err := u.free()
	if err != nil {
		return fmt.Errorf("ask for free room: %w", err)
	}
	open, err := u.records.OpenAssets(ctx)
	if err != nil {
		return err
	}
	for _, o := range open {
		if o.State == admin.Uploading {
			free -= o.Size - u.Received(o)
		}
	}
	if a.Size+Reserve > free {
		return errFull.At("input.size")
	}
	return nil
}

// path is where the bytes of an upload lie; an ID's text is a safe name.
func (u *Uploads) path(id gid.ID) string { return filepath.Join(u.dir, id.String()) }

// Received is how many bytes of an asset are there.
func (u *Uploads) Received(a *admin.Asset) int64 {
	switch a.State {
	case admin.Uploading:
	case admin.Cancelled:
		return 0
	default:
		return a.Size
	}
	st, err := os.Stat(u.path(a.ID))
	if err != nil {
		return 0
	}
	return st.Size()
}

// URL is where the rest of an asset's bytes go; empty once all are there.
func (u *Uploads) URL(a *admin.Asset) string {
	if a.State != admin.Uploading {
		return ""
	}
	return Base + a.ID.String()
}

// Cancel is the mutation cancelUpload.
func (u *Uploads) Cancel(ctx context.Context, id gid.ID) (*admin.Asset, error) {
	if _, err := u.records.Asset(ctx, id); err != nil {
		return nil, err
	}
	ok, err := u.records.MoveAsset(ctx, id.UUID, admin.Uploading, admin.Cancelled)
	if err != nil {
		return nil, err
	}
	a, err := u.records.Asset(ctx, id)
	if err != nil {
		return nil, err
	}
	if !ok && a.State != admin.Cancelled {
		return nil, fault.New(fault.Conflict, "All bytes of this upload are there already.").WithReason("UPLOAD_FINISHED").At("input.assetId")
	}
	return a, u.forget(ctx, id)
}

// forget removes the bytes of an upload. A PATCH that runs is stopped first.
func (u *Uploads) forget(ctx context.Context, id gid.ID) error {
	lock, err := u.locker.NewLock(id.String())
	if err != nil {
		return fmt.Errorf("remove upload: %w", err)
	}
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	if err := lock.Lock(wait, func() {}); err != nil {
		return fmt.Errorf("remove upload: %w", err)
	}
	defer func() { _ = lock.Unlock() }() // a memory lock that is held
	return u.remove(id.String())
}

func (u *Uploads) remove(name string) error {
	var errs []error
	for _, suffix := range []string{"", putSuffix, ".info"} { // the info last: without it nothing finds the rest
		if err := os.Remove(filepath.Join(u.dir, name) + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// putSuffix marks the second link under which the object store takes a file.
const putSuffix = ".put"

// Run checks files and sweeps until ctx ends. A check that runs then is given
// up and made again at the next start.
func (u *Uploads) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for range checkers {
		wg.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case c := <-u.queue:
					u.work(ctx, c)
				}
			}
		})
	}
	defer wg.Wait()
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		if err := u.Sweep(ctx); err != nil && ctx.Err() == nil {
			u.log.ErrorContext(ctx, "uploads could not be swept; they will be in a minute", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// Sweep takes up what a kill left behind, ends what has expired, and removes
// what nothing refers to.
func (u *Uploads) Sweep(ctx context.Context) error {
	expired, err := u.records.ExpiredBefore(ctx, u.now().Add(-Expiry))
	if err != nil {
		return err
	}
	for _, id := range expired {
		if _, err := u.records.MoveAsset(ctx, id.UUID, admin.Uploading, admin.Cancelled); err != nil {
			return err
		}
	}
	// The folder before the rows: an upload that opens meanwhile has no file
	// in this list.
	files, err := os.ReadDir(u.dir)
	if err != nil {
		return fmt.Errorf("read folder: %w", err)
	}
	open, err := u.records.OpenAssets(ctx)
	if err != nil {
		return err
	}
	live := map[string]bool{}
	for _, a := range open {
		live[a.ID.String()] = true
		if st, err := os.Stat(u.path(a.ID)); err == nil && st.Size() == a.Size && !u.isReceiving(a.ID.UUID) {
			u.submit(a)
		}
	}
	for _, f := range files {
		name := strings.TrimSuffix(strings.TrimSuffix(f.Name(), ".info"), putSuffix)
		id, err := gid.Parse(name)
		if err != nil || !id.Is(gid.Asset) || live[name] {
			continue
		}
		// An upload that is just being opened has a file before others can see
		// its row; it is young.
		if info, err := f.Info(); err != nil || u.now().Sub(info.ModTime()) < sweepEvery && !u.ended(ctx, id) {
			continue
		}
		if err := u.forget(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// ended reports whether an upload's row says that its bytes are not needed.
func (u *Uploads) ended(ctx context.Context, id gid.ID) bool {
	a, err := u.records.Asset(ctx, id)
	return err == nil && (a.State == admin.Cancelled || a.State == admin.Refused || a.State == admin.Ready)
}

// receive marks an upload as being sent until the function it returns is called.
func (u *Uploads) receive(id uuid.UUID) (done func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.receiving[id]++
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		if u.receiving[id]--; u.receiving[id] == 0 {
			delete(u.receiving, id)
		}
	}
}

func (u *Uploads) isReceiving(id uuid.UUID) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.receiving[id] > 0
}

// submit queues the check of a complete upload, once.
func (u *Uploads) submit(a *admin.Asset) *check {
	u.mu.Lock()
	defer u.mu.Unlock()
	if c := u.inFlight[a.ID.UUID]; c != nil {
		return c
	}
	c := &check{asset: a, done: make(chan struct{})}
	select {
	case u.queue <- c:
		u.inFlight[a.ID.UUID] = c
	default: // full: the sweep comes back to it
		c.err = fault.New(fault.Unavailable, "Many files are being checked. This one will be in its turn.")
		close(c.done)
	}
	return c
}

// finished is called by tus when the last byte is on the disk.
func (u *Uploads) finished(hook tusd.HookEvent) (tusd.HTTPResponse, error) {
	id, err := gid.Parse(hook.Upload.ID)
	if err != nil {
		return tusd.HTTPResponse{}, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(hook.Context), CheckWait)
	defer cancel()
	a, err := u.records.Asset(ctx, id)
	if err != nil {
		return tusd.HTTPResponse{}, refusal(err)
	}
	c := u.submit(a)
	select {
	case <-c.done:
		if c.err != nil {
			return tusd.HTTPResponse{}, refusal(c.err)
		}
	case <-ctx.Done(): // checked on; the asset will tell
	}
	return tusd.HTTPResponse{}, nil
}

func (u *Uploads) work(ctx context.Context, c *check) {
	bounded, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	c.err = u.check(bounded, c.asset)
	if c.err != nil && fault.KindOf(c.err) != fault.Invalid && ctx.Err() == nil {
		u.log.ErrorContext(ctx, "an upload could not be checked; it will be tried again", "asset", c.asset.ID, "error", c.err)
	}
	u.mu.Lock()
	delete(u.inFlight, c.asset.ID.UUID)
	u.mu.Unlock()
	close(c.done)
}

// check looks at a complete file and puts it to use. Each step may be done
// again after a kill.
func (u *Uploads) check(ctx context.Context, a *admin.Asset) error {
	if _, err := u.records.MoveAsset(ctx, a.ID.UUID, admin.Uploading, admin.Checking); err != nil {
		return err
	}
	a, err := u.records.Asset(ctx, a.ID)
	if err != nil {
		return err
	}
	switch a.State {
	case admin.Checking:
	case admin.Refused: // by an earlier check
		return fault.New(fault.Invalid, "%s", *a.Refusal)
	default:
		return nil // cancelled in the last moment, or in use since an earlier check
	}
	err = u.use(ctx, a)
	switch {
	case err == nil:
	case fault.KindOf(err) == fault.Invalid:
		var fe *fault.Error
		errors.As(err, &fe)
		u.log.InfoContext(ctx, "an upload is refused", "asset", a.ID, "kind", a.Kind, "reason", fe.Reason, "detail", fe.Cause)
		if rerr := u.records.RefuseAsset(ctx, a.ID.UUID, fe.Message); rerr != nil {
			return rerr
		}
	case fault.KindOf(err) == fault.NotFound: // its title was removed for good meanwhile
	default:
		return err
	}
	if rerr := u.remove(a.ID.String()); rerr != nil {
		u.log.ErrorContext(ctx, "the bytes of an ended upload could not be removed; the sweep will", "asset", a.ID, "error", rerr)
	}
	return err
}

func (u *Uploads) use(ctx context.Context, a *admin.Asset) error {
	path := u.path(a.ID)
	if a.Kind != admin.Source {
		sum, err := digest(ctx, path)
		if err != nil {
			return err
		}
		image, err := u.pictures.Store(ctx, path, a.Kind, strings.ToLower(string(a.Kind))+"s/"+a.ID.UUID.String())
		if err != nil {
			return err
		}
		return u.records.CompletePicture(ctx, a, sum, image)
	}
	if err := u.films.Inspect(ctx, path); err != nil {
		return err
	}
	sum, err := digest(ctx, path)
	if err != nil {
		return err
	}
	// A link of its own for the store to take over: the upload stays whole
	// until its row says that it is done.
	_ = os.Remove(path + putSuffix) // from a check that was given up
	if err := os.Link(path, path+putSuffix); err != nil {
		return fmt.Errorf("link for the object store: %w", err)
	}
	key := records.SourceKey(a.ID.UUID)
	if err := u.objects.PutFile(ctx, key, path+putSuffix); err != nil {
		return fmt.Errorf("store source: %w", err)
	}
	err = u.records.CompleteSource(ctx, a, sum)
	if fault.KindOf(err) == fault.NotFound {
		return errors.Join(err, u.objects.Delete(ctx, key))
	}
	return err
}

// digest is the SHA-256 of a file, in hexadecimal.
func digest(ctx context.Context, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("digest: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	h := sha256.New()
	buf := make([]byte, 1<<20)
	for {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		n, err := f.Read(buf)
		h.Write(buf[:n])
		if errors.Is(err, io.EOF) {
			return hex.EncodeToString(h.Sum(nil)), nil
		}
		if err != nil {
			return "", fmt.Errorf("digest: %w", err)
		}
	}
}
