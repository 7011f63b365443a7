package backup

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"filippo.io/age"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"github.com/netflixathome/cinema/internal/blob"
	"github.com/netflixathome/cinema/internal/fault"
)

const (
	idLayout = "20060102T150405.000Z"
	// busyRenew is how often a running backup says that it still runs, and
	// busyFor how long it is believed; a process of this machine that is gone
	// is not believed at all.
	busyRenew, busyFor = 20 * time.Second, 90 * time.Second
	// workers read and write blobs side by side.
	workers = 4
	// minPassphrase is the least that is worth a key derivation.
	minPassphrase = 12
	maxDocument   = 256 << 20 // a manifest; bounds what a foreign file can cost
)

// Target is where backups lie. One at a time may be written to it.
type Target struct {
	store blob.Store
	name  string // for people
	keys  *keys  // nil: not encrypted, or not opened for reading

	adding      singleflight.Group // by blob
	mu          sync.Mutex
	known       map[string]Blob // of earlier backups
	used        map[string]Blob // of the one that is being written
	fresh       map[string]bool // those of used that were written now
	copiedBytes int64
	last        *Manifest // the newest earlier one
}

// keys of an encrypted target. With a recipient alone it can be written to.
type keys struct {
	recipient *age.X25519Recipient
	identity  *age.X25519Identity
}

// description is target.json.
type description struct {
	Format     int    `json:"format"`
	Encryption string `json:"encryption"` // none, passphrase, key
	// Key tells whether a key is the target's: a part of a checksum of its
	// recipient.
	Key string `json:"key,omitempty"`
}

// Open opens a target. The key is empty, an age recipient (age1…), an age
// identity (AGE-SECRET-KEY-1…) or a passphrase. A target is made by its first
// backup; until then there is none to be opened with create false. Without the
// key an encrypted one can be verified and tidied, not read.
func Open(ctx context.Context, store blob.Store, name, key string, create bool) (*Target, error) {
	return open(ctx, store, name, key, create, workFactor)
}

// workFactor of a passphrase's scrypt, as age has it: a second, and 256 MiB.
const workFactor = 18

func open(ctx context.Context, store blob.Store, name, key string, create bool, factor int) (*Target, error) {
	t := &Target{store: store, name: name}
	var d description
	err := t.getJSON(ctx, "target.json", &d)
	if fault.KindOf(err) == fault.NotFound {
		if !create {
			return nil, fault.New(fault.NotFound, "there is no backup in %s", name)
		}
		return t, t.describe(ctx, key, factor)
	}
	if err != nil {
		return nil, err
	}
	if d.Format > Format {
		return nil, newer(fmt.Sprintf("the backups in %s have the format %d, this program knows %d", name, d.Format, Format))
	}
	switch {
	case d.Encryption == "none" && key != "" && create:
		return nil, fault.New(fault.Invalid, "the backups in %s are not encrypted: choose another place for encrypted ones, or leave CINEMA_BACKUP_KEY empty", name)
	case d.Encryption == "none":
		return t, nil
	case key == "" && create:
		return nil, t.wantsKey()
	case key == "":
		return t, nil
	}
	if d.Encryption == "passphrase" {
		t.keys, err = t.unlock(ctx, key)
	} else {
		t.keys, err = parseKey(key)
	}
	if err != nil {
		return nil, err
	}
	if t.keys == nil || t.keys.id() != d.Key {
		return nil, fault.New(fault.Invalid, "CINEMA_BACKUP_KEY is not the key of the backups in %s", name)
	}
	return t, nil
}

func (t *Target) wantsKey() error {
	return fault.New(fault.Invalid, "the backups in %s are encrypted: set CINEMA_BACKUP_KEY to their key or passphrase", t.name)
}

func newer(what string) error {
	return fault.New(fault.Unavailable, "%s: run the newer program; nothing was changed", what)
}

// describe makes a new target.
func (t *Target) describe(ctx context.Context, key string, factor int) (err error) {
	d := description{Format: Format, Encryption: "none"}
	if key != "" {
		d.Encryption = "key"
		if t.keys, err = parseKey(key); err != nil {
			return err
		}
		if t.keys == nil {
			d.Encryption = "passphrase"
			if t.keys, err = t.lock(ctx, key, factor); err != nil {
				return err
			}
		}
		d.Key = t.keys.id()
	}
	return t.putJSON(ctx, "target.json", d)
}

