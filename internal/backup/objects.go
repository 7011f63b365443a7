package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/netflixathome/cinema/internal/blob"
	"github.com/netflixathome/cinema/internal/fault"
)

const (
	// inMemory is up to what size an object is read once and held; a longer one
	// is read for its checksum, and again if it has to be written.
	inMemory = 16 << 20
	// moves is how often an object is read again that was replaced meanwhile.
	moves = 3
	// sayEvery is after how many objects progress is told.
	sayEvery = 1000
)

type objectDump struct {
	Key  string `json:"key"`
	Size int64  `json:"size"`
	Type string `json:"type"`
	ETag string `json:"etag"`
	Blob string `json:"blob"`
}

// saveObjects saves what the store lists now. What is deleted meanwhile is left
// out: no row of the snapshots names it, or it is garbage by then.
func saveObjects(ctx context.Context, store blob.Store, t *Target, before *Content, say Progress) ([]objectDump, error) {
	old := make(map[string]objectDump, len(before.Objects))
	for _, o := range before.Objects {
		old[o.Key] = o
	}
	var list []*objectDump
	for info, err := range store.List(ctx, "") {
		if err != nil {
			return nil, err
		}
		list = append(list, &objectDump{Key: info.Key, Size: info.Size, ETag: info.ETag})
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	var mu sync.Mutex
	done, bytes := 0, int64(0)
	for _, o := range list {
		group.Go(func() error {
			if was, ok := old[o.Key]; ok && was.Size == o.Size && was.ETag == o.ETag && t.reuse([]string{was.Blob}) {
				*o = was
			} else if err := saveObject(ctx, store, t, o); err != nil {
				return fmt.Errorf("%s: %w", o.Key, err)
			}
			mu.Lock()
			defer mu.Unlock()
			done++
			bytes += o.Size
			if done%sayEvery == 0 || done == len(list) {
				say("objects: %d of %d, %d MB", done, len(list), bytes>>20)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	out := make([]objectDump, 0, len(list))
	for _, o := range list {
		if o.Blob != "" {
			out = append(out, *o)
		}
	}
	return out, nil
}

func saveObject(ctx context.Context, store blob.Store, t *Target, o *objectDump) error {
	for try := 0; ; try++ {
		err := readObject(ctx, store, t, o)
		switch {
		case fault.KindOf(err) == fault.NotFound:
			o.Blob = ""
			return nil
		case errors.Is(err, errMoving) && try < moves:
			continue
		}
		return err
	}
}

func readObject(ctx context.Context, store blob.Store, t *Target, o *objectDump) (err error) {
	in, err := store.Open(ctx, o.Key)
	if err != nil {
		return err
	}
	defer in.Close()
	info := in.Info()
	o.Size, o.Type, o.ETag = info.Size, info.ContentType, info.ETag
	if info.Size <= inMemory {
		b := make([]byte, info.Size)
		if _, err := io.ReadFull(in, b); err != nil {
			return err
		}
		o.Blob, err = t.addBytes(ctx, b)
		return err
	}
	o.Blob, err = t.add(ctx, info.Size, func() (io.ReadCloser, error) {
		_, err := in.Seek(0, io.SeekStart)
		return io.NopCloser(in), err
	})
	return err
}

// heldObjects says in words what objects there are already; empty if none.
func heldObjects(ctx context.Context, store blob.Store) (string, error) {
	for info, err := range store.List(ctx, "") {
		if err != nil {
			return "", err
		}
		return "the object store has " + info.Key, nil
	}
	return "", nil
}

func restoreObjects(ctx context.Context, store blob.Store, list []objectDump, t *Target, say Progress) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	var mu sync.Mutex
	done := 0
	for _, o := range list {
		group.Go(func() error {
			r, err := t.open(ctx, o.Blob)
			if err != nil {
				return fmt.Errorf("%s: %w", o.Key, err)
			}
			defer r.Close()
			if _, err := store.Put(ctx, o.Key, r, blob.PutOptions{ContentType: o.Type, Size: o.Size}); err != nil {
				return fmt.Errorf("%s: %w", o.Key, err)
			}
			mu.Lock()
			defer mu.Unlock()
			if done++; done%sayEvery == 0 || done == len(list) {
				say("objects: %d of %d", done, len(list))
			}
			return nil
		})
	}
	return group.Wait()
}