// parseKey reads an age key; nil for what is a passphrase.
func parseKey(key string) (*keys, error) {
	switch {
	case strings.HasPrefix(key, "age1"):
		r, err := age.ParseX25519Recipient(key)
		if err != nil {
			return nil, fault.New(fault.Invalid, "CINEMA_BACKUP_KEY looks like an age recipient and is none: want age1… of an X25519 key")
		}
		return &keys{recipient: r}, nil
	case strings.HasPrefix(key, "AGE-SECRET-KEY-"):
		i, err := age.ParseX25519Identity(key)
		if err != nil {
			return nil, fault.New(fault.Invalid, "CINEMA_BACKUP_KEY looks like an age key and is none: want AGE-SECRET-KEY-1…")
		}
		return &keys{recipient: i.Recipient(), identity: i}, nil
	case len(key) < minPassphrase:
		return nil, fault.New(fault.Invalid, "CINEMA_BACKUP_KEY: want an age key, or a passphrase of %d characters or more", minPassphrase)
	}
	return nil, nil // a passphrase is no key and no fault
}

func (k *keys) id() string {
	sum := sha256.Sum256([]byte("cinema backup key " + k.recipient.String()))
	return hex.EncodeToString(sum[:8])
}

// lock makes a key for the target and puts it there under the passphrase. The
// passphrase's slow derivation is thus done once, not for each blob.
func (t *Target) lock(ctx context.Context, passphrase string, factor int) (*keys, error) {
	i, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, err
	}
	r, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, err
	}
	r.SetWorkFactor(factor)
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, r)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(w, i.String()); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if _, err := t.store.Put(ctx, "key.age", &sealed, blob.PutOptions{}); err != nil {
		return nil, err
	}
	return &keys{recipient: i.Recipient(), identity: i}, nil
}

func (t *Target) unlock(ctx context.Context, passphrase string) (*keys, error) {
	o, err := t.store.Open(ctx, "key.age")
	if err != nil {
		return nil, fmt.Errorf("the key of the backups in %s: %w", t.name, err)
	}
	defer o.Close()
	s, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, err
	}
	r, err := age.Decrypt(o, s)
	if err != nil {
		return nil, fault.New(fault.Invalid, "CINEMA_BACKUP_KEY is not the passphrase of the backups in %s", t.name)
	}
	text, err := io.ReadAll(io.LimitReader(r, 1<<10))
	if err != nil {
		return nil, damaged(err)
	}
	i, err := age.ParseX25519Identity(string(text))
	if err != nil {
		return nil, damaged(err)
	}
	return &keys{recipient: i.Recipient(), identity: i}, nil
}

// ---- documents

func (t *Target) getJSON(ctx context.Context, key string, v any) error {
	o, err := t.store.Open(ctx, key)
	if err != nil {
		return err
	}
	defer o.Close()
	if err := json.NewDecoder(io.LimitReader(o, maxDocument)).Decode(v); err != nil {
		return fault.New(fault.Invalid, "%s in %s cannot be read: the backup is damaged", key, t.name).Because(err)
	}
	return nil
}

func (t *Target) putJSON(ctx context.Context, key string, v any) error {
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	_, err = t.store.Put(ctx, key, bytes.NewReader(text), blob.PutOptions{Size: int64(len(text))})
	return err
}

func manifestKey(id string) string { return "backups/" + id + ".json" }

// IDs lists the backups, the oldest first.
func (t *Target) IDs(ctx context.Context) ([]string, error) {
	var ids []string
	for info, err := range t.store.List(ctx, "backups/") {
		if err != nil {
			return nil, err
		}
		if id, ok := strings.CutSuffix(strings.TrimPrefix(info.Key, "backups/"), ".json"); ok {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// Manifest reads that of a backup; the newest one's for an empty id.
func (t *Target) Manifest(ctx context.Context, id string) (*Manifest, error) {
	if id == "" {
		ids, err := t.IDs(ctx)
		if err != nil {
			return nil, err
		}
		if len(ids) == 0 {
			return nil, fault.New(fault.NotFound, "there is no whole backup in %s", t.name)
		}
		id = ids[len(ids)-1]
	}
	if blob.CheckKey(manifestKey(id)) != nil {
		return nil, fault.New(fault.Invalid, "%q is no backup's name", id)
	}
	m := &Manifest{}
	err := t.getJSON(ctx, manifestKey(id), m)
	if fault.KindOf(err) == fault.NotFound {
		return nil, fault.New(fault.NotFound, "there is no backup %s in %s", id, t.name)
	}
	if err != nil {
		return nil, err
	}
	if m.Format > Format {
		return nil, newer(fmt.Sprintf("the backup %s has the format %d, this program knows %d", id, m.Format, Format))
	}
	return m, nil
}

// content reads what a backup's blobs are.
func (t *Target) content(ctx context.Context, m *Manifest) (*Content, error) {
	r := newJoined(ctx, t, m.Content)
	defer r.Close()
	c := &Content{}
	if err := json.NewDecoder(r).Decode(c); err != nil {
		return nil, err
	}
	return c, nil
}

// ---- blobs

func blobKey(name string) string { return "blobs/" + name[:2] + "/" + name }

// blobName is the checksum; where the target is encrypted one that cannot be
// made without its key, for it would tell who knows a film that it is here.
func (t *Target) blobName(sum []byte) string {
	if t.keys != nil {
		m := hmac.New(sha256.New, []byte("cinema backup names "+t.keys.recipient.String()))
		m.Write(sum)
		sum = m.Sum(nil)
	}
	return hex.EncodeToString(sum)
}

// begin reads what earlier backups have.
func (t *Target) begin(ctx context.Context) error {
	t.known, t.used, t.fresh, t.copiedBytes, t.last = map[string]Blob{}, map[string]Blob{}, map[string]bool{}, 0, nil
	ids, err := t.IDs(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		m, err := t.Manifest(ctx, id)
		if err != nil {
			return err
		}
		for name, b := range m.Blobs {
			t.known[name] = b
		}
		t.last = m
	}
	return nil
}

// previous is what the newest earlier backup saved; empty where there is none,
// or where it cannot be read for want of the secret key: then everything is
// read again, and still nothing is written twice.
func (t *Target) previous(ctx context.Context) *Content {
	if t.last == nil || t.keys != nil && t.keys.identity == nil {
		return &Content{}
	}
	c, err := t.content(ctx, t.last)
	if err != nil {
		return &Content{}
	}
	return c
}

// reuse takes over blobs of an earlier backup; false if one is not there.
func (t *Target) reuse(names []string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, name := range names {
		if _, ok := t.known[name]; !ok {
			return false
		}
	}
	for _, name := range names {
		t.used[name] = t.known[name]
	}
	return true
}

func (t *Target) addBytes(ctx context.Context, b []byte) (string, error) {
	return t.add(ctx, int64(len(b)), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil })
}

// errMoving is a source that changed while it was read.
var errMoving = errors.New("it changed while it was read")

// add writes what open gives, unless it is there, and returns its name. It is
// read twice: once for the checksum, and once more if it has to be written.
func (t *Target) add(ctx context.Context, size int64, open func() (io.ReadCloser, error)) (string, error) {
	sum, err := checksum(ctx, open)
	if err != nil {
		return "", err
	}
	name := t.blobName(sum)
	t.mu.Lock()
	b, ok := t.known[name]
	if !ok {
		b, ok = t.used[name]
	}
	if ok {
		t.used[name] = b
	}
	t.mu.Unlock()
	if ok {
		return name, nil
	}
	// The same content may be added twice at once. Sealed, it is other bytes each
	// time: only one of them may lie there.
	_, err, _ = t.adding.Do(name, func() (any, error) {
		b, err := t.left(ctx, name)
		fresh := fault.KindOf(err) == fault.NotFound
		if fresh {
			b, err = t.write(ctx, name, size, sum, open)
		}
		if err != nil {
			return nil, err
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		t.used[name] = b
		if fresh {
			t.fresh[name] = true
			t.copiedBytes += b.Size
		}
		return nil, nil
	})
	if err != nil {
		return "", err
	}
	return name, nil
}

func checksum(ctx context.Context, open func() (io.ReadCloser, error)) ([]byte, error) {
	r, err := open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	h := sha256.New()
	if _, err := io.Copy(h, blob.Bound(ctx, r)); err != nil {
		return nil, err
	}
	return h.Sum(nil), nil
}

// left finds a blob that an interrupted backup left, whole as each Put is.
func (t *Target) left(ctx context.Context, name string) (Blob, error) {
	if _, err := t.store.Stat(ctx, blobKey(name)); err != nil {
		return Blob{}, err
	}
	return t.measure(ctx, name)
}

// measure reads a blob as it lies there.
func (t *Target) measure(ctx context.Context, name string) (Blob, error) {
	o, err := t.store.Open(ctx, blobKey(name))
	if err != nil {
		return Blob{}, err
	}
	defer o.Close()
	h := sha256.New()
	n, err := io.Copy(h, blob.Bound(ctx, o))
	return Blob{Size: n, SHA256: hex.EncodeToString(h.Sum(nil))}, err
}

func (t *Target) write(ctx context.Context, name string, size int64, sum []byte, open func() (io.ReadCloser, error)) (Blob, error) {
	r, err := open()
	if err != nil {
		return Blob{}, err
	}
	defer r.Close()
	plain, stored := sha256.New(), sha256.New()
	src := io.TeeReader(r, plain)
	var sealing *io.PipeReader
	if t.keys != nil {
		size = 0 // of the sealed one, which is longer
		sealing = t.seal(src)
		src = sealing
	}
	info, err := t.store.Put(ctx, blobKey(name), io.TeeReader(src, stored), blob.PutOptions{Size: size})
	if sealing != nil {
		// Ends the sealing if the Put did not read to its end.
		_ = sealing.Close()
	}
	if err != nil {
		return Blob{}, err
	}
	if !bytes.Equal(plain.Sum(nil), sum) {
		return Blob{}, errors.Join(errMoving, t.store.Delete(ctx, blobKey(name)))
	}
	return Blob{Size: info.Size, SHA256: hex.EncodeToString(stored.Sum(nil))}, nil
}

// seal encrypts a stream; whoever reads it closes it.
func (t *Target) seal(r io.Reader) *io.PipeReader {
	out, in := io.Pipe()
	go func() { // ends with the stream, or when out is closed
		w, err := age.Encrypt(in, t.keys.recipient)
		if err == nil {
			_, err = io.Copy(w, r)
		}
		if err == nil {
			err = w.Close()
		}
		_ = in.CloseWithError(err)
	}()
	return out
}

// open reads a blob's content.
func (t *Target) open(ctx context.Context, name string) (io.ReadCloser, error) {
	if len(name) != 2*sha256.Size {
		return nil, damaged(fmt.Errorf("%q names no content", name))
	}
	o, err := t.store.Open(ctx, blobKey(name))
	if err != nil || t.keys == nil {
		return o, err
	}
	if t.keys.identity == nil {
		_ = o.Close()
		return nil, fault.New(fault.Invalid, "CINEMA_BACKUP_KEY holds the public key (age1…), with which backups are made: to read them the secret one is needed (AGE-SECRET-KEY-1…)")
	}
	r, err := age.Decrypt(o, t.keys.identity)
	if err != nil {
		_ = o.Close()
		return nil, damaged(err)
	}
	return struct {
		io.Reader
		io.Closer
	}{r, o}, nil
}

// finish reads back what was written now, looks that the rest is there, and
// returns all that the backup needs.
func (t *Target) finish(ctx context.Context) (map[string]Blob, error) {
	if err := t.check(ctx, t.used, func(name string) bool { return t.fresh[name] }); err != nil {
		return nil, err
	}
	return t.used, nil
}

func (t *Target) copied() (blobs, bytes int64) { return int64(len(t.fresh)), t.copiedBytes }

// check compares blobs with what they must be: those that read says by their
// checksum, the others by their size.
func (t *Target) check(ctx context.Context, blobs map[string]Blob, read func(string) bool) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for name, want := range blobs {
		group.Go(func() error {
			if len(name) != 2*sha256.Size {
				return damaged(fmt.Errorf("%q names no content", name))
			}
			if !read(name) {
				info, err := t.store.Stat(ctx, blobKey(name))
				if fault.KindOf(err) == fault.NotFound || err == nil && info.Size != want.Size {
					return t.spoilt(name)
				}
				return err
			}
			got, err := t.measure(ctx, name)
			if fault.KindOf(err) == fault.NotFound || err == nil && got != want {
				return t.spoilt(name)
			}
			return err
		})
	}
	return group.Wait()
}

func (t *Target) spoilt(name string) error {
	return fault.New(fault.Invalid, "the backup is damaged: %s in %s is missing or not what was written", blobKey(name), t.name)
}

// Verify reads every blob of a backup and compares checksums. It needs no key.
func (t *Target) Verify(ctx context.Context, m *Manifest) error {
	for _, name := range m.Content {
		if _, ok := m.Blobs[name]; !ok {
			return t.spoilt(name)
		}
	}
	return t.check(ctx, m.Blobs, func(string) bool { return true })
}

// Prune keeps the newest backups, and removes the others with what only they
// need. It returns how many were removed.
func (t *Target) Prune(ctx context.Context, keep int) (int, error) {
	release, err := t.acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer release()
	ids, err := t.IDs(ctx)
	if err != nil || len(ids) <= keep {
		return 0, err
	}
	gone := ids[:len(ids)-keep]
	needed := map[string]bool{}
	for _, id := range ids[len(gone):] {
		// One that cannot be read might need anything: nothing is removed.
		m, err := t.Manifest(ctx, id)
		if err != nil {
			return 0, err
		}
		for name := range m.Blobs {
			needed[blobKey(name)] = true
		}
	}
	for _, id := range gone {
		if err := t.store.Delete(ctx, manifestKey(id)); err != nil {
			return 0, err
		}
	}
	var litter []string
	for info, err := range t.store.List(ctx, "blobs/") {
		if err != nil {
			return len(gone), err
		}
		if !needed[info.Key] {
			litter = append(litter, info.Key)
		}
	}
	for _, key := range litter {
		if err := t.store.Delete(ctx, key); err != nil {
			return len(gone), err
		}
	}
	return len(gone), nil
}

// ---- one at a time

type busy struct {
	Host  string    `json:"host"`
	PID   int       `json:"pid"`
	Token string    `json:"token"`
	Since time.Time `json:"since"`
}

// acquire makes this the one that writes to the target. The returned function
// gives it free.
func (t *Target) acquire(ctx context.Context) (func(), error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	if info, err := t.store.Stat(ctx, "busy.json"); err == nil && time.Since(info.ModTime) < busyFor {
		var other busy
		if err := t.getJSON(ctx, "busy.json", &other); err == nil && (other.Host != host || !gone(other.PID)) {
			return nil, fault.New(fault.Conflict, "another backup is being written to %s, by process %d on %s: wait for its end", t.name, other.PID, other.Host)
		}
	}
	mine := busy{Host: host, PID: os.Getpid(), Token: rand.Text(), Since: time.Now().UTC()}
	if err := t.putJSON(ctx, "busy.json", mine); err != nil {
		return nil, err
	}
	var now busy
	if err := t.getJSON(ctx, "busy.json", &now); err != nil {
		return nil, err
	}
	if now.Token != mine.Token {
		return nil, fault.New(fault.Conflict, "another backup to %s has just begun: wait for its end", t.name)
	}
	renewing, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(busyRenew)
		defer tick.Stop()
		for {
			select {
			case <-renewing.Done():
				return
			case <-tick.C:
				_ = t.putJSON(renewing, "busy.json", mine) // the next one comes soon enough
			}
		}
	}()
	return func() {
		stop()
		<-ended
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_ = t.store.Delete(bounded, "busy.json") // else it grows old
	}, nil
}

// gone reports whether a process of this machine has ended. One's own number is
// that of a former life: one process writes one backup at a time.
func gone(pid int) bool {
	return pid == os.Getpid() || errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}
